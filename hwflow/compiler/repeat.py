"""A layer computed many times in one frame, so that a power meter can tell what it takes (docs/measuring.md).

The squeeze-and-excite's second product, which writes the channels' constants, and the convolution are repeated, with
everything that the loader brings for them; means and hidden values are computed once and stay in vector memory B. Between
two passes a MEAN of zeros takes the sum tokens of the first: constants are not written while a convolution reads them.
Earlier passes write no result that lies over an operand.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hwflow.compiler import scalar
from hwflow.compiler.counts import out_channels
from hwflow.compiler.stream import Item, queued
from hwflow.config import AcceleratorConfig
from hwflow.errors import FlowError
from hwflow.isa import FcDest, Op, Ring
from hwflow.verifier.passes import quiet

MOST_TIMES = 1000


@dataclass(frozen=True)
class Repeat:
    """Which layer, by name, and how often it is computed in a frame.

    Raises:
        FlowError: a number of times out of range.
    """

    layer: str
    times: int

    def __post_init__(self) -> None:
        if not 2 <= self.times <= MOST_TIMES:
            raise FlowError(f"--times {self.times}: give 2 to {MOST_TIMES}")


def repeated(items: list[Item], number: int, times: int, config: AcceleratorConfig) -> list[Item]:
    """A frame's items with PokeConv `number` computed `times` times.

    Raises:
        FlowError: a layer on the MAC array, or activations in external memory.
    """
    own = [place for place, item in enumerate(items) if item.instruction["layer"] == number]
    first, last = own[0], own[-1] + 1
    kinds = [(items[i].instruction["op"], items[i].instruction.get("mac", 0)) for i in own]
    if (Op.CONV, 0) not in kinds:
        raise FlowError("--repeat-layer: only PokeConvs can be repeated; measure the plain network")
    if any(_ring(item) is Ring.LONG for item in items):
        raise FlowError(
            "--repeat-layer: the network keeps activations in external memory here; take a target with more main_rows"
        )
    assert own == list(range(first, last))
    start = next(i for i in own if items[i].instruction.get("dest") == FcDest.SCALE)
    body = items[start:last]
    conv = next(item.instruction for item in body if item.instruction["op"] == Op.CONV)
    earlier = [
        replace(item, instruction=quiet(item.instruction, config))
        if item.instruction["op"] == Op.CONV
        else item
        for item in body
    ]
    barrier = queued(scalar.barrier(number, out_channels(conv, config)))
    return [*items[:start], *([*earlier, barrier] * (times - 1)), *body, *items[last:]]


def _ring(item: Item) -> Ring | None:
    instruction = item.instruction
    return Ring(instruction["ring"]) if instruction["op"] == Op.LOAD else None
