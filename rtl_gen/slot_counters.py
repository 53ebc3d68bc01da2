"""Sorts the MAC slots of every step into useful, masked and three kinds of padding."""

from __future__ import annotations

from functools import reduce
from operator import add

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from rtl_gen.interfaces import CONV

COUNTS = ("useful", "masked", "k_padding", "channel_padding", "pixel_padding")


def counts_layout(config: AcceleratorConfig) -> data.StructLayout:
    """One count per kind, each up to P or M slots."""
    bits = max(config.binary_macs, config.mac_lanes).bit_length()
    return data.StructLayout(dict.fromkeys(COUNTS, bits))


class SlotCounters(wiring.Component):
    """Counts of one step.

    For V pixels that exist, U of them unmasked, c columns and k channels in use, of R, C and K (Km with `mac`):
    pixel_padding = (R-V)*C*K, channel_padding = V*(C-c)*K, k_padding = V*c*(K-k), masked = (V-U)*c*k, useful = U*c*k.

    Members: conv In, stable; valid, last_word, last_group, pixels, unmasked In, of a step; counts Out, `timing.SLOT_COUNT`
    cycles later, all 0 without a step.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__(
            {
                "conv": In(CONV),
                "valid": In(1),
                "last_word": In(1),
                "last_group": In(1),
                "pixels": In(config.rows),
                "unmasked": In(config.rows),
                "counts": Out(counts_layout(config)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Count rows and the slots of a row; multiply."""
        m = Module()
        config, conv = self._config, self.conv
        rows, cols = config.rows, config.cols
        depth = Signal(range(config.popcount_width + 1))
        deep, shallow = config.popcount_width, config.mac_depth  # powers of two
        channels = Signal.like(depth)
        columns = Signal(range(cols + 1))
        m.d.comb += [
            depth.eq(Mux(conv.mac, shallow, deep)),
            channels.eq(Mux(conv.mac & conv.grouped, 1, Mux(self.last_word, conv.last_k, depth))),
            columns.eq(Mux(self.last_group, conv.last_cols, cols)),
        ]
        slots = range(cols * config.popcount_width + 1)
        used, k_missing, c_missing = Signal(slots), Signal(slots), Signal(slots)
        existing, masked, counted = (Signal(range(rows + 1)) for _ in range(3))
        valid = Signal()
        m.d.sync += [
            valid.eq(self.valid),
            used.eq(_product(columns, channels)),
            k_missing.eq(_product(columns, (depth - channels)[: len(depth)])),
            c_missing.eq(Mux(conv.mac, (cols - columns) * shallow, (cols - columns) * deep)),
            existing.eq(_ones(self.pixels)),
            masked.eq(_ones(self.pixels & ~self.unmasked)),
            counted.eq(_ones(self.unmasked)),
        ]
        m.d.sync += self.counts.eq(0)
        with m.If(valid):
            m.d.sync += [
                self.counts.useful.eq(_product(counted, used)),
                self.counts.masked.eq(_product(masked, used)),
                self.counts.k_padding.eq(_product(existing, k_missing)),
                self.counts.channel_padding.eq(_product(existing, c_missing)),
                self.counts.pixel_padding.eq(
                    Mux(
                        conv.mac,
                        (rows - existing)[: len(existing)] * (shallow * cols),
                        (rows - existing)[: len(existing)] * (deep * cols),
                    )
                ),
            ]
        return m


def _product(few: Value, many: Value) -> Value:
    """The product of two numbers, `few` of a few bits, made of adders: the way to a multiplier takes longer than they do."""
    return reduce(add, (Mux(bit, many << at, 0) for at, bit in enumerate(few)))


def _ones(bits: Value) -> Value:
    return reduce(add, list(bits))
