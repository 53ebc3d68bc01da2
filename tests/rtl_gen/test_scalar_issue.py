"""When the scalar engine issues an output, against an instruction that is counted off in plain numbers."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from rtl_gen.scalar_issue import ScalarIssue
from tests.rtl_gen.control_bench import simulate, small_config

CYCLES = 2000
NEEDS: tuple[str, ...] = ("sums", "records", "products", "logits", "scales")


class Instruction:
    """Outputs of an instruction in groups of C: which is next, and what it needs."""

    def __init__(self, needs: dict[str, bool], count: int, cols: int) -> None:
        self.needs, self.count = needs, count
        self._cols = cols
        self.number = 0
        self.promised = False  # the scale of this group

    @property
    def over(self) -> bool:
        """Nothing is left."""
        return self.number == self.count

    @property
    def begins(self) -> bool:
        """The next output is the first of its group."""
        return self.number % self._cols == 0

    @property
    def group_left(self) -> int:
        """Outputs of its group, from the next one on."""
        return min(self._cols - self.number % self._cols, self.count - self.number)


def draw(rng: random.Random, cols: int) -> Instruction:
    """Means, affine parameters or products, to logits or to scales; counts about whole groups."""
    needs = dict.fromkeys(NEEDS, False)
    kind = rng.choice(["sums", "sums", "records", "products", "products", "none"])
    if kind != "none":
        needs[kind] = True
    needs["records"] |= kind == "products" or rng.random() < 0.3
    needs["logits"] = rng.random() < 0.3
    needs["scales"] = kind == "products" and rng.random() < 0.7
    count = rng.choice([0, 1, 2, cols - 1, cols, cols + 1, 2 * cols, 2 * cols + 1, 3 * cols - 1])
    return Instruction(needs, count, cols)


@pytest.mark.parametrize("cols", [8, 16])
def test_outputs_are_issued_when_all_is_there(cols: int) -> None:
    """Every output in its first cycle with what it needs, whatever that waits for; a clear forgets sums at any time."""
    config = small_config(cols=cols, constant_words=32)
    dut: Any = ScalarIssue(config)
    rng = random.Random(cols)
    seen = Counter[str]()

    async def bench(ctx: Any) -> None:
        instruction = Instruction(dict.fromkeys(NEEDS, False), 0, cols)
        tokens = level = 0
        room = False
        often = dict.fromkeys(("token", "record", "there", "room"), 0.5)
        for cycle in range(CYCLES):
            if cycle % 60 == 0:
                often = {name: rng.choice([0.1, 0.5, 1.0]) for name in often}
            start = instruction.over and rng.random() < 0.6
            following = draw(rng, cols) if start else instruction
            clear, token = rng.random() < 0.04, rng.random() < often["token"] * 0.4
            token &= tokens < 20
            record = level > 0 and rng.random() < 0.9
            product, room_next = (rng.random() < often[name] for name in ("there", "room"))
            for name in NEEDS:
                ctx.set(getattr(dut, name), following.needs[name])
            ctx.set(dut.start, start)
            ctx.set(dut.count, following.count if start else rng.randrange(100))
            ctx.set(dut.sum_token, token)
            ctx.set(dut.clear, clear)
            ctx.set(dut.record_level, level)
            ctx.set(dut.record_there, record)
            ctx.set(dut.product_there, product)
            ctx.set(dut.room, room_next)

            needs, left = instruction.needs, instruction.group_left
            takes_sum = needs["sums"] and instruction.begins
            issue = (
                not instruction.over
                and (tokens > 0 or not takes_sum)
                and (record or not needs["records"])
                and (product or not needs["products"])
                and (room or not needs["logits"])
            )
            promise = issue and needs["scales"] and not instruction.promised and level >= left
            where = f"cycle {cycle}, output {instruction.number} of {instruction.count}"
            assert ctx.get(dut.issue) == issue, where
            assert ctx.get(dut.take_record) == (issue and needs["records"]), where
            assert ctx.get(dut.promise) == promise, where
            if not instruction.over:
                assert ctx.get(dut.number) == instruction.number, where
                assert ctx.get(dut.last) == (instruction.number == instruction.count - 1), where
                assert ctx.get(dut.group_end) == (left == 1), where
            seen.update(name for name in NEEDS if issue and needs[name])
            seen["promise, records ahead"] += promise and left > 1
            seen["promise at the last output"] += promise and left == 1
            seen["clear before a group"] += clear and not instruction.over and takes_sum

            level += (level < 32 and rng.random() < often["record"]) - (issue and needs["records"])
            tokens = 0 if clear else tokens + token - (issue and takes_sum)
            if issue:
                instruction.number += 1
                instruction.promised = left > 1 and (instruction.promised or promise)
            if start:
                instruction = following
            room = room_next
            await ctx.tick()

    simulate(dut, bench)
    assert all(seen[name] > 50 for name in NEEDS), seen
    rare = ("promise, records ahead", "promise at the last output", "clear before a group")
    assert all(seen[event] > 2 for event in rare), seen
