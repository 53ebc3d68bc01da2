"""Leads the tiles out of the arrays: when each row group appears, and everything that belongs to it."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hwflow import timing
from hwflow.config import AcceleratorConfig
from rtl_gen.delay import delayed
from rtl_gen.interfaces import GROUP_BITS, SLOT_BITS, index_shape
from rtl_gen.pe import popcount_bits


def tile_layout(config: AcceleratorConfig) -> data.StructLayout:
    """What is known of a tile once its last step is issued; `counts` are its rows' N."""
    return data.StructLayout(
        {
            "slot": SLOT_BITS,
            "pixels": config.rows,
            "cg": GROUP_BITS,
            "last_of_group": 1,
            "counts": data.ArrayLayout(popcount_bits(config), config.rows),
        }
    )


class GroupDrain(wiring.Component):
    """Keeps the tiles in flight in a small memory and reads one when its first row group leaves the array.

    Members:
        mac: In, which array, stable. write: In, a tile, `write_delay` cycles after its last step; tile: In.
        collect: Out, R/G cycles per tile, one cycle before `valid`.
        valid, phase: Out: row group `phase` is at the array's output; head: Out, its tile.
    """

    write_delay = 3

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        layout = tile_layout(config)
        super().__init__(
            {
                "mac": In(1),
                "write": In(1),
                "tile": In(layout),
                "collect": Out(1),
                "valid": Out(1),
                "phase": Out(index_shape(config.row_groups)),
                "head": Out(layout),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Delay line of the last steps, tile memory, phase counter."""
        m = Module()
        config = self._config
        # `collect` is two cycles before `group` shows the sums.
        binary = timing.binary_group_latency(config) - 2 - self.write_delay
        mac = timing.mac_group_latency() - 2 - self.write_delay
        # Two lines: a tile of the MAC array must not come out again when a binary layer follows at once.
        flight_mac = delayed(m, self.write & self.mac, mac, "flight_mac")[-1]
        flight_binary = delayed(m, self.write & ~self.mac, binary, "flight_binary")[-1]
        start = Signal()
        m.d.comb += start.eq(flight_mac | flight_binary)

        depth = 1 << (binary + 1).bit_length()
        m.submodules.tiles = tiles = Memory(shape=self.tile.shape().size, depth=depth, init=[])
        write, read = tiles.write_port(), tiles.read_port()
        tail, head = Signal(range(depth)), Signal(range(depth))
        m.d.comb += [
            write.en.eq(self.write),
            write.addr.eq(tail),
            write.data.eq(self.tile),
            read.en.eq(start),
            read.addr.eq(head),
            self.head.eq(read.data),
        ]
        m.d.sync += [tail.eq(tail + self.write), head.eq(head + start)]

        going = Signal()
        phase, following = Signal.like(self.phase), Signal.like(self.phase)
        m.d.comb += [
            self.collect.eq(start | going),
            phase.eq(Mux(start, 0, following)),
        ]
        with m.If(self.collect):
            m.d.sync += [following.eq(phase + 1), going.eq(phase != config.row_groups - 1)]
        m.d.sync += Cat(self.valid, self.phase).eq(Cat(self.collect, phase))
        return m
