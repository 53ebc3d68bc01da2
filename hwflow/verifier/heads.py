"""Rule on heads: whoever repeats a long shortcut inside a channel group finds its first channels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hwflow.compiler.counts import out_channels
from hwflow.config import AcceleratorConfig
from hwflow.heads import head_rows, reads_heads, repeat_channels
from hwflow.isa import Op, Residual, Store
from hwflow.verifier.context import Context, Instruction


@dataclass(frozen=True)
class _Heads:
    """Rows first..end-1 of the head memory belong to the pooled tensor at `pool_base`."""

    pool_base: int
    first: int
    end: int

    def overlaps(self, other: _Heads) -> bool:
        """Whether they share rows."""
        return self.first < other.end and other.first < self.end


def heads(context: Context) -> Iterator[str]:
    """Walks the layers and keeps what the head memory holds."""
    config = context.config
    live: list[_Heads] = []
    for where, conv in context.of(Op.CONV):
        read = _read(conv, config)
        yield from (f"{where}: {message}" for message in _repetition(conv, read, live, config))
        replaced = {conv["pool_base"]} if conv["pool_en"] else set()
        if conv["store"] == Store.POOL:
            replaced.add(conv["store_base"])
        live = [each for each in live if each.pool_base not in replaced]
        if not conv["heads_en"]:
            if conv["head_base"]:
                yield f"{where}: head_base is {conv['head_base']} without heads, expected 0"
            continue
        end = conv["head_base"] + head_rows(config, conv["pool_h"], conv["pool_w"])
        written = _Heads(conv["pool_base"], conv["head_base"], end)
        if not conv["pool_en"]:
            yield f"{where}: keeps heads of a tensor that it does not pool"
        if conv["groups"] < 2:
            yield f"{where}: keeps heads of a tensor of one channel group"
        if end > config.head_rows:
            yield f"{where}: its heads end at row {end} of {config.head_rows}"
        if read is not None and read.overlaps(written):
            yield f"{where}: its heads overwrite those it reads"
        live = [each for each in live if not each.overlaps(written)]
        live.append(written)


def _read(conv: Instruction, config: AcceleratorConfig) -> _Heads | None:
    if not reads_heads(conv, config):
        return None
    first = conv["r1_head_base"]
    rows = head_rows(config, conv["out_h"], conv["out_w"])
    return _Heads(conv["r1_base"], first, first + rows)


def _repetition(
    conv: Instruction, read: _Heads | None, live: list[_Heads], config: AcceleratorConfig
) -> Iterator[str]:
    low, high = (1, config.cols) if conv["r1_src"] else (0, 0)
    if not low <= conv["r1_last"] <= high:
        yield f"r1_last is {conv['r1_last']}, expected {low}..{high}"
        return
    if read is None:
        if conv["r1_head_base"]:
            yield f"r1_head_base is {conv['r1_head_base']} without heads, expected 0"
        return
    channels = repeat_channels(conv, config)
    what = f"its long shortcut repeats {channels} channels for {out_channels(conv, config)} outputs"
    if conv["r1_src"] != Residual.POOL:
        yield f"{what}, which only pooled ones may"
    if channels < config.cols:
        yield f"{what}, fewer than a group of {config.cols}"
    if read not in live:
        yield f"{what}, but rows {read.first}..{read.end - 1} of the head memory do not hold its first ones"
