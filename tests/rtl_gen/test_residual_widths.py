"""The units that handle stored elements, at widths below 16 bits; at 16 their own tests check them."""

from __future__ import annotations

import pytest
from amaranth.hdl import Const, Module
from amaranth.sim import Simulator, SimulatorContext

from rtl_gen.lane import Lane
from rtl_gen.stored_elements import narrowed, widened
from sim.benches import memories, pooling, tensors, vector
from tests.rtl_gen.control_bench import simulate_unit

WIDTHS = (8, 11, 12, 14)
"""At 11 bits a sum of nine has 15, at 12 and more the pool's division by nine splits it elsewhere."""


@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("seed", [1, 2])
def test_lane(seed: int, bits: int) -> None:
    simulate_unit(vector.vector_lane(seed, bits))


def test_a_lane_that_saturates_one_bit_too_early_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = Lane.__init__

    def narrower(unit: Lane, bits: int) -> None:
        made(unit, bits)
        unit.bits = bits - 1

    monkeypatch.setattr(Lane, "__init__", narrower)
    with pytest.raises(AssertionError):
        for seed in (1, 2):
            simulate_unit(vector.vector_lane(seed, 12))


@pytest.mark.parametrize("bits", WIDTHS)
def test_pool(bits: int) -> None:
    simulate_unit(pooling.pool(1, bits))


@pytest.mark.parametrize("bits", [8, 13])
def test_channel_mean(bits: int) -> None:
    simulate_unit(tensors.channel_mean(8, 1, 3, bits))


@pytest.mark.parametrize("partial", [False, True])
def test_residual_memory(partial: bool) -> None:
    simulate_unit(memories.residual_memory(2, partial, bits=11))


@pytest.mark.parametrize("bits", [8, 13, 16])
def test_elements_go_out_with_their_sign_and_come_back(bits: int) -> None:
    values = [-(1 << (bits - 1)), -1, 0, (1 << (bits - 1)) - 1]
    whole = sum((value & (1 << bits) - 1) << bits * at for at, value in enumerate(values))
    packed = Const(whole, bits * len(values))
    wide = widened(packed, bits)
    sim = Simulator(Module())

    async def bench(ctx: SimulatorContext) -> None:
        found = ctx.get(wide)
        words = [found >> 16 * at & 0xFFFF for at in range(len(values))]
        assert words == [value & 0xFFFF for value in values]
        back = ctx.get(narrowed(Const(found, 16 * len(values)), bits))
        assert back == whole

    sim.add_testbench(bench)
    sim.run()
