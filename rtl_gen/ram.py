"""A synchronous memory without initial contents in the generated Verilog.

Amaranth writes one line of Verilog per memory word, minutes and megabytes for a large memory. In
`emit` this unit is therefore an instance of ram.sv; in pysim it is Amaranth's memory, same behaviour.
"""

from __future__ import annotations

from importlib import resources

from amaranth.hdl import ClockSignal, Instance, Module, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from rtl_gen import instances


class Ram(wiring.Component):
    """`depth` words of `width` bits, one read and one write port.

    Args:
        width: bits of a word.
        depth: words, at least 2.
        granule: bits per bit of `write_enable`; must divide `width`; default: the word.
        distributed: synthesis is to make it of LUTs: few words, and block RAMs that are needed elsewhere.

    Ports: `read_data` is the word at `read_address` one cycle after `read_enable`, and is kept until the
    next; a read of the address being written must not be relied on: it returns the complement of the old word, to
    show that nobody does.
    """

    def __init__(
        self, width: int, depth: int, *, granule: int | None = None, distributed: bool = False
    ) -> None:
        self.width, self.depth, self.granule = width, depth, granule or width
        self.distributed = distributed
        self.address_bits = (depth - 1).bit_length()
        super().__init__(self.ports(width, depth, self.granule))

    @staticmethod
    def ports(width: int, depth: int, granule: int) -> wiring.Signature:
        """The ports of a memory of these sizes."""
        address_bits = (depth - 1).bit_length()
        return wiring.Signature(
            {
                "read_enable": In(1),
                "read_address": In(address_bits),
                "read_data": Out(width),
                "write_enable": In(width // granule),
                "write_address": In(address_bits),
                "write_data": In(width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The memory of this back end: ram.sv in `emit`, else Amaranth's."""
        m = Module()
        if instances.emitting():
            text = resources.files("rtl_gen").joinpath("ram.sv").read_text()
            instances.source("hwflow_ram", text)
            m.submodules.ram = Instance(
                "hwflow_ram",
                p_WIDTH=self.width,
                p_DEPTH=self.depth,
                p_ADDRESS=self.address_bits,
                p_GRANULE=self.granule,
                p_STYLE="distributed" if self.distributed else "auto",
                i_clk=ClockSignal(),
                i_read_enable=self.read_enable,
                i_read_address=self.read_address,
                o_read_data=self.read_data,
                i_write_enable=self.write_enable,
                i_write_address=self.write_address,
                i_write_data=self.write_data,
            )
            return m
        m.submodules.memory = memory = Memory(shape=unsigned(self.width), depth=self.depth, init=[])
        read = memory.read_port()
        write = memory.write_port(granularity=self.granule)
        collision = Signal()
        with m.If(self.read_enable):
            m.d.sync += collision.eq(
                self.write_enable.any() & (self.write_address == self.read_address)
            )
        m.d.comb += [
            read.en.eq(self.read_enable),
            read.addr.eq(self.read_address),
            self.read_data.eq(read.data ^ collision.replicate(self.width)),
            write.en.eq(self.write_enable),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
        ]
        return m
