"""The host's side of the accelerator: decode the result stream.

Nothing here knows of a simulator or of a link: both run this code. `Program.pack_image` encodes images.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hwflow import isa
from hwflow.errors import FlowError
from hwflow.timing import MEMORY_PATIENCE

DESTINATIONS = {
    isa.Ring.WEIGHTS: "binary weights",
    isa.Ring.MACS: "8-bit weights",
    isa.Ring.CONSTANTS: "constants",
    isa.Ring.BYTES: "the image",
    isa.Ring.LONG: "activations in external memory",
    isa.INSTRUCTIONS: "the schedule",
}
"""What a beat was for, by an ERROR record's field."""


@dataclass(frozen=True)
class LayerRecord:
    """A CONV's record: the stored tensor's signature and isa.LAYER_COUNTERS by name (empty if not kept)."""

    layer: int
    signature: int
    counters: dict[str, int]

    @property
    def cycles(self) -> int:
        """Cycles of the layer: `start` and `end` are its first and its last."""
        return isa.layer_cycles(self.counters)


@dataclass(frozen=True)
class ScalarRecord:
    """An FC's record: isa.SCALAR_COUNTERS by name; wide: 8-bit weights."""

    layer: int
    wide: bool
    counters: dict[str, int]


@dataclass(frozen=True)
class PortError:
    """An ERROR record: fault (isa.Fault), destination (isa.Ring or isa.INSTRUCTIONS), layer, address in beats."""

    fault: int
    destination: int
    layer: int
    address: int

    def describe(self, layers: Mapping[int, str]) -> str:
        """One line for people; `layers`: names by number."""
        what = DESTINATIONS.get(self.destination, f"destination {self.destination}")
        if self.destination != isa.INSTRUCTIONS:
            what += f" of layer {self.layer} ({layers.get(self.layer, 'unknown')})"
        if self.fault == isa.Fault.RESPONSE:
            return (
                f"the memory answered beat {self.address}, {what}, with an error; check that the "
                "whole memory image can be read where the accelerator's port looks for it"
            )
        return (
            f"the memory gave no answer for beat {self.address}, {what}, in {MEMORY_PATIENCE} "
            "cycles; check the memory port, then reset the accelerator if it stays busy"
        )


@dataclass(frozen=True)
class FrameRecords:
    """All records of one image, in the order of the stream; logits int32 (classes,).

    error: what ended the run before its END record, if something did; logits and counters are empty then.
    """

    layers: tuple[LayerRecord, ...]
    scalars: tuple[ScalarRecord, ...]
    logits: npt.NDArray[np.int32]
    signature: int
    counters: dict[str, int]
    error: PortError | None = None

    @property
    def signed(self) -> tuple[int, list[tuple[int, int]]]:
        """The logits' signature, and (layer, signature) of every layer whose record is there."""
        return self.signature, [(each.layer, each.signature) for each in self.layers]


@dataclass(frozen=True, kw_only=True, eq=False)
class Classification:
    """What a board made of a batch. records: one an image, in order; seconds: of all, with the link."""

    records: tuple[FrameRecords, ...]
    seconds: float

    @property
    def logits(self) -> npt.NDArray[np.int32]:
        """int32 (N, classes)."""
        return np.stack([record.logits for record in self.records])

    @property
    def predictions(self) -> npt.NDArray[np.int64]:
        """int64 (N,): the class of the largest logit."""
        return np.argmax(self.logits, axis=1)

    @property
    def signatures(self) -> list[dict[int, int]]:
        """An image: signature of its stored tensor by layer number."""
        return [{layer.layer: layer.signature for layer in each.layers} for each in self.records]

    @property
    def cycles(self) -> list[int]:
        """An image: clock cycles from its start to the last logit."""
        return [record.counters["cycles"] for record in self.records]


@dataclass(frozen=True)
class Repetition:
    """One image computed again and again. record: of the last run, all others had the same signatures.

    runs: how many. cycles: from the first start to the last done, as the board counted them. start_s: this machine's
    clock (seconds since 1970) when the start was asked for; late_s: until the board had answered.
    """

    record: FrameRecords
    runs: int
    cycles: int
    start_s: float
    late_s: float


@dataclass
class _Frame:
    layers: list[LayerRecord] = field(default_factory=list[LayerRecord])
    scalars: list[ScalarRecord] = field(default_factory=list[ScalarRecord])
    logits: dict[int, int] = field(default_factory=dict[int, int])


def decode_results(stream: bytes, classes: int, *, counters: bool = True) -> list[FrameRecords]:
    """The result stream (64-bit little-endian words) -> one FrameRecords an image, of `classes` logits.

    counters: whether LAYER and SCALAR records have theirs; a board may have dropped them (protocol.Keep).

    Raises:
        FlowError: an unknown record, a record or frame cut short, a class without a logit, with two, or
            beyond the last; with the number of the word.
    """
    if len(stream) % 8:
        raise FlowError(f"the result stream has {len(stream)} bytes, not whole words of 8")
    layer_names = isa.LAYER_COUNTERS if counters else ()
    scalar_names = isa.SCALAR_COUNTERS if counters else ()
    words = enumerate(int(word) for word in np.frombuffer(stream, "<u8"))
    frames: list[FrameRecords] = []
    frame = _Frame()
    empty = True
    for at, word in words:
        empty = False
        kind, tag, upper = word & 0xFF, word >> 8 & 0xFFFF, word >> 32
        if kind == isa.Record.LAYER:
            frame.layers.append(LayerRecord(tag, upper, _counters(layer_names, words, at)))
        elif kind == isa.Record.SCALAR:
            wide = bool(word >> 24 & 1)
            frame.scalars.append(ScalarRecord(tag, wide, _counters(scalar_names, words, at)))
        elif kind == isa.Record.LOGIT:
            if tag >= classes:
                raise FlowError(f"word {at} is the logit of class {tag}, but there are {classes}")
            if tag in frame.logits:
                raise FlowError(f"word {at} is the second logit of class {tag}")
            frame.logits[tag] = upper - (1 << 32) if upper >> 31 else upper
        elif kind == isa.Record.END:
            ended = _counters(isa.END_COUNTERS, words, at)
            frames.append(_finish(frame, classes, upper, ended, at))
            frame = _Frame()
            empty = True
        elif kind == isa.Record.ERROR:
            error = PortError(word >> 24 & 15, word >> 28 & 15, tag, upper)
            logits = np.zeros(0, np.int32)
            layers, scalars = tuple(frame.layers), tuple(frame.scalars)
            frames.append(FrameRecords(layers, scalars, logits, 0, {}, error))
            frame = _Frame()
            empty = True
        else:
            raise FlowError(f"word {at} of the result stream, {word:#018x}, is no record")
    if not empty:
        raise FlowError("the result stream ends within a frame: no END or ERROR record")
    return frames


def _counters(names: tuple[str, ...], words: Iterator[tuple[int, int]], at: int) -> dict[str, int]:
    values = [word for _, (_, word) in zip(names, words, strict=False)]
    if len(values) != len(names):
        raise FlowError(f"the result stream ends within the record at word {at}")
    return dict(zip(names, values, strict=True))


def _finish(
    frame: _Frame, classes: int, signature: int, counters: dict[str, int], at: int
) -> FrameRecords:
    missing = set(range(classes)) - set(frame.logits)
    if missing:
        raise FlowError(f"the frame that ends at word {at} has no logit of class {min(missing)}")
    logits = np.array([frame.logits[i] for i in range(classes)], np.int32)
    return FrameRecords(tuple(frame.layers), tuple(frame.scalars), logits, signature, counters)
