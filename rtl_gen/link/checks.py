"""What is to be known of a request before it is carried out, in registers."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from hwflow.host.protocol import REQUESTS, WORD_BYTES, Kind, fields_bytes
from rtl_gen.link.frames import CRC_BITS, LENGTH_BITS
from rtl_gen.link.parameters import LinkConfig

ARGUMENT_BYTES = max(fields_bytes(fields) for fields in REQUESTS.values())
ADDRESS_BYTES = fields_bytes(REQUESTS[Kind.WRITE])
KINDS = tuple(REQUESTS)
ONCE = (Kind.WRITE, Kind.RUN, Kind.RESET)
"""Requests that a repetition does not carry out again; the others only read."""


def argument(arguments: Value, kind: Kind, name: str) -> Value:
    """A number of a request's payload, of whose last `ARGUMENT_BYTES` bytes the last lies highest."""
    fields = REQUESTS[kind]
    at = ARGUMENT_BYTES - fields_bytes(fields)
    for field, size in fields:
        if field == name:
            return arguments[8 * at : 8 * (at + size)]
        at += size
    raise KeyError(name)


class RequestChecks(wiring.Component):
    """Compares what a request says. All outputs are there six cycles after its numbers: a frame's CRC takes longer.

    Members: `kind`, `sequence`, `length`, `crc` In: the frame's; `arguments` In: its numbers (`argument`). `accept` In:
    from now on this is the last request carried out. `run` In: number of the run whose results are kept; `words` In: how
    many. `kinds` Out: a bit for each kind, see `is_kind`; `fits` Out: it has the length of its kind; `once` Out: its
    kind is one of `ONCE`; `again` Out: it is the last one once more; `fresh` Out: its sequence number is a new one.
    `address`, `beats` Out: which beats of the memory it is about; `refused` Out: some are not there, or it asks for too
    much; `asked` Out: it is about the run whose results are kept; `beyond` Out: results that it asks for are not there.
    """

    kind: Signal
    sequence: Signal
    length: Signal
    crc: Signal
    arguments: Signal
    accept: Signal
    run: Signal
    words: Signal
    kinds: Signal
    fits: Signal
    once: Signal
    again: Signal
    fresh: Signal
    address: Signal
    beats: Signal
    refused: Signal
    asked: Signal
    beyond: Signal

    def __init__(self, config: AcceleratorConfig, link: LinkConfig) -> None:
        self._config, self._link = config, link
        super().__init__(
            {
                "kind": In(8),
                "sequence": In(16),
                "length": In(LENGTH_BITS),
                "crc": In(CRC_BITS),
                "arguments": In(8 * ARGUMENT_BYTES),
                "accept": In(1),
                "run": In(32),
                "words": In(range(link.buffer_words + 1)),
                "kinds": Out(len(KINDS)),
                "address": Out(32),
                "beats": Out(32),
                **dict.fromkeys(
                    ("fits", "once", "again", "fresh", "refused", "asked", "beyond"), Out(1)
                ),
            }
        )

    def is_kind(self, *kinds: Kind) -> Value:
        """The request is of one of these kinds."""
        return Cat(self.kinds[KINDS.index(kind)] for kind in kinds).any()

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        m.d.sync += [
            *(bit.eq(self.kind == kind) for bit, kind in zip(self.kinds, KINDS, strict=True)),
            self.once.eq(self.is_kind(*ONCE)),
        ]
        self._elaborate_length(m)
        self._elaborate_order(m)
        self._elaborate_range(m)
        self._elaborate_results(m)
        return m

    def _elaborate_length(self, m: Module) -> None:
        fitting: list[Signal] = []
        for kind, fields in REQUESTS.items():
            fitting.append(fits := Signal(name=f"fits_{kind.name.lower()}"))
            if kind is Kind.WRITE:
                size = Signal(LENGTH_BITS)
                whole = size[: (self._config.memory_bytes - 1).bit_length()] == 0
                m.d.comb += size.eq(self.length - ADDRESS_BYTES)
                m.d.sync += fits.eq((self.length > ADDRESS_BYTES) & whole)
            else:
                m.d.sync += fits.eq(self.length == fields_bytes(fields))
        m.d.sync += self.fits.eq((Cat(*fitting) & self.kinds).any())

    def _elaborate_order(self, m: Module) -> None:
        last, last_crc = Signal(16), Signal(CRC_BITS)
        ahead = Signal(16)
        same, same_crc = Signal(), Signal()
        m.d.sync += [
            ahead.eq(self.sequence - last),
            same.eq(self.sequence == last),
            same_crc.eq(self.crc == last_crc),
            self.again.eq(same & same_crc),
            self.fresh.eq((ahead != 0) & ~ahead[-1]),
        ]
        with m.If(self.accept):
            m.d.sync += [last.eq(self.sequence), last_crc.eq(self.crc)]

    def _elaborate_range(self, m: Module) -> None:
        shift = (self._config.memory_bytes - 1).bit_length()
        size, end = Signal(LENGTH_BITS), Signal(33)
        outside, too_many, no_runs = Signal(), Signal(), Signal()
        m.d.sync += [
            size.eq(self.length - ADDRESS_BYTES),
            self.address.eq(argument(self.arguments, Kind.WRITE, "address")),
            self.beats.eq(size >> shift),
        ]
        for kind in (Kind.READ, Kind.CHECK, Kind.RUN):
            with m.If(self.is_kind(kind)):
                m.d.sync += [
                    self.address.eq(argument(self.arguments, kind, "address")),
                    self.beats.eq(argument(self.arguments, kind, "beats")),
                ]
        m.d.sync += [
            end.eq(self.address + self.beats),
            outside.eq(end > self._link.memory_beats),
            too_many.eq(self.is_kind(Kind.READ) & (self.beats > self._link.data_bytes >> shift)),
            no_runs.eq(self.is_kind(Kind.RUN) & (argument(self.arguments, Kind.RUN, "runs") == 0)),
            self.refused.eq(outside | too_many | no_runs),
        ]

    def _elaborate_results(self, m: Module) -> None:
        number, end = Signal(32), Signal(17)
        first, count, run = (
            argument(self.arguments, Kind.RESULTS, name) for name in ("first", "count", "run")
        )
        tally = argument(self.arguments, Kind.TALLY, "run")
        m.d.sync += [
            number.eq(Mux(self.is_kind(Kind.TALLY), tally, run)),
            self.asked.eq(number == self.run),
            end.eq(first + count),
            self.beyond.eq((end > self.words) | (count > self._link.data_bytes // WORD_BYTES)),
        ]
