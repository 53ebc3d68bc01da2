"""A synchronous memory with one port, without initial contents (as rtl_gen/ram.py, which has two)."""

from __future__ import annotations

from importlib import resources

from amaranth.hdl import ClockSignal, Instance, Module, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from rtl_gen import instances


class SinglePortRam(wiring.Component):
    """`depth` words of `width` bits. With `enable` a cycle writes (`write_enable`) or reads, one cycle later.

    `read_data` is kept until the next read.
    """

    def __init__(self, width: int, depth: int) -> None:
        self.width, self.depth = width, depth
        self.address_bits = (depth - 1).bit_length()
        super().__init__(
            {
                "enable": In(1),
                "write_enable": In(1),
                "address": In(self.address_bits),
                "write_data": In(width),
                "read_data": Out(width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The memory: single_port.sv in `emit`, else Amaranth's."""
        m = Module()
        if instances.emitting():
            text = resources.files("rtl_gen.bindings").joinpath("single_port.sv").read_text()
            instances.source("hwflow_single_port_ram", text)
            m.submodules.ram = Instance(
                "hwflow_single_port_ram",
                p_WIDTH=self.width,
                p_DEPTH=self.depth,
                p_ADDRESS=self.address_bits,
                i_clk=ClockSignal(),
                i_enable=self.enable,
                i_write_enable=self.write_enable,
                i_address=self.address,
                i_write_data=self.write_data,
                o_read_data=self.read_data,
            )
            return m
        m.submodules.memory = memory = Memory(shape=unsigned(self.width), depth=self.depth, init=[])
        read, write = memory.read_port(), memory.write_port()
        m.d.comb += [
            read.en.eq(self.enable & ~self.write_enable),
            read.addr.eq(self.address),
            self.read_data.eq(read.data),
            write.en.eq(self.enable & self.write_enable),
            write.addr.eq(self.address),
            write.data.eq(self.write_data),
        ]
        return m
