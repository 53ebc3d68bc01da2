"""Repeated modules: converted once, connected with checked widths."""

import pytest
from amaranth.hdl import Elaboratable, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl_gen import instances
from rtl_gen.popcount import Popcount


class Stage(wiring.Component):
    a: In(8)
    b: Out(8)

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.d.sync += self.b.eq(self.a + 1)
        return m


class Pair(wiring.Component):
    a: In(8)
    b: Out(8)
    n: Out(4)

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        stage = instances.repeat(Stage(), "stage")
        middle = Signal(8)
        m.submodules += stage.instance(a=self.a, b=middle)
        m.submodules += instances.repeat(Stage(), "stage").instance(a=middle, b=self.b)
        m.submodules.count = count = Popcount(8)
        m.d.comb += [count.a.eq(self.b), self.n.eq(count.n)]
        return m


def test_each_module_is_emitted_once() -> None:
    text = instances.emit(Pair(), "pair")
    assert text.count("module stage(") == 1
    assert text.count("module hwflow_popcount") == 1
    assert text.count("stage \\") == 2 and ".rst(rst)" in text.replace(" ", "")
    assert text == instances.emit(Pair(), "pair")


def test_outside_emit_is_an_error() -> None:
    stage = Stage()
    with pytest.raises(RuntimeError, match="emit"):
        instances.repeat(stage, "stage")
    assert instances.emit(stage, "stage")


def test_one_name_is_one_circuit() -> None:
    class Top(Pair):
        def elaborate(self, platform: object) -> Elaboratable:
            instances.repeat(Stage(), "stage")
            instances.repeat(Popcount(8), "stage")
            return Module()

    with pytest.raises(ValueError, match="two circuits"):
        instances.emit(Top(), "top")


@pytest.mark.parametrize(
    ("connections", "message"),
    [
        ({"a": Signal(7), "b": Signal(8)}, "8 bits"),
        ({"b": Signal(8)}, "a is not connected"),
        ({"a": Signal(8), "c": Signal(8)}, "no port c"),
    ],
)
def test_wrong_connections_are_named(connections: dict[str, Signal], message: str) -> None:
    class Top(Pair):
        def elaborate(self, platform: object) -> Elaboratable:
            return instances.repeat(Stage(), "stage").instance(**connections)

    with pytest.raises(ValueError, match=message):
        instances.emit(Top(), "top")
