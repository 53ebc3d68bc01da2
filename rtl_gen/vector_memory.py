"""Vector memories A (channel means) and B (hidden layer of a squeeze-excite block)."""

from __future__ import annotations

import math

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from rtl_gen.delay import successor
from rtl_gen.ram import Ram


def vector_words(config: AcceleratorConfig) -> int:
    """Words of R*Km bytes a vector memory needs for `channel_limit` elements."""
    return max(2, math.ceil(config.channel_limit / config.fc_inputs))


class VectorMemory(wiring.Component):
    """Up to `channel_limit` signed bytes, written one by one in order, read as words of R*Km.

    Element k is byte k % (R*Km) of word k // (R*Km). Bytes that were not written hold anything: the 8-bit
    ring's weights of inputs beyond the last are 0.

    Members: `restart` makes the next element written element 0; `write_valid`, `write_data` the next element;
    `read_word` a word's number, `read_data` that word one cycle later.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__(
            {
                "restart": In(1),
                "write_valid": In(1),
                "write_data": In(signed(8)),
                "read_word": In(range(vector_words(config))),
                "read_data": Out(data.ArrayLayout(signed(8), config.fc_inputs)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        count = self._config.fc_inputs
        words = vector_words(self._config)
        m.submodules.memory = memory = Ram(8 * count, words, granule=8)

        word = Signal(range(words))
        byte = Signal(range(count))
        m.d.comb += [
            memory.write_address.eq(word),
            memory.write_data.eq(self.write_data.replicate(count)),
            memory.write_enable.eq(Cat(self.write_valid & (byte == n) for n in range(count))),
            memory.read_address.eq(self.read_word),
            memory.read_enable.eq(1),
            self.read_data.eq(memory.read_data),
        ]
        with m.If(self.restart):
            m.d.sync += [word.eq(0), byte.eq(0)]
        with m.Elif(self.write_valid):
            m.d.sync += byte.eq(successor(byte, count))
            with m.If(byte == count - 1):
                m.d.sync += word.eq(successor(word, words))
        return m
