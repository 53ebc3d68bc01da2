"""Moves beats between the link's buffer and the memory, and takes the CRC of what is in the memory."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import enum, stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from hwflow.host.protocol import WORD_BYTES
from rtl_gen.interfaces import MemoryPort, memory_write_layout

WORD_BITS = 8 * WORD_BYTES


class Move(enum.Enum, shape=2):
    """What to do with the beats."""

    STORE = 0  # buffer to memory
    FETCH = 1  # memory to buffer
    CHECK = 2  # memory to CRC


class MemoryMover(wiring.Component):
    """One beat at a time, so that the memory never has more to give than is asked for.

    Args:
        config: the accelerator.
        depth: words of the buffer.
        patience: cycles that the memory may owe something, at least 2.

    Members: `start` In, taken while idle, with `move`, `address` (beats) and `beats`; the buffer is used from word 0
    on. `done` Out pulses at the end; `failed` with it: the memory answered with an error or not at all. `crc` Out,
    from `done` on: CRC-32 of the bytes read. `read_enable`, `read_address` Out, `read_data` In, `write_enable`,
    `write_address`, `write_data` Out: the buffer. `memory`, `write`, `written`: as the accelerator's ports.
    """

    start: Signal
    move: Signal
    address: Signal
    beats: Signal
    done: Signal
    failed: Signal
    crc: Signal
    read_enable: Signal
    read_address: Signal
    read_data: Signal
    write_enable: Signal
    write_address: Signal
    write_data: Signal
    written: Signal

    def __init__(self, config: AcceleratorConfig, depth: int, *, patience: int) -> None:
        self._config, self._patience = config, patience
        super().__init__(
            {
                "start": In(1),
                "move": In(Move),
                "address": In(32),
                "beats": In(32),
                "done": Out(1),
                "failed": Out(1),
                "crc": Out(32),
                "read_enable": Out(1),
                "read_address": Out(range(depth)),
                "read_data": In(WORD_BITS),
                "write_enable": Out(1),
                "write_address": Out(range(depth)),
                "write_data": Out(WORD_BITS),
                "memory": Out(MemoryPort(config)),
                "write": Out(stream.Signature(memory_write_layout(config))),
                "written": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        m.submodules.check = check = CRC32_ISO_HDLC().create()
        config = self._config
        request, answer = self.memory.request, self.memory.data
        move, address = Signal(Move), Signal(32)
        left, none = Signal(32), Signal()  # beats; there is none
        beat = Signal(config.beat_bits)
        word, part = Signal.like(self.read_address), Signal(range(config.memory_bytes))
        # Registers, so that the memory's answer decides about little: `taken` is known a cycle late.
        waited, overdue, taken = Signal(range(self._patience)), Signal(), Signal()
        late = Signal()
        words = config.memory_bytes // WORD_BYTES
        m.d.comb += [
            self.read_address.eq(word),
            self.write_address.eq(word),
            self.write_data.eq(beat[:WORD_BITS]),
            self.write.payload.address.eq(address),
            self.write.payload.data.eq(beat),
            request.payload.address.eq(address),
            request.payload.beats.eq(1),
            answer.ready.eq(1),
            check.data.eq(beat[:8]),
            self.crc.eq(check.crc),
            late.eq(overdue & ~taken),
        ]
        m.d.sync += [
            waited.eq(waited + 1),
            overdue.eq(waited == self._patience - 2),
            taken.eq(0),
        ]
        with m.If(taken):
            m.d.sync += [waited.eq(0), overdue.eq(0)]
        with m.FSM(name="mover"):
            with m.State("IDLE"):
                m.d.comb += check.start.eq(self.start)
                m.d.sync += [word.eq(0), part.eq(0)]
                with m.If(self.start):
                    m.d.sync += [
                        move.eq(self.move),
                        address.eq(self.address),
                        left.eq(self.beats),
                        none.eq(self.beats == 0),
                    ]
                    m.next = "NEXT"
            with m.State("NEXT"):
                m.d.sync += [waited.eq(0), overdue.eq(0)]
                with m.If(none):
                    m.d.comb += self.done.eq(1)
                    m.next = "IDLE"
                with m.Elif(move == Move.STORE):
                    m.d.comb += self.read_enable.eq(1)
                    m.next = "GATHER"
                with m.Else():
                    m.next = "ASK"
            with m.State("GATHER"):
                shifted = Cat(beat[WORD_BITS:], self.read_data) if words > 1 else self.read_data
                m.d.sync += [beat.eq(shifted), word.eq(word + 1), part.eq(part + 1)]
                m.d.sync += [waited.eq(0), overdue.eq(0)]
                m.next = "NEXT"
                with m.If(part == words - 1):
                    m.d.sync += part.eq(0)
                    m.next = "SEND"
            with m.State("SEND"):
                m.d.comb += self.write.valid.eq(1)
                with m.If(self.write.ready):
                    m.d.sync += taken.eq(1)
                    m.next = "SENT"
                with m.Elif(late):
                    m.next = "FAILED"
            with m.State("SENT"):
                with m.If(self.written):
                    m.next = "COUNT"
                with m.Elif(late):
                    m.next = "FAILED"
            with m.State("ASK"):
                m.d.comb += request.valid.eq(1)
                with m.If(request.ready):
                    m.d.sync += taken.eq(1)
                    m.next = "BEAT"
                with m.Elif(late):
                    m.next = "FAILED"
            with m.State("BEAT"):
                m.d.sync += beat.eq(answer.payload.data)
                with m.If(answer.valid):
                    m.next = "WORDS"
                    with m.If(move == Move.CHECK):
                        m.next = "BYTES"
                    with m.If(answer.payload.error):
                        m.next = "FAILED"
                with m.Elif(late):
                    m.next = "FAILED"
            with m.State("WORDS"):
                m.d.comb += self.write_enable.eq(1)
                m.d.sync += [word.eq(word + 1), part.eq(part + 1), beat.eq(beat >> WORD_BITS)]
                with m.If(part == words - 1):
                    m.d.sync += part.eq(0)
                    m.next = "COUNT"
            with m.State("BYTES"):
                m.d.comb += check.valid.eq(1)
                m.d.sync += [part.eq(part + 1), beat.eq(beat >> 8)]
                with m.If(part == config.memory_bytes - 1):
                    m.d.sync += part.eq(0)
                    m.next = "COUNT"
            with m.State("COUNT"):  # by itself: what the memory says comes late in its cycle
                m.d.sync += [address.eq(address + 1), left.eq(left - 1), none.eq(left == 1)]
                m.next = "NEXT"
            with m.State("FAILED"):
                m.d.comb += [self.done.eq(1), self.failed.eq(1)]
                m.next = "IDLE"
        return m
