"""A residual memory: G banks of C x sN words, G consecutive slots of a tensor a cycle.

Slot i of a tensor lies in bank i % G (docs/architecture.md, memory layouts), so the lanes' words are
rotated by the first slot's bank, and banks that wrapped around address the next row of slots.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from rtl_gen.interfaces import GROUP_BITS, ROW_BITS
from rtl_gen.ram import Ram


class ResidualMemory(wiring.Component):
    """`depth` rows in each of G banks.

    Args:
        config: the accelerator.
        depth: rows per bank.
        partial: whether a write can be limited to some of the word's channels.
        paired: whether the words of the next row are read, too: even and odd rows lie in memories of their own.

    Ports, for reading and writing alike:
        row: base + (slot // G)*groups + cg of the first lane's slot. step: the tensor's `groups`.
        bank: slot % G (absent when G is 1).
        read_data: the G lanes' words, one cycle after `read_enable`; lane g in bits g*N*C and up.
        read_next: those of the next row, if `paired`.
        write_mask: lanes to write. write_lanes: channels to write, if `partial`.
    """

    def __init__(
        self, config: AcceleratorConfig, depth: int, *, partial: bool, paired: bool = False
    ) -> None:
        self.depth, self.partial, self.paired = depth, partial, paired
        self.banks = config.pixel_lanes
        self.cols = config.cols
        self.word = config.residual_word_bits
        self.granule = config.residual_bits if partial else None
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
        if paired:
            ports["read_next"] = Out(self.banks * self.word)
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
        following: list[Value] = []
        for bank in range(self.banks):
            read_row, write_row = Value.cast(self.read_row), Value.cast(self.write_row)
            if bank < self.banks - 1:
                read_row = read_row + Mux(self.read_bank > bank, self.read_step, 0)
                write_row = write_row + Mux(self.write_bank > bank, self.write_step, 0)
            enable = mask[bank]
            if self.partial:
                enable = Mux(enable, self.write_lanes, 0)
            word = data.word_select(bank, self.word)
            if self.paired:
                here, after = self._pair(m, bank, read_row, write_row, enable, word)
                words.append(here)
                following.append(after)
                continue
            ram = Ram(self.word, self.depth, granule=self.granule)
            m.submodules[f"bank_{bank}"] = ram
            m.d.comb += [
                ram.read_enable.eq(self.read_enable),
                ram.read_address.eq(read_row),
                ram.write_enable.eq(enable),
                ram.write_address.eq(write_row),
                ram.write_data.eq(word),
            ]
            words.append(ram.read_data)
        if not rotated:
            m.d.comb += self.read_data.eq(words[0])
            if self.paired:
                m.d.comb += self.read_next.eq(following[0])
            return m
        # Lane g's word is in bank (g + read_bank) % G: rotating by -read_bank brings it to place g.
        back = Signal.like(self.read_bank)
        m.d.sync += back.eq((-self.read_bank)[: len(back)])
        m.d.comb += self.read_data.eq(rotate(m, Cat(*words), back, self.word, "read_word"))
        if self.paired:
            next_words = rotate(m, Cat(*following), back, self.word, "next_word")
            m.d.comb += self.read_next.eq(next_words)
        return m

    def _pair(
        self, m: Module, bank: int, read_row: Value, write_row: Value, enable: Value, word: Value
    ) -> tuple[Value, Value]:
        """A bank in two halves; the words of the row and of the next."""
        row = Signal(ROW_BITS, name=f"read_row_{bank}")
        target = Signal(ROW_BITS, name=f"write_row_{bank}")
        odd = Signal(name=f"odd_{bank}")
        m.d.comb += [row.eq(read_row), target.eq(write_row)]
        with m.If(self.read_enable):
            m.d.sync += odd.eq(row[0])
        halves: list[Value] = []
        for parity, depth in ((0, self.depth - self.depth // 2), (1, self.depth // 2)):
            ram = Ram(self.word, depth, granule=self.granule)
            m.submodules[f"bank_{bank}_{'odd' if parity else 'even'}"] = ram
            m.d.comb += [
                ram.read_enable.eq(self.read_enable),
                ram.read_address.eq(row[1:] if parity else (row + 1) >> 1),
                ram.write_enable.eq(Mux(target[0] == parity, enable, 0)),
                ram.write_address.eq(target[1:]),
                ram.write_data.eq(word),
            ]
            halves.append(ram.read_data)
        return Mux(odd, halves[1], halves[0]), Mux(odd, halves[0], halves[1])


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
