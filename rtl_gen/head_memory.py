"""The first channels of pooled pixels, for long shortcuts that begin again inside an output group."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from rtl_gen.interfaces import ROW_BITS, SLOT_BITS
from rtl_gen.pool import windows
from rtl_gen.residual_memory import ResidualMemory, rotate


class HeadMemory(wiring.Component):
    """One word of C channels a pixel: row base + slot // G of bank slot % G.

    Members: `read_enable`, `read_base`, `read_slot` In, `words` Out a cycle later: those of G pixels, from `read_slot`
    on. `write_mask`, `write_base`, `write_slot` In, `write_data` In: pooled pixels as rtl_gen/pool.py gives them,
    written a cycle later with channel 0 in column `columns` % C, where rtl_gen/channel_align.py wants it.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        self._pixels = windows(config)
        word = config.residual_word_bits
        super().__init__(
            {
                "read_enable": In(1),
                "read_base": In(ROW_BITS),
                "read_slot": In(SLOT_BITS),
                "words": Out(config.pixel_lanes * word),
                "write_mask": In(self._pixels),
                "write_base": In(ROW_BITS),
                "write_slot": In(SLOT_BITS),
                "write_data": In(self._pixels * word),
                "columns": In(range(config.cols)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """A residual memory of one channel group."""
        m = Module()
        config = self._config
        m.submodules.memory = memory = ResidualMemory(config, config.head_rows, partial=False)
        lane_bits = (config.pixel_lanes - 1).bit_length()
        word = config.residual_word_bits
        turned = [
            rotate(
                m,
                Value.cast(self.write_data).word_select(pixel, word),
                Value.cast(self.columns),
                config.residual_bits,
                f"pixel_{pixel}",
            )
            for pixel in range(self._pixels)
        ]
        read_slot, write_slot = Value.cast(self.read_slot), Value.cast(self.write_slot)
        m.d.comb += [
            memory.read_enable.eq(self.read_enable),
            memory.read_row.eq(self.read_base + (read_slot >> lane_bits)),
            memory.read_step.eq(1),
            self.words.eq(memory.read_data),
            memory.write_step.eq(1),
        ]
        m.d.sync += [
            memory.write_mask.eq(self.write_mask),
            memory.write_row.eq(self.write_base + (write_slot >> lane_bits)),
            memory.write_data.eq(Cat(*turned)),
        ]
        if lane_bits:
            m.d.comb += memory.read_bank.eq(read_slot[:lane_bits])
            m.d.sync += memory.write_bank.eq(write_slot[:lane_bits])
        return m
