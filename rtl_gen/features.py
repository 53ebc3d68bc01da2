"""The feature memories: bit planes for the binary array, 8-bit features for the MAC array."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from rtl_gen import interfaces
from rtl_gen.feature_memory import FeatureMemory
from rtl_gen.interfaces import ROW_BITS


def bit_memory(config: AcceleratorConfig, *, outside: bool = False) -> FeatureMemory:
    """The memory of the bit planes, and of the bytes where they share it; outside: see there."""
    chunks = config.popcount_width // config.cols
    if not config.shared_features:
        return FeatureMemory(
            "bit", config, depth=config.bit_rows, chunk=config.cols, chunks=chunks, outside=outside
        )
    return FeatureMemory(
        "feature",
        config,
        depth=config.bit_rows + config.byte_rows,
        chunk=config.cols,
        chunks=chunks,
        whole_stores=True,
        outside=outside,
    )


class Features(wiring.Component):
    """One memory for each kind, or, where words of both have as many bits (`shared_features`), one for both.

    A CONV reads one kind and stores one kind at most, so a memory of both needs no further port: its first `bit_rows`
    rows hold the bit planes, the others the bytes.

    Members:
        conv: In, stable while the layer runs.
        read, last_word: In: a tap is read; it is the last word of the pixel.
        addresses (NB row numbers), rem: In, of the tap (rtl_gen/tap_address.py), byte rows from `byte_origin` on.
        bits, octets: Out, R words of K bits and R words of C bytes, `timing.FEATURE_READ` cycles later.
        bits_store, bytes_store: In, never both in a layer if `shared_features`. image: In, a word of the image.
        image_stall: Out: no `image` in the next cycle. busy: Out: a store is under way.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__(
            {
                "conv": In(interfaces.CONV),
                "read": In(1),
                "last_word": In(1),
                "addresses": In(config.banks * ROW_BITS),
                "rem": In(range(config.banks)),
                "bits": Out(config.rows * config.popcount_width),
                "octets": Out(config.rows * 8 * config.cols),
                "bits_store": In(interfaces.store_layout(config, 1)),
                "bytes_store": In(interfaces.store_layout(config, 8)),
                "image": In(interfaces.bytes_write_layout(config)),
                "image_stall": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The memories and what they have in common."""
        m = Module()
        config, conv = self._config, self.conv
        # Bits beyond the last channel read as 1; their weights are 0, so XNOR gives 0.
        mask = Signal(config.popcount_width, reset_less=True)
        last_k = Signal.like(conv.last_k)
        m.d.sync += [last_k.eq(conv.last_k), mask.eq(_from(m, last_k, config.popcount_width))]
        memories = (self._shared if config.shared_features else self._apart)(m, mask)
        for memory in memories:
            m.d.comb += [
                memory.read_addr.eq(self.addresses),
                memory.rem.eq(self.rem),
                memory.stride2.eq(conv.stride2),
            ]
        m.d.comb += self.busy.eq(Cat(memory.busy for memory in memories).any())
        return m

    def _apart(self, m: Module, mask: Value) -> tuple[FeatureMemory, ...]:
        config, conv = self._config, self.conv
        m.submodules.bit_memory = bits = bit_memory(config)
        m.submodules.byte_memory = octets = FeatureMemory(
            "byte", config, depth=config.byte_rows, chunk=8 * config.cols, chunks=1
        )
        m.d.comb += [
            bits.read_en.eq(self.read & ~conv.mac),
            octets.read_en.eq(self.read & conv.mac),
            bits.store.eq(self.bits_store),
            octets.store.eq(self.bytes_store),
            bits.fill.eq(self.last_word),
            bits.fill_mask.eq(mask),
            bits.base.eq(conv.bits_base),
            bits.words.eq(conv.bits_words),
            octets.base.eq(conv.store_base),
            octets.words.eq(conv.groups),
            octets.direct.eq(self.image),
            self.image_stall.eq(octets.hold),
            self.bits.eq(bits.rows),
            self.octets.eq(octets.rows),
        ]
        return bits, octets

    def _shared(self, m: Module, mask: Value) -> tuple[FeatureMemory, ...]:
        config, conv = self._config, self.conv
        cols, width = config.cols, config.popcount_width
        m.submodules.memory = memory = bit_memory(config)
        octets = self.bytes_store.valid
        either = interfaces.store_layout(config, 8)
        bits_as_words = Cat(
            self.bits_store.data.as_value().word_select(lane, cols).replicate(width // cols)
            for lane in range(config.pixel_lanes)
        )
        words = Mux(octets, self.bytes_store.data.as_value(), bits_as_words)
        store = Signal(either)
        m.d.comb += [
            store.valid.eq(octets | self.bits_store.valid),
            store.data.as_value().eq(words),
            *(
                store[name].eq(Mux(octets, self.bytes_store[name], self.bits_store[name]))
                for name in ("slot", "mask", "cg")
            ),
            *(memory.store[name].eq(store[name]) for name in ("valid", "slot", "mask", "cg")),
            memory.store.data.as_value().eq(store.data.as_value()),
            memory.whole.eq(octets),
            memory.read_en.eq(self.read),
            memory.fill.eq(self.last_word & ~conv.mac),
            memory.fill_mask.eq(mask),
            memory.base.eq(Mux(octets, conv.store_base + config.byte_origin, conv.bits_base)),
            memory.words.eq(Mux(conv.bits_en, conv.bits_words, conv.groups)),
            memory.direct.valid.eq(self.image.valid),
            memory.direct.bank.eq(self.image.bank),
            memory.direct.row.eq(self.image.row + config.byte_origin),
            memory.direct.data.eq(self.image.data),
            self.image_stall.eq(memory.hold),
            self.bits.eq(memory.rows),
            self.octets.eq(memory.rows),
        ]
        return (memory,)


def _from(m: Module, first: Value, width: int) -> Value:
    """Ones from bit `first` on, of `width` (a power of two, at least 16) bits: by sixteens, not by a comparator a bit."""
    within = Signal(16)
    m.d.comb += within.eq(Const(0xFFFF, 16) << first[:4])
    parts: list[Value] = []
    for sixteen in range(width // 16):
        here = Signal(name=f"here_{sixteen}")
        m.d.comb += here.eq(first[4:] == sixteen)
        part = within & here.replicate(16)
        if sixteen:  # no number is below 0, and linters mind being asked
            begun = Signal(name=f"begun_{sixteen}")
            m.d.comb += begun.eq(first[4:] < sixteen)
            part |= begun.replicate(16)
        parts.append(part)
    return Cat(parts)
