"""Shares a target's memory out anew for one network: the same arrays, the same bytes on chip in all."""

from __future__ import annotations

from dataclasses import replace

from hwflow.compiler.allocate import CapacityError
from hwflow.compiler.explain import peak_rows
from hwflow.compiler.geometry import NetworkGeometry, geometry_of
from hwflow.compiler.plan import Choices, plan_layers
from hwflow.compiler.spill import ROOMY, added_cycles, plan, stored_tensors
from hwflow.config import AcceleratorConfig
from hwflow.errors import FlowError
from hwflow.memories import Memory, banks, ceil_div, word_bytes
from models.integer.params import IntegerNetwork

OTHERS = (Memory.BIT, Memory.BYTE, Memory.SIDE, Memory.POOL)
"""Memories whose tensors cannot go elsewhere."""
LEAST_ROWS = 16
LEAST_GROUPS = 4
"""Channel groups of the largest layer that the binary weight ring must still hold when it gives up memory."""


class TooLargeError(FlowError):
    """The network does not fit the target's memory, however it is shared out."""


def fit(network: NetworkGeometry, config: AcceleratorConfig) -> AcceleratorConfig:
    """The target with rows chosen for `network`: bit, byte, side and pool get what they need, main what is left.

    The head memory goes where no shortcut needs it. Where the main memory then cannot hold what may not leave the chip,
    the binary weight ring gives up what is missing; it also does where keeping more of the block inputs gains more.

    Raises:
        FlowError: even that is too little; names the memory, by how much, and what to change.
    """
    roomy = replace(config, **{f"{memory.value}_rows": ROOMY for memory in Memory})
    try:
        rows = {f"{m.value}_rows": least_rows(network, roomy, m) for m in OTHERS}
    except CapacityError as error:
        raise _beyond_rows(network, config, error) from error
    if not _needs_heads(network, config):
        rows["head_rows"] = 0
    rest = config.on_chip_bytes - config.ring_bytes - config.stream_bytes
    # Heads are words of the same size as the main memory's.
    rest -= rows.get("head_rows", config.head_rows) * _size(config, Memory.MAIN)
    rest -= sum(_size(config, memory) * rows[f"{memory.value}_rows"] for memory in OTHERS)
    chosen = replace(config, name=f"{config.name}-{network.name}", **rows)
    words = config.weight_words
    least = LEAST_GROUPS * _largest_group(network, config)
    while True:
        freed = (config.weight_words - words) * config.cols * config.popcount_width // 8
        main = min(ROOMY, (rest + freed) // _size(config, Memory.MAIN))
        short = LEAST_ROWS - main
        if short <= 0:
            candidate = replace(chosen, main_rows=main, weight_words=words)
            try:
                plan(network, candidate)
                return _traded(network, candidate, least)
            except CapacityError as error:
                if error.full.tensor.memory is not Memory.MAIN:
                    raise
                short = max(1, error.full.needed - error.full.limit)
        fewer = ceil_div(
            short * _size(config, Memory.MAIN), config.cols * config.popcount_width // 8
        )
        if words - fewer < least:
            raise _too_large(network, config, rows, short)
        words -= fewer


def fitted(network: IntegerNetwork, config: AcceleratorConfig) -> AcceleratorConfig:
    """The target itself where the network fits it, else `fit` of the two.

    Raises:
        FlowError: as `fit`, or for another reason than room.
    """
    geometry = geometry_of(network)
    try:
        plan(geometry, config)
    except CapacityError:
        return fit(geometry, config)
    return config


def _traded(network: NetworkGeometry, config: AcceleratorConfig, least: int) -> AcceleratorConfig:
    """The weight ring gives words to the main memory as long as a frame gains by it.

    A byte of the ring saves at most the cycle in which it is loaded (hwflow/bound.py), a byte of a block input what it
    moves beyond its layers' slack.
    """
    word = config.cols * config.popcount_width // 8
    best, most = config, 0
    before = added_cycles(network, plan(network, config), config)
    while True:
        rows = _spilled_rows(network, best)
        if not rows:
            return best
        words = best.weight_words - ceil_div(rows * _size(config, Memory.MAIN), word)
        main = best.main_rows + rows
        if words < least or main > ROOMY:
            return best
        candidate = replace(best, weight_words=words, main_rows=main)
        saved = before - added_cycles(network, plan(network, candidate), candidate)
        gain = saved - (config.weight_words - words) * word // config.memory_bytes
        if gain <= most:
            return best
        best, most = candidate, gain


def _spilled_rows(network: NetworkGeometry, config: AcceleratorConfig) -> int:
    """Rows that one more word of the largest spilled tensor takes in main memory, 0 without one."""
    tensors = stored_tensors(plan(network, config))
    return max(
        (ceil_div(t.height * t.width, config.pixel_lanes) for t in tensors if t.spilled), default=0
    )


def _needs_heads(network: NetworkGeometry, config: AcceleratorConfig) -> bool:
    """Whether a long shortcut repeats from inside a channel group on (hwflow/compiler/heads.py)."""
    return any(
        conv.long_channels is not None
        and conv.long_channels % config.cols
        and conv.long_channels < conv.out_shape[2]
        for conv in network.convs
    )


def _size(config: AcceleratorConfig, memory: Memory) -> int:
    """Bytes of a row of all banks."""
    return banks(config, memory) * word_bytes(config, memory)


def least_rows(network: NetworkGeometry, roomy: AcceleratorConfig, memory: Memory) -> int:
    """Fewest rows from the peak on with which first fit places every tensor of a memory; `roomy`: all have `ROOMY` rows."""
    tensors = stored_tensors(plan_layers(network, roomy, Choices()))
    rows, _ = peak_rows(memory, tensors)
    sizes = [t.rows for t in tensors if t.memory is memory and t.rows]
    step = max(1, min(sizes, default=1))
    rows = max(rows, LEAST_ROWS)
    while rows < ROOMY:
        try:
            plan_layers(network, replace(roomy, **{f"{memory.value}_rows": rows}), Choices())
            return rows
        except CapacityError:
            rows += step
    return ROOMY


def _largest_group(network: NetworkGeometry, config: AcceleratorConfig) -> int:
    """Words of the binary weight ring that the largest channel group takes."""
    return max(
        conv.kernel**2 * ceil_div(conv.in_shape[2], config.popcount_width) for conv in network.convs
    )


def _beyond_rows(
    network: NetworkGeometry, config: AcceleratorConfig, error: CapacityError
) -> FlowError:
    """A tensor that does not fit the most rows a memory can have, whatever the target's are."""
    full = error.full
    memory = full.tensor.memory
    widen = {Memory.BIT: "rows or popcount_width", Memory.BYTE: "rows or cols"}
    return FlowError(
        f"{network.name} does not fit target {config.name}, however its memory is shared out: "
        f"{full.tensor.name} needs {full.needed:,} rows of the {memory.value} memory with everything alive then, and no "
        f"memory has more than {ROOMY:,}; raise {widen.get(memory, 'pixel_lanes or cols')} of the target, or reduce the "
        "image"
    )


def _too_large(
    network: NetworkGeometry, config: AcceleratorConfig, rows: dict[str, int], short: int
) -> TooLargeError:
    sizes = {m: _size(config, m) * rows[f"{m.value}_rows"] for m in OTHERS}
    largest = max(sizes, key=lambda memory: sizes[memory])
    missing = short * _size(config, Memory.MAIN)
    shares = ", ".join(f"{memory.value} {size:,}" for memory, size in sizes.items())
    return TooLargeError(
        f"{network.name} does not fit target {config.name}: of its {config.on_chip_bytes:,} bytes {shares} are taken by "
        f"what must be on chip, the {largest.value} memory most, and the main memory lacks {missing:,}; "
        f"raise main_rows of the target by {short}, or lower mac_words"
    )
