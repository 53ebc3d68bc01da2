"""Estimates for Xilinx: what is counted, and whose it is."""

from collections import Counter

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow.cli.estimate import shortages
from rtl_gen import instances
from rtl_gen.ram import Ram
from rtl_gen.synthesis.xilinx import ZU7EV, Estimate, Resources, estimate


class Product(wiring.Component):
    """A multiplier whose product is a register."""

    a: In(16)
    b: In(16)
    product: Out(32)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.sync += self.product.eq(self.a * self.b)
        return m


class Design(wiring.Component):
    """Three copies of a multiplier behind a memory of 32 x 1024 bits."""

    address: In(10)
    write: In(1)
    data: In(32)
    out: Out(96)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.ram = ram = Ram(32, 1024)
        m.d.comb += [
            ram.read_enable.eq(1),
            ram.read_address.eq(self.address),
            ram.write_address.eq(self.address),
            ram.write_enable.eq(self.write),
            ram.write_data.eq(self.data),
        ]
        for index, unit in enumerate(instances.copies(m, Product, "product", 3)):
            m.d.comb += [
                unit.a.eq(ram.read_data[:16]),
                unit.b.eq(ram.read_data[16:]),
                self.out.word_select(index, 32).eq(unit.product),
            ]
        return m


def test_units_of_a_design() -> None:
    text = instances.emit(Design(), "example")
    steps: list[str] = []
    found = estimate(text, "example", progress=steps.append)
    units = found.units(1)
    for index in range(3):
        assert units[f"product_{index}"].dsp == 1
    assert (units["ram"].bram, units["ram"].dsp) == (1, 0)
    assert (found.total.bram, found.total.dsp, found.total.uram) == (1, 3, 0)
    assert found.total == sum(units.values(), Resources())
    assert steps


def test_counts() -> None:
    cells = Counter(LUT3=4, LUT6=5, RAM32M16=2, SRL16E=1, FDRE=7, RAMB18E2=3, RAMB36E2=2, CARRY8=9)
    assert Resources.of(cells) == Resources(lut=9, lutram=17, ff=7, bram=3.5)
    assert Resources.of(cells).luts == 26


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (Counter(LUT6=230_400, RAMB36E2=312, URAM288=96, DSP48E2=1728, FDRE=460_800), []),
        (Counter(LUT6=288_000), ["luts: 288,000 of 230,400, 25% too many; lower rows, cols"]),
        (Counter(DSP48E2=1901), ["dsp: 1,901 of 1,728, 10% too many; lower mac_depth"]),
    ],
)
def test_what_does_not_fit(cells: Counter[str], expected: list[str]) -> None:
    lines = shortages(Estimate({"unit": cells}, "0"), ZU7EV)
    assert len(lines) == len(expected)
    for line, begin in zip(lines, expected, strict=True):
        assert line.startswith(begin)
