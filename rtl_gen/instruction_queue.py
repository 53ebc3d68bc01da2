"""Instructions on their way from memory to the dispatcher."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hwflow import isa
from hwflow.config import AcceleratorConfig
from hwflow.timing import PREFETCHED
from rtl_gen.delay import successor
from rtl_gen.interfaces import beat_write_layout
from rtl_gen.registered_fifo import BufferedRegisteredFIFO

INSTRUCTION_BITS = 8 * isa.INSTRUCTION_BYTES

DESTINATION = data.StructLayout({"scalar": 1, "conv": 1, "end": 1})
"""Where an instruction goes: to the scalar queue, which takes END, too; to the convolutions'; a LOAD to neither."""


class InstructionQueue(wiring.Component):
    """Assembles beats to instructions and keeps up to `PREFETCHED` of them.

    Members: `claim` In reserves room for one instruction, whose `beats` beats then arrive on `write`; `room` Out: one
    more may be claimed; `instruction` Out stream, with its `destination` Out, decoded when it is written; `empty` Out, a
    register: nothing claimed is left.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__(
            {
                "claim": In(1),
                "room": Out(1),
                "write": In(beat_write_layout(config)),
                "instruction": Out(stream.Signature(INSTRUCTION_BITS)),
                "destination": Out(DESTINATION),
                "empty": Out(1, init=1),
            }
        )

    @property
    def beats(self) -> int:
        """Beats of one instruction."""
        return isa.INSTRUCTION_BYTES // self._config.memory_bytes

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        m.submodules.fifo = fifo = BufferedRegisteredFIFO(
            width=INSTRUCTION_BITS + DESTINATION.size, depth=PREFETCHED
        )
        claimed = Signal(range(PREFETCHED + 1))
        taken = self.instruction.valid & self.instruction.ready
        with m.If(self.claim & ~taken):
            m.d.sync += [claimed.eq(claimed + 1), self.empty.eq(0)]
        with m.Elif(taken & ~self.claim):
            m.d.sync += [claimed.eq(claimed - 1), self.empty.eq(claimed == 1)]
        m.d.comb += self.room.eq(claimed != PREFETCHED)

        beat = Signal(range(self.beats))
        earlier = Signal(INSTRUCTION_BITS - self._config.beat_bits)  # empty where a beat is one
        whole = Cat(earlier, self.write.data)
        with m.If(self.write.valid):
            m.d.sync += [
                beat.eq(successor(beat, self.beats)),
                earlier.eq(whole[self._config.beat_bits :]),
            ]
        op = whole[:8]
        destination = Signal(DESTINATION)
        m.d.comb += [
            destination.end.eq(op == isa.Op.END),
            destination.scalar.eq(
                destination.end | (op == isa.Op.MEAN) | (op == isa.Op.FC) | (op == isa.Op.AFFINE)
            ),
            destination.conv.eq(op == isa.Op.CONV),
            fifo.w_data.eq(Cat(whole, destination)),
            fifo.w_en.eq(self.write.valid & (beat == self.beats - 1)),
            Cat(self.instruction.payload, self.destination).eq(fifo.r_data),
            self.instruction.valid.eq(fifo.r_rdy),
            fifo.r_en.eq(self.instruction.ready),
        ]
        return m
