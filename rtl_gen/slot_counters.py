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

    Members: conv In, stable; valid, pixels, unmasked In, of a step, last_word, last_group In, a cycle earlier; counts Out,
    `timing.SLOT_COUNT` cycles after `valid`, all 0 without a step.
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
        """Columns and channels in use; count rows and the slots of a row; multiply."""
        m = Module()
        config, conv = self._config, self.conv
        rows, cols = config.rows, config.cols
        deep, shallow = config.popcount_width, config.mac_depth  # powers of two
        channels, channels_missing = (Signal(range(deep + 1)) for _ in range(2))
        columns, columns_missing = (Signal(range(cols + 1)) for _ in range(2))
        # Constants of the layer: channels of a word that is its tap's last, and of any other.
        depth, last, full = (Signal(range(deep + 1)) for _ in range(3))
        mac = Signal()
        one = conv.mac & conv.grouped
        m.d.sync += [
            depth.eq(Mux(conv.mac, shallow, deep)),
            last.eq(Mux(one, 1, conv.last_k)),
            full.eq(Mux(one, 1, Mux(conv.mac, shallow, deep))),
            mac.eq(conv.mac),
        ]
        here_channels, here_columns = Mux(self.last_word, last, full), Signal.like(columns)
        m.d.comb += here_columns.eq(Mux(self.last_group, conv.last_cols, cols))
        m.d.sync += [
            channels.eq(here_channels),
            channels_missing.eq(depth - here_channels),
            columns.eq(here_columns),
            columns_missing.eq(cols - here_columns),
        ]
        slots = range(cols * config.popcount_width + 1)
        used, k_missing, c_missing = Signal(slots), Signal(slots), Signal(slots)
        existing, masked, counted = (Signal(range(rows + 1)) for _ in range(3))
        valid = Signal()
        m.d.sync += [
            valid.eq(self.valid),
            used.eq(_product(columns, channels)),
            k_missing.eq(_product(columns, channels_missing)),
            c_missing.eq(Mux(mac, columns_missing * shallow, columns_missing * deep)),
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
                        mac,
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
