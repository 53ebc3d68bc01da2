"""Channel means against hwflow.numerics."""

from typing import Any

import numpy as np
import pytest

from hwflow import numerics
from rtl_gen import channel_mean
from tests.rtl_gen.control_bench import simulate


@pytest.mark.parametrize("cols", [8, 16])
@pytest.mark.parametrize("shift", [1, 2, 3])
def test_means(cols: int, shift: int) -> None:
    rng = np.random.default_rng(shift)
    words = rng.integers(-(1 << 15), 1 << 15, (30, cols))
    words[0], words[1], words[2] = -32768, 32767, rng.integers(-3, 4, cols)
    want = numerics.channel_mean(words, cols >> shift)
    unit = channel_mean.ChannelMean(cols)

    async def bench(ctx: Any) -> None:
        ctx.set(unit.shift, shift)
        for cycle in range(len(words) + channel_mean.LATENCY):
            if cycle < len(words):
                for i in range(cols):
                    ctx.set(unit.elements[i], int(words[cycle][i]))
            if cycle >= channel_mean.LATENCY:
                got = [ctx.get(unit.means[i]) for i in range(cols)]
                assert got == want[cycle - channel_mean.LATENCY].tolist() * (1 << shift)
            await ctx.tick()

    simulate(unit, bench)
