"""From the slot of a tile's first pixel at one tap to the address of every bank."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from rtl_gen.bank_division import READ_SLOT_BITS, quotient, remainder, slot_offset
from rtl_gen.interfaces import ROW_BITS


class TapAddress(wiring.Component):
    """Row i of a tile needs slot n + st*i, which lies in bank (n + st*i) mod NB, row (n + st*i) // NB of the tensor.

    With q, rem = divmod(n, NB), bank b serves the row with rem + st*i = b (mod NB) and needs tensor row q + extra:
    stride 1: extra = b < rem; stride 2: b - rem even: 0 or (b < rem) 2, odd: 1, because NB is odd and st*i < 2*NB.

    Members:
        slot: In, n + slot_offset(NB); word: In, word within the pixel.
        base, words, stride2: In, of the source tensor, stable.
        addresses: Out, NB row numbers of ROW_BITS bits; rem: Out, n mod NB. Both `timing.TAP_ADDRESS` cycles after
            `slot`.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._banks = config.banks
        super().__init__(
            {
                "slot": In(READ_SLOT_BITS),
                "word": In(10),
                "base": In(ROW_BITS),
                "words": In(8),
                "stride2": In(1),
                "addresses": Out(self._banks * ROW_BITS),
                "rem": Out(range(self._banks)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Quotient; remainder and row address; bank addresses."""
        m = Module()
        banks = self._banks
        q = Signal.like(quotient(self.slot, banks))
        slot = Signal.like(self.slot)
        origin = Signal(ROW_BITS)
        m.d.sync += [
            q.eq(quotient(self.slot, banks)),
            slot.eq(self.slot),
            origin.eq(self.base + self.word),
        ]

        rem = Signal.like(self.rem)
        row = Signal(ROW_BITS)
        q_tensor = Signal(signed(len(q) + 1))
        m.d.comb += q_tensor.eq(q - slot_offset(banks) // banks)
        m.d.sync += [rem.eq(remainder(slot, q, banks)), row.eq(origin + q_tensor * self.words)]

        m.d.sync += self.rem.eq(rem)
        row_1 = Signal(ROW_BITS)
        row_2 = Signal(ROW_BITS)
        m.d.comb += [row_1.eq(row + self.words), row_2.eq(row_1 + self.words)]
        for bank in range(banks):
            below = Signal(name=f"below_{bank}")
            odd = Signal(name=f"odd_{bank}")
            m.d.comb += [below.eq(bank < rem), odd.eq(rem[0] ^ (bank & 1))]
            stride1 = Mux(below, row_1, row)
            stride2 = Mux(odd, row_1, Mux(below, row_2, row))
            m.d.sync += self.addresses.word_select(bank, ROW_BITS).eq(
                Mux(self.stride2, stride2, stride1)
            )
        return m
