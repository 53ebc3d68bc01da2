"""Popcount: the behavioural twin against Python, and the Verilog module's text in place."""

from amaranth.sim import Simulator, SimulatorContext
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl_gen import instances
from rtl_gen.popcount import Popcount


@settings(max_examples=8, deadline=None)
@given(st.sampled_from([1, 5, 16, 64]), st.data())
def test_counts(width: int, draws: st.DataObject) -> None:
    words = draws.draw(st.lists(st.integers(0, (1 << width) - 1), min_size=1, max_size=20))
    dut = Popcount(width)

    async def bench(ctx: SimulatorContext) -> None:
        for word in [0, (1 << width) - 1, *words]:
            ctx.set(dut.a, word)
            await ctx.delay(1e-9)
            assert ctx.get(dut.n) == word.bit_count()

    simulator = Simulator(dut)
    simulator.add_testbench(bench)
    simulator.run()


def test_verilog_uses_countones() -> None:
    text = instances.emit(Popcount(16), "count")
    assert "hwflow_popcount #(" in text and "$countones" in text
