"""A count of tokens behaves, cycle by cycle, as a number."""

from __future__ import annotations

import random
from typing import Any

import pytest

from rtl_gen.token_counter import TokenCounter
from tests.rtl_gen.control_bench import simulate


@pytest.mark.parametrize("bits", [1, 2, 4, 9])
def test_some_and_coming(bits: int) -> None:
    """Up to the most that the count can hold; each event with each other one, at 0, 1, 2 and the most."""
    rng = random.Random(bits)
    most = (1 << bits) - 1
    dut: Any = TokenCounter(bits)
    seen: set[tuple[int, bool, bool, bool]] = set()

    async def bench(ctx: Any) -> None:
        count, gives, takes, clears = 0, 0.5, 0.5, 0.1
        for cycle in range(4000):
            if cycle < most + 20:  # too many for chance
                gives, takes, clears = 1.0, 0.3 * (cycle >= most), 0.0
            elif cycle % 50 == 0:
                gives, takes = rng.choice([(0.9, 0.2), (0.2, 0.9), (0.5, 0.5), (0.0, 1.0)])
                clears = rng.choice([0.0, 0.3])
            take = count > 0 and rng.random() < takes
            give = (count < most or take) and rng.random() < gives
            clear = rng.random() < clears
            ctx.set(dut.give, give)
            ctx.set(dut.take, take)
            ctx.set(dut.clear, clear)
            _, _, some, coming = await ctx.tick().sample(dut.some, dut.coming)
            assert some == (count > 0), f"cycle {cycle}"
            seen.add((count, give, take, clear))
            count = 0 if clear else count + give - take
            assert coming == (count > 0), f"cycle {cycle}"

    simulate(dut, bench)
    booleans = (False, True)
    for count in {0, 1, min(2, most)}:
        for take in booleans[: 1 + (count > 0)]:
            for give in booleans[: 1 + (count < most or take)]:
                for clear in booleans:
                    assert (count, give, take, clear) in seen
    assert any(state[0] == most and state[2] for state in seen)
