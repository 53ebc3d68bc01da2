"""Says whether a tile may be issued as far as the streams to and from external memory are concerned."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from hwflow.isa import Residual, Store
from rtl_gen.interfaces import CONV, GROUP_BITS


class StreamControl(wiring.Component):
    """Counts the words that tiles in flight have not claimed, and the room in the store FIFO that none will fill.

    Members: `conv` In, the running CONV, stable; `begin` In, in its first cycle; `group_end` In: the last step of a
    channel group is issued; `tile_claim` In: the first step of a tile is; `level` In, words of the long stream;
    `long_claim` Out: the tile takes R/G of them; `freed` In: a word has left the store FIFO; `ready` Out: the next tile
    finds its words and its room.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__(
            {
                "conv": In(CONV),
                "begin": In(1),
                "group_end": In(1),
                "tile_claim": In(1),
                "level": In(range(config.long_words + 1)),
                "long_claim": Out(1),
                "freed": In(1),
                "ready": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Group counters, the group's flags, credits."""
        m = Module()
        conv, config = self.conv, self._config
        cg, r1_cg = Signal(GROUP_BITS), Signal(GROUP_BITS)
        next_cg, next_r1 = Signal(GROUP_BITS), Signal(GROUP_BITS)
        m.d.comb += [
            next_cg.eq(Mux(self.begin, 0, cg + 1)),
            next_r1.eq(Mux(self.begin | (r1_cg + 1 == conv.r1_groups), 0, r1_cg + 1)),
        ]
        reads, writes = Signal(), Signal()
        with m.If(self.begin | self.group_end):
            m.d.sync += [
                cg.eq(next_cg),
                r1_cg.eq(next_r1),
                reads.eq(reads_stream(conv, next_cg, next_r1)),
                writes.eq((conv.store == Store.MAIN) & (next_cg >= conv.store_pitch)),
            ]
        words = config.row_groups
        room = Signal(range(config.store_words + 1), init=config.store_words)
        m.d.sync += room.eq(room + self.freed - Mux(self.tile_claim & writes, words, 0))
        m.d.comb += [
            self.long_claim.eq(self.tile_claim & reads),
            self.ready.eq(~(reads & (self.level < words)) & ~(writes & (room < words))),
        ]
        return m


def reads_stream(conv: Value, cg: Value, r1_cg: Value) -> Value:
    """Whether an output group takes a shortcut from the long stream; `r1_cg` is `cg` modulo `r1_groups`."""
    long = (conv.r1_src == Residual.MAIN) & (r1_cg >= conv.main_pitch)
    local = (conv.r_src == Residual.MAIN) & (cg >= conv.main_pitch) & (cg < conv.r_groups)
    return long | local
