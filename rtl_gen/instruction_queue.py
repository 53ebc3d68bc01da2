"""Instructions on their way from memory to the dispatcher."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from hwflow import isa
from hwflow.config import AcceleratorConfig
from hwflow.timing import PREFETCHED
from rtl_gen.delay import successor
from rtl_gen.interfaces import beat_write_layout

INSTRUCTION_BITS = 8 * isa.INSTRUCTION_BYTES


class InstructionQueue(wiring.Component):
    """Assembles beats to instructions and keeps up to `PREFETCHED` of them.

    Members: `claim` In reserves room for one instruction, whose `beats` beats then arrive on `write`; `room` Out: one
    more may be claimed; `instruction` Out stream; `empty` Out: nothing claimed is left.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__(
            {
                "claim": In(1),
                "room": Out(1),
                "write": In(beat_write_layout(config)),
                "instruction": Out(stream.Signature(INSTRUCTION_BITS)),
                "empty": Out(1),
            }
        )

    @property
    def beats(self) -> int:
        """Beats of one instruction."""
        return isa.INSTRUCTION_BYTES // self._config.memory_bytes

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=INSTRUCTION_BITS, depth=PREFETCHED)
        claimed = Signal(range(PREFETCHED + 1))
        taken = self.instruction.valid & self.instruction.ready
        m.d.sync += claimed.eq(claimed + self.claim - taken)
        m.d.comb += [self.room.eq(claimed != PREFETCHED), self.empty.eq(claimed == 0)]

        beat = Signal(range(self.beats))
        earlier = Signal(INSTRUCTION_BITS - self._config.beat_bits)  # empty where a beat is one
        whole = Cat(earlier, self.write.data)
        with m.If(self.write.valid):
            m.d.sync += [
                beat.eq(successor(beat, self.beats)),
                earlier.eq(whole[self._config.beat_bits :]),
            ]
        m.d.comb += [
            fifo.w_data.eq(whole),
            fifo.w_en.eq(self.write.valid & (beat == self.beats - 1)),
            self.instruction.payload.eq(fifo.r_data),
            self.instruction.valid.eq(fifo.r_rdy),
            fifo.r_en.eq(self.instruction.ready),
        ]
        return m
