"""A residual memory: G banks of C x s16 words, G consecutive slots of a tensor a cycle.

Slot i of a tensor lies in bank i % G (docs/architecture.md, memory layouts), so the lanes' words are
rotated by the first slot's bank, and banks that wrapped around address the next row of slots.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import RESIDUAL_BITS, AcceleratorConfig
from rtl_gen.interfaces import GROUP_BITS, ROW_BITS
from rtl_gen.ram import Ram


class ResidualMemory(wiring.Component):
    """`depth` rows in each of G banks.

    Args:
        config: the accelerator.
        depth: rows per bank.
        partial: whether a write can be limited to some of the word's channels.

    Ports, for reading and writing alike:
        row: base + (slot // G)*groups + cg of the first lane's slot. step: the tensor's `groups`.
        bank: slot % G (absent when G is 1).
        read_data: the G lanes' words, one cycle after `read_enable`; lane g in bits g*16C and up.
        write_mask: lanes to write. write_lanes: channels to write, if `partial`.
        A read of a word being written returns the old word.
    """

    def __init__(self, config: AcceleratorConfig, depth: int, *, partial: bool) -> None:
        self.depth, self.partial = depth, partial
        self.banks = config.pixel_lanes
        self.cols = config.cols
        self.word = config.cols * RESIDUAL_BITS
        bank_bits = (self.banks - 1).bit_length()
        ports: dict[str, wiring.Member] = {
            "read_enable": In(1),
            "read_row": In(ROW_BITS),
            "read_step": In(GROUP_BITS),
            "read_data": Out(self.banks * self.word),
            "write_mask": In(self.banks),
            "write_row": In(ROW_BITS),
            "write_step": In(GROUP_BITS),
            "write_data": In(self.banks * self.word),
        }
        if bank_bits:
            ports["read_bank"] = In(bank_bits)
            ports["write_bank"] = In(bank_bits)
        if partial:
            ports["write_lanes"] = In(self.cols)
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        """Banks, and rotations between lanes and banks."""
        m = Module()
        rotated = self.banks > 1
        data, mask = Value.cast(self.write_data), Value.cast(self.write_mask)
        if rotated:
            data = rotate(m, self.write_data, self.write_bank, self.word, "write_word")
            mask = rotate(m, self.write_mask, self.write_bank, 1, "write_enable")
        words: list[Value] = []
        for bank in range(self.banks):
            ram = Ram(self.word, self.depth, granule=RESIDUAL_BITS if self.partial else None)
            m.submodules[f"bank_{bank}"] = ram
            read_row, write_row = Value.cast(self.read_row), Value.cast(self.write_row)
            if rotated:
                read_row = read_row + Mux(self.read_bank > bank, self.read_step, 0)
                write_row = write_row + Mux(self.write_bank > bank, self.write_step, 0)
            enable = mask[bank]
            if self.partial:
                enable = Mux(enable, self.write_lanes, 0)
            m.d.comb += [
                ram.read_enable.eq(self.read_enable),
                ram.read_address.eq(read_row),
                ram.write_enable.eq(enable),
                ram.write_address.eq(write_row),
                ram.write_data.eq(data.word_select(bank, self.word)),
            ]
            words.append(ram.read_data)
        if not rotated:
            m.d.comb += self.read_data.eq(words[0])
            return m
        # Lane g's word is in bank (g + read_bank) % G: rotating by -read_bank brings it to place g.
        back = Signal.like(self.read_bank)
        m.d.sync += back.eq((-self.read_bank)[: len(back)])
        m.d.comb += self.read_data.eq(rotate(m, Cat(*words), back, self.word, "read_word"))
        return m


def rotate(m: Module, words: Value, places: Value, width: int, name: str) -> Value:
    """`words` of `width` bits moved up by `places` words, cyclically: one multiplexer per bit of `places`.

    The number of words must be two to the power of the width of `places`.
    """
    turned = words
    for bit in range(len(places)):
        stage = Signal(len(words), name=f"{name}_{bit}")
        m.d.comb += stage.eq(Mux(places[bit], turned.rotate_left(width << bit), turned))
        turned = stage
    return turned
