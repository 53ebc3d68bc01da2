"""Feature memories (bit planes; 8-bit features): NB banks, read R pixels of one tap a cycle, written G pixels a cycle."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hwflow import timing
from hwflow.config import AcceleratorConfig
from rtl_gen import instances
from rtl_gen.bank_division import quotient, remainder
from rtl_gen.interfaces import GROUP_BITS, ROW_BITS, SLOT_BITS
from rtl_gen.probe import observe, values
from rtl_gen.ram import Ram


def rotated(
    m: Module, words: Sequence[Value], by: Value, name: str, *, bits: Sequence[int] | None = None
) -> list[Value]:
    """`words` rotated down, element k = words[(k + by) % len], by one level of multiplexers per bit of `by`.

    `bits`: only those bits of `by` count.
    """
    count = len(words)
    level = list(words)
    for bit in range(len(by)) if bits is None else bits:
        step = 1 << bit
        turned: list[Value] = []
        for k in range(count):
            word = Signal(len(words[0]), name=f"{name}_{bit}_{k}")
            m.d.comb += word.eq(Mux(by[bit], level[(k + step) % count], level[k]))
            turned.append(word)
        level = turned
    return level


class FeatureMemory(wiring.Component):
    """NB banks between the vector unit and an array.

    Members:
        read_en, read_addr (NB row numbers), rem, stride2, fill, fill_mask: In: one read; rows follow
            `timing.FEATURE_READ` cycles later:
        rows: Out, R words; row i = bank (rem + st*i) mod NB, ORed with `fill_mask` if `fill`. `stride2`, `fill_mask` stable.
        store: In {valid, slot, mask[G], cg, data[G chunks]}: chunk cg of pixels slot.. where `mask`; see `store_layout`.
        base, words: In, of the stored tensor (row of slot 0, words per pixel), stable while stores are under way.
        direct: In {valid, bank, row, data}: one whole word, never in the cycle after `hold`.
        hold: Out: a store is about to be written.
        whole: In, with `store`, if `whole_stores`: the store's words are whole, chunk by chunk, and `cg` counts words;
            else every chunk of `data` holds the same and chunk cg is written.
        busy: Out: a store is under way; when it falls, reads issued from then on see it.
        bank_0, bank_1, ..: if `outside`, which leaves the periphery: the ports of a bank (rtl_gen/ram.py) that is elsewhere.
    """

    def __init__(
        self,
        name: str,
        config: AcceleratorConfig,
        *,
        depth: int,
        chunk: int,
        chunks: int,
        whole_stores: bool = False,
        outside: bool = False,
    ) -> None:
        self._name = name
        self._config = config
        self._depth, self._chunk, self._chunks = depth, chunk, chunks
        self._whole, self._outside = whole_stores, outside
        word = chunk * chunks
        bank = Ram.ports(word, depth, chunk)
        self._stored = word if whole_stores else chunk
        super().__init__(
            {
                **({"whole": In(1)} if whole_stores else {}),
                "read_en": In(1),
                "read_addr": In(config.banks * ROW_BITS),
                "rem": In(range(config.banks)),
                "stride2": In(1),
                "fill": In(1),
                "fill_mask": In(word),
                "rows": Out(config.rows * word),
                "store": In(self.store_layout(config, self._stored)),
                "base": In(ROW_BITS),
                "words": In(GROUP_BITS),
                "direct": In(
                    data.StructLayout(
                        {"valid": 1, "bank": range(config.banks), "row": ROW_BITS, "data": word}
                    )
                ),
                "busy": Out(1),
                "hold": Out(1),
                **(dict.fromkeys(self._bank_names(), In(bank)) if outside else {}),
            }
        )

    def _bank_names(self) -> list[str]:
        return [f"bank_{n}" for n in range(self._config.banks)]

    @staticmethod
    def store_layout(config: AcceleratorConfig, chunk: int) -> data.StructLayout:
        """`interfaces.store_layout` with each pixel's chunk as plain bits."""
        return data.StructLayout(
            {
                "valid": 1,
                "slot": SLOT_BITS,
                "mask": config.pixel_lanes,
                "cg": GROUP_BITS,
                "data": data.ArrayLayout(chunk, config.pixel_lanes),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Banks, read side, write side."""
        m = Module()
        names = self._bank_names()
        if self._outside:
            banks = [getattr(self, name) for name in names]
        else:
            banks = instances.copies(
                m,
                lambda: Ram(self._chunk * self._chunks, self._depth, granule=self._chunk),
                f"{self._name}_bank",
                len(names),
            )
        self._read_side(m, banks)
        self._write_side(m, banks)
        observe(
            m,
            self,
            {
                f"{name}__{port}": value
                for name, bank in zip(names, banks, strict=True)
                for port, value in values(bank).items()
            },
        )
        return m

    def _read_side(self, m: Module, banks: Sequence[Ram]) -> None:
        count, rows = self._config.banks, self._config.rows
        word = self._chunk * self._chunks
        addr_bits = (self._depth - 1).bit_length()
        for index, bank in enumerate(banks):
            m.d.comb += [
                bank.read_enable.eq(self.read_en),
                bank.read_address.eq(self.read_addr.word_select(index, ROW_BITS)[:addr_bits]),
            ]
        enables = [Signal(name=f"enable_{n}") for n in range(2)]
        fills = [Signal(name=f"fill_{n}") for n in range(2)]
        rems = [Signal.like(self.rem, name=f"rem_{n}") for n in range(2)]
        m.d.sync += [
            Cat(enables).eq(Cat(self.read_en, enables[0])),
            Cat(fills).eq(Cat(self.fill, fills[0])),
            rems[0].eq(self.rem),
            rems[1].eq(rems[0]),
        ]
        # Half of the rotation behind the block RAMs, which are slow, half behind the register.
        levels = range(len(self.rem))
        early, late = levels[: len(levels) // 2], levels[len(levels) // 2 :]
        half = rotated(m, [bank.read_data for bank in banks], rems[0], "turn", bits=early)
        kept = [Signal(word, name=f"kept_{k}", reset_less=True) for k in range(count)]
        with m.If(enables[0]):
            m.d.sync += [register.eq(value) for register, value in zip(kept, half, strict=True)]
        held = rotated(m, kept, rems[1], "held", bits=late)
        fill = Mux(fills[1], self.fill_mask, 0)
        fill_now = Signal(word)
        m.d.comb += fill_now.eq(fill)
        taken = Signal.like(self.rows, reset_less=True)
        m.d.comb += self.rows.eq(taken)
        with m.If(enables[1]):
            m.d.sync += taken.eq(
                Cat(
                    Mux(self.stride2, held[2 * row % count], held[row]) | fill_now
                    for row in range(rows)
                )
            )

    def _write_side(self, m: Module, banks: Sequence[Ram]) -> None:
        config = self._config
        count, lanes, chunks = config.banks, config.pixel_lanes, self._chunks
        store = self.store
        chunk_bits = (chunks - 1).bit_length()

        stages = [Signal(name=f"store_valid_{n}") for n in range(timing.STORE_WRITE)]
        m.d.sync += Cat(stages).eq(Cat(store.valid, stages[:-1]))
        m.d.comb += [
            self.busy.eq(store.valid | Cat(stages).any()),
            self.hold.eq(stages[0]),
        ]

        # Without reset and enable the products' registers can be the multipliers' (rtl_gen/synthesis/dsp_registers.py).
        q = Signal.like(quotient(store.slot, count), reset_less=True)
        m.d.sync += q.eq(quotient(store.slot, count))
        slot = Signal(SLOT_BITS)
        masks = [Signal(lanes, name=f"mask_{n}") for n in range(2)]
        values = [
            Signal(lanes * self._stored, name=f"values_{n}", reset_less=True) for n in range(2)
        ]
        groups = [Signal(GROUP_BITS, name=f"cg_{n}") for n in range(2)]
        origin = Signal(ROW_BITS)
        wholes = [Signal(name=f"whole_{n}") for n in range(2)]
        whole = self.whole if self._whole else Const(0)
        with m.If(store.valid):
            m.d.sync += [
                slot.eq(store.slot),
                origin.eq(self.base + Mux(whole, store.cg, store.cg >> chunk_bits)),
                wholes[0].eq(whole),
                masks[0].eq(store.mask),
                values[0].eq(store.data.as_value()),
                groups[0].eq(store.cg),
            ]
        rem = Signal(range(count))
        # Row of the store is `origin_1`, or for the pixels of the next row `origin_2`, beyond `words` of q pixels.
        beyond = Signal(ROW_BITS, reset_less=True)
        origin_1, origin_2 = Signal(ROW_BITS), Signal(ROW_BITS)
        m.d.sync += beyond.eq(q * self.words)
        with m.If(stages[0]):
            m.d.sync += [
                rem.eq(remainder(slot, q, count)),
                origin_1.eq(origin),
                origin_2.eq(origin + self.words),
                masks[1].eq(masks[0]),
                values[1].eq(values[0]),
                groups[1].eq(groups[0]),
                wholes[1].eq(wholes[0]),
            ]
        # Bank b takes pixel (b - rem) mod NB: the pixels turned up by rem, which is down by NB - rem.
        back = Signal(range(count + 1))
        m.d.comb += back.eq(count - rem)
        pixels = [
            Cat(masks[1][lane], values[1].word_select(lane, self._stored))
            if lane < lanes
            else Const(0, 1 + self._stored)
            for lane in range(count)
        ]
        turned = rotated(m, pixels, back, "spread")
        row, next_row = Signal(ROW_BITS), Signal(ROW_BITS)
        m.d.comb += [row.eq(origin_1 + beyond), next_row.eq(origin_2 + beyond)]
        for index, bank in enumerate(banks):
            enable = Signal(chunks, name=f"write_en_{index}")
            address = Signal.like(bank.write_address, name=f"write_addr_{index}")
            content = Signal.like(bank.write_data, name=f"write_data_{index}", reset_less=True)
            selected = Cat(
                wholes[1] | (groups[1][:chunk_bits] == chunk) if chunks > 1 else 1
                for chunk in range(chunks)
            )
            # Of one pixel only the mask turns: every bank is shown the word, by what becomes one register.
            word = values[1] if lanes == 1 else turned[index][1:]
            m.d.sync += enable.eq(0)
            with m.If(self.direct.valid):
                with m.If(self.direct.bank == index):
                    m.d.sync += enable.eq(~0)
                m.d.sync += [address.eq(self.direct.row), content.eq(self.direct.data)]
            with m.Elif(stages[1]):
                with m.If(turned[index][0]):
                    m.d.sync += enable.eq(selected)
                m.d.sync += [
                    address.eq(Mux(index < rem, next_row, row)),
                    content.eq(word.replicate(1 if self._whole else chunks)),
                ]
            m.d.comb += [
                bank.write_enable.eq(enable),
                bank.write_address.eq(address),
                bank.write_data.eq(content),
            ]
