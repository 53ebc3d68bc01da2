"""Slots of a layer's tiles and their wait for the image, against the formulas of their first pixel and their last slot."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from rtl_gen.bank_division import slot_offset
from rtl_gen.image_wait import ImageWait
from rtl_gen.tile_slots import TileSlots
from tests.rtl_gen.control_bench import simulate, small_config


@dataclass(frozen=True, kw_only=True)
class Layer:
    """How many tiles there are, and of the first one: the last slot that it reads."""

    tiles: int  # of an output row
    lines: int
    groups: int
    first: int
    tile_step: int
    row_step: int

    @property
    def count(self) -> int:
        """Tiles of all groups."""
        return self.tiles * self.lines * self.groups

    def place(self, number: int) -> tuple[int, int]:
        """Which tile of which output row."""
        line, tile = divmod(number % (self.tiles * self.lines), self.tiles)
        return tile, line

    def last(self, number: int) -> int:
        """The last slot that tile `number` reads."""
        tile, line = self.place(number)
        return self.first + tile * self.tile_step + line * self.row_step


@dataclass(frozen=True)
class Ports:
    """The unit, and its ports of the image."""

    dut: Any
    slots: Any
    grown: Any
    done: Any
    here: Any


async def walk(
    ctx: Any,
    ports: Ports,
    layer: Layer,
    rng: random.Random,
    check: Callable[[int], None],
    *,
    needed: bool,
    seen: Counter[str],
) -> None:
    """All tiles of a layer and the first one once more, while the image is written; `check` in each tile's cycles."""
    dut = ports.dut
    written = done_after = 0
    largest = layer.last(layer.tiles * layer.lines - 1)
    total = rng.randint(0, min(max(0, largest), 200) + 3)
    growth, eager = rng.choice([(1.0, 1.0), (0.5, 1.0), (0.9, 0.3)])
    for name in ("needed", "advance", "line_end"):
        ctx.set(getattr(dut, name), 0)
    for port in (ports.slots, ports.grown, ports.done):
        ctx.set(port, 0)
    # The constants of a layer are there after two cycles, and nothing holds up its first tile.
    await ctx.tick().repeat(rng.choice([2, 2, 5]))
    number = -1
    while number < layer.count:
        tile, _ = layer.place(number + 1)
        of_group = (number + 1) % (layer.tiles * layer.lines) == 0
        of_row = tile == 0 and not (of_group and rng.random() < 0.5)
        grows = written < total and rng.random() < growth
        written += grows
        done_after += written == total
        done = done_after > 4
        ctx.set(dut.of_group, of_group)
        ctx.set(dut.of_row, of_row)
        ctx.set(dut.needed, needed)
        ctx.set(ports.slots, written)
        ctx.set(ports.grown, grows)
        ctx.set(ports.done, done)
        here = not needed or number < 0 or written > layer.last(number) or done
        assert ctx.get(ports.here) == here, f"tile {number} of {layer}, {written} slots"
        advance = here and (number < 0 or rng.random() < eager)
        ctx.set(dut.advance, advance)
        ctx.set(dut.line_end, advance and (of_group or of_row))
        if number >= 0:
            check(number)
            if needed:
                seen["waits"] += not here
                seen["just written"] += written == layer.last(number) + 1 and grows
                seen["whole image"] += done and written <= layer.last(number)
        await ctx.tick()
        number += advance


def test_wait_for_the_image() -> None:
    """Any tile and row steps; layers that read the image and others; a new image for each."""
    dut: Any = ImageWait()
    ports = Ports(dut, dut.slots, dut.grown, dut.done, dut.here)
    rng = random.Random(3)
    seen = Counter[str]()

    async def bench(ctx: Any) -> None:
        for _ in range(40):
            layer = Layer(
                tiles=rng.randint(1, 5),
                lines=rng.randint(1, 4),
                groups=rng.randint(1, 2),
                first=rng.choice([-5, -1, 0, 1, rng.randrange(60)]),
                tile_step=rng.choice([1, 2, rng.randint(1, 9)]),
                row_step=rng.choice([1, rng.randint(1, 30)]),
            )
            for name in ("first", "tile_step", "row_step"):
                ctx.set(getattr(dut, name), getattr(layer, name))
            needed = rng.random() < 0.8
            await walk(ctx, ports, layer, rng, lambda _: None, needed=needed, seen=seen)

    simulate(dut, bench)
    assert all(seen[event] > 20 for event in ("waits", "just written", "whole image")), seen


@pytest.mark.parametrize(("rows", "lanes"), [(3, 1), (4, 2), (16, 4)])
def test_slots_of_every_tile(rows: int, lanes: int) -> None:
    """Origin, output slot and the wait, of layers that follow each other."""
    dut: Any = TileSlots(small_config(rows=rows, pixel_lanes=lanes))
    ports = Ports(dut, dut.image_slots, dut.image_grown, dut.image_done, dut.image_here)
    rng = random.Random(rows)
    seen = Counter[str]()
    offset = slot_offset(rows | 1)

    async def bench(ctx: Any) -> None:
        for _ in range(20):
            tiles = rng.randint(1, 4)
            in_w, out_w = (rng.choice([rng.randint(1, 20)] * 3 + [511]) for _ in range(2))
            stride = rng.choice([1, 2])
            kernel, top, left = rng.choice([1, 2, 3, 7]), rng.randint(0, 3), rng.randint(0, 3)
            padding = top * in_w + left
            layer = Layer(
                tiles=tiles,
                lines=rng.randint(1, 4),
                groups=rng.randint(1, 2),
                first=(rows - 1) * stride + (kernel - 1) * (in_w + 1) - padding,
                tile_step=rows * stride,
                row_step=in_w * stride,
            )
            conv = {"in_w": in_w, "out_w": out_w, "stride2": stride == 2, "kernel": kernel}
            for name, value in {**conv, "pad_top": top, "pad_left": left}.items():
                ctx.set(getattr(dut.conv, name), value)

            def check(number: int, layer: Layer = layer, at: int = offset - padding) -> None:
                tile, line = layer.place(number)
                origin = at + tile * layer.tile_step + line * layer.row_step
                assert ctx.get(dut.origin) == origin, f"tile {number} of {layer}"
                assert ctx.get(dut.out_slot) == tile * rows + line * ctx.get(dut.conv.out_w)

            await walk(ctx, ports, layer, rng, check, needed=rng.random() < 0.7, seen=seen)

    simulate(dut, bench)
    assert seen["waits"] > 20
    assert seen["just written"] > 5
