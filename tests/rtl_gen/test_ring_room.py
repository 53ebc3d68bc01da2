"""A ring's free room without what is on its way, against a ring that is filled and emptied at random."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import pytest
from amaranth.hdl import ResetInserter, Signal

from hwflow.timing import BURST
from rtl_gen.ring_room import RingRoom
from tests.rtl_gen.control_bench import simulate

CYCLES = 600
SETTLE = 3
"""Cycles from a beat's arrival until it is `seen`: `free` shows it in one of them."""
SPACING = 3
"""Least cycles from a request to the next one: its beats are counted before that is chosen."""


class Ring:
    """What becomes of the beats: requested, claimed, on their way, arrived, shown by `free`, used."""

    def __init__(self, most: int, rng: random.Random) -> None:
        self.most, self._rng = most, rng
        self.used = 0  # beats that `free` does not show
        self.claimed = 0  # and not yet seen
        self.coming = 0  # claimed, not arrived
        self.arriving = deque([0] * SETTLE)

    def step(self, claim: int, busy: float) -> bool:
        """One cycle's events, from its `claim` on; whether the next cycle sees a beat."""
        rng = self._rng
        self.used -= self.used > 0 and rng.random() < busy
        arrives = self.coming > 0 and rng.random() < 0.8
        self.coming += claim - arrives
        self.used += arrives
        self.arriving.append(int(arrives))
        return bool(self.arriving.popleft())


@pytest.mark.parametrize("most", [1, 2, 7, 8, BURST - 1, BURST, BURST + 1, 100])
def test_room_is_what_is_free_and_not_claimed(most: int) -> None:
    """Cycle by cycle; requests of what the room allows never fill the ring beyond its size; a reset forgets all."""
    rng = random.Random(most)
    reset = Signal()
    dut: Any = RingRoom(most)
    resettable: Any = ResetInserter(reset)(dut)
    found: set[int] = set()
    seen_events = {"quiet": 0, "settled by a beat": 0, "claim and beat": 0, "counted twice": 0}

    async def bench(ctx: Any) -> None:
        ring = Ring(most, rng)
        room, quiet, seen = 0, True, False
        request, since, busy = 0, 0, 0.5
        for cycle in range(CYCLES):
            if cycle % 40 == 0:
                busy = rng.choice([0.1, 0.6, 1.0])
            claim, clears = request, rng.random() < 0.005
            chosen = rng.random() < 0.8
            ctx.set(reset, clears)
            ctx.set(dut.free, most - ring.used)
            ctx.set(dut.claim, claim > 0)
            ctx.set(dut.beats, claim or rng.randrange(BURST + 1))
            ctx.set(dut.seen, seen)
            ctx.set(dut.chosen, chosen)
            _, _, *outputs = await ctx.tick().sample(dut.room, dut.quiet, dut.settled)
            settles = not claim and ring.claimed == seen
            assert outputs == [room, quiet, settles], f"cycle {cycle}"

            found.add(room)
            seen_events["quiet"] += quiet
            seen_events["settled by a beat"] += settles and not quiet
            seen_events["claim and beat"] += claim > 0 and seen
            seen_events["counted twice"] += ring.used + ring.claimed > most

            # The room of this cycle decides over a request that is claimed in the next one.
            since += 1
            request = 0
            if room and since >= SPACING and rng.random() < 0.5:
                request, since = rng.choice([1, room, rng.randint(1, room)]), 0
            room = min(BURST, max(0, most - ring.used - ring.claimed)) if chosen else 0
            ring.claimed += claim - seen
            quiet = settles
            seen = ring.step(claim, busy)
            assert ring.used + ring.coming + request <= most
            if clears:
                ring = Ring(most, rng)
                room, quiet, seen, request, since = 0, True, False, 0, 0

    simulate(resettable, bench)
    assert min(found) == 0
    assert max(found) == min(most, BURST)
    rare = {"claim and beat"} if most == 1 else set[str]()
    assert all(count > 5 for event, count in seen_events.items() if event not in rare), seen_events
