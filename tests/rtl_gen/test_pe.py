"""Processing elements of both arrays in Amaranth's simulator (sim/benches/arrays.py)."""

from __future__ import annotations

from typing import Any

import pytest

from rtl_gen.mac_pe import MacPE
from sim.benches import arrays
from sim.benches.unit import UnitBench, small_config
from tests.rtl_gen.control_bench import simulate_unit


@pytest.mark.parametrize("stages", [1, 2])
@pytest.mark.parametrize("seed", [3, 4])
def test_binary(seed: int, stages: int) -> None:
    simulate_unit(arrays.binary_pe(seed, stages))


@pytest.mark.parametrize("seed", [3, 4])
def test_mac(seed: int) -> None:
    simulate_unit(arrays.mac_pe(seed))


def test_mac_of_four_bits() -> None:
    """Every pair of 4-bit numbers, in sums of sixteen."""
    pairs = [(a, b) for a in range(-8, 8) for b in range(-8, 8)]
    dut: Any = MacPE(small_config(mac_depth=1), width=4)
    sums: list[int] = []

    async def bench(ctx: Any) -> None:
        ctx.set(dut.add, 1)
        for at, (a, b) in enumerate([*pairs, (0, 0), (0, 0)]):
            ctx.set(dut.operands, a & 15)
            ctx.set(dut.weights, b & 15)
            ctx.set(dut.step, at < len(pairs))
            ctx.set(dut.step_next, 0 < at <= len(pairs))
            ctx.set(dut.last_next, at > 0 and at % 16 == 0)
            await ctx.tick()
            if at > 0 and at % 16 == 0:
                sums.append(ctx.get(dut.result))

    simulate_unit(UnitBench(dut, [bench]))
    assert sums == [sum(a * b for a, b in pairs[n : n + 16]) for n in range(0, len(pairs), 16)]
