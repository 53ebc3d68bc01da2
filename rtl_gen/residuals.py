"""The residual memories inside the back end: reads for the shortcuts, writes of outputs, means and pooled pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal, Value

from hwflow import timing
from hwflow.config import AcceleratorConfig
from hwflow.isa import Residual, Store
from rtl_gen import channel_mean, lane
from rtl_gen.channel_align import ChannelAlign, RepeatPosition
from rtl_gen.delay import delayed, registered
from rtl_gen.head_memory import HeadMemory
from rtl_gen.interfaces import ROW_BITS
from rtl_gen.pool import Pool
from rtl_gen.residual_memory import ResidualMemory
from rtl_gen.stored_elements import narrowed, widened
from rtl_gen.stream_control import reads_stream

MEAN_STAGE = lane.Y_STAGE + channel_mean.LATENCY
ROW_AHEAD = 2
"""Stages before a memory access in which the address arithmetic starts: multiply, add."""


@dataclass(frozen=True)
class Stages:
    """A pixel group's fields: element n of a list is the field n cycles after the group entered the back end."""

    valid: list[Signal]
    slot: list[Signal]
    mask: list[Signal]
    cg: list[Signal]
    last: list[Signal]


class Residuals:
    """Memories, their addresses and what chooses among their words; adds to the back end's own module.

    unit: the back end, for its ports `current`, `layer_start` and, with `long_words`, those of the streams.
    """

    def __init__(self, config: AcceleratorConfig, unit: Any, group: Stages) -> None:
        self.config = config
        self.current: Any = unit.current
        self._unit = unit
        self._group = group

    def _first_row(
        self, m: Module, name: str, slot: Value, cg: Value, groups: Value, base: Value
    ) -> Signal:
        """First row: base + (slot // G)*groups + cg, two cycles after slot and cg; groups and base: in registers."""
        # Without a reset the product's register can be the multiplier's.
        product = Signal(ROW_BITS, name=f"{name}_product", reset_less=True)
        start = Signal(ROW_BITS, name=f"{name}_start", reset_less=True)
        row = Signal(ROW_BITS, name=f"{name}_row", reset_less=True)
        high = slot[(self.config.pixel_lanes - 1).bit_length() :]
        m.d.sync += [product.eq(high * groups), start.eq(base + cg), row.eq(product + start)]
        return row

    def _bank(self, slot: Value) -> Value:
        return slot[: (self.config.pixel_lanes - 1).bit_length()]

    def shortcuts(self, m: Module) -> tuple[Signal, Signal]:
        """The memories' read ports; (r, r1) of the pixel group in lane.SHORTCUT_STAGE."""
        current, config, group = self.current, self.config, self._group
        slot, cg, valid = group.slot, group.cg, group.valid
        # r1 repeats: a second group counter that begins again.
        m.submodules.r1_position = position = RepeatPosition(config)
        m.d.comb += [
            position.clear.eq(self._unit.layer_start),
            position.advance.eq(valid[0] & group.last[0]),
            position.groups.eq(current.r1_groups),
            position.last_columns.eq(current.r1_last),
        ]
        operands = (
            ("r", current.r_src, current.r_groups, current.r_base, cg[0]),
            ("r1", current.r1_src, current.r1_groups, current.r1_base, position.cg),
        )
        # What is constant in a layer is decoded once, in registers.
        rows: list[Signal] = []
        for name, source, groups, base, word_group in operands:
            pitch = Mux(source == Residual.MAIN, current.main_pitch, groups)
            pitch = registered(m, pitch, f"{name}_pitch")
            rows.append(self._first_row(m, name, slot[0], word_group, pitch, base))
        memories = {
            Residual.MAIN: ResidualMemory(config, config.main_rows, partial=True),
            Residual.SIDE: ResidualMemory(config, config.side_rows, partial=True),
            Residual.POOL: ResidualMemory(
                config, config.pool_rows, partial=False, paired=bool(config.head_rows)
            ),
        }
        read_stage = ROW_AHEAD
        for which, memory in memories.items():
            name = which.name.lower()
            m.submodules[name] = memory
            wanted = (current.r_src == which) | (current.r1_src == which)
            for_r = registered(m, current.r_src == which, f"{name}_for_r")
            groups = Mux(current.r_src == which, current.r_groups, current.r1_groups)
            step = current.main_pitch if which is Residual.MAIN else groups
            wanted = registered(m, wanted, f"{name}_wanted")
            m.d.comb += [
                memory.read_enable.eq(
                    registered(m, valid[read_stage - 1] & wanted, f"{name}_read")
                ),
                memory.read_row.eq(Mux(for_r, rows[0], rows[1])),
                memory.read_step.eq(registered(m, step, f"{name}_read_step")),
            ]
            if config.pixel_lanes > 1:
                m.d.comb += memory.read_bank.eq(self._bank(slot[read_stage]))
        self._memories = memories
        # Only a pooled long shortcut may begin again inside an output group.
        aligned = memories[Residual.POOL].read_data
        if config.head_rows:
            aligned = self._aligned(m, position, memories[Residual.POOL])

        exists = {"r": cg[read_stage] < current.r_groups, "r1": Const(1)}
        streamed = self._long_stream(m, cg[0], position.cg, valid[0])
        results: list[Signal] = []
        for name, source, *_ in operands:
            width = config.pixel_lanes * config.residual_word_bits
            word = Signal(width, name=f"{name}_word", reset_less=True)
            chosen: Value = Const(0, width)
            for which, memory in memories.items():
                at = f"{name}_in_{which.name.lower()}"
                there = registered(m, source == which, at)
                here = registered(m, exists[name] & there, f"{at}_now")
                repeats = name == "r1" and which == Residual.POOL
                found: Value = aligned if repeats else memory.read_data
                if config.long_words and which == Residual.MAIN:
                    found = Mux(
                        streamed, narrowed(self._unit.long_data, config.residual_bits), found
                    )
                chosen = chosen | (found & here.replicate(width))
            m.d.sync += word.eq(chosen)
            results.append(word)
        return results[0], results[1]

    def _long_stream(self, m: Module, cg: Signal, r1_cg: Signal, valid: Signal) -> Value:
        """Takes a word of the long stream where a shortcut needs one; whether it does, with `long_data`."""
        if not self.config.long_words:
            return Const(0)
        needed = Signal()
        m.d.comb += needed.eq(valid & reads_stream(self.current, cg, r1_cg))
        stages = delayed(m, needed, timing.LONG_TAKE + 1, "streamed")
        m.d.comb += self._unit.long_take.eq(stages[timing.LONG_TAKE])
        return stages[timing.LONG_TAKE + 1]

    def _aligned(
        self,
        m: Module,
        position: RepeatPosition,
        pooled: ResidualMemory,
    ) -> Value:
        """The pool memory's words for r1, put together from two channel groups and the heads."""
        current, config = self.current, self.config
        slot, valid = self._group.slot, self._group.valid
        m.submodules.head_memory = self._heads = heads = HeadMemory(config)
        m.submodules.align = align = ChannelAlign(config)
        for name in ("offset", "last", "before_last"):
            at_read = delayed(m, getattr(position, name), ROW_AHEAD + 1, f"begin_{name}")[-1]
            m.d.comb += getattr(align, name).eq(at_read)
        m.d.comb += [
            heads.read_enable.eq(valid[ROW_AHEAD]),
            heads.read_base.eq(current.r1_head_base),
            heads.read_slot.eq(slot[ROW_AHEAD]),
            align.here.eq(pooled.read_data),
            align.after.eq(pooled.read_next),
            align.heads.eq(heads.words),
            align.last_columns.eq(current.r1_last),
        ]
        return align.words

    def write(self, m: Module, elements: Signal, means: tuple[Signal, Signal], pool: Pool) -> None:
        """The three memories' write ports: main and side take the output or its means, pool the output or its pool.

        means: those beside the output, and those in its place.
        """
        current, config, y = self.current, self.config, lane.Y_STAGE
        slot, mask, cg = self._group.slot, self._group.mask, self._group.cg
        main, side, pooled = (self._memories[which] for which in Residual if which)
        # What is constant in a layer is decoded once; what is not is chosen a cycle before the memories take it.
        averaged = registered(m, current.store == Store.MEANS, "averaged")
        unpooled = registered(m, current.store == Store.POOL, "unpooled")

        def stored(stages: list[Signal], ahead: int) -> Value:
            """A pixel group's field `ahead` cycles before the write of what is stored."""
            return Mux(averaged, stages[MEAN_STAGE - ahead], stages[y - ahead])

        store_row = self._first_row(
            m,
            "store",
            registered(m, stored(slot, ROW_AHEAD + 1), "store_slot"),
            registered(m, stored(cg, ROW_AHEAD + 1) >> current.store_shift, "store_group"),
            current.store_pitch,
            current.store_base,
        )
        at = MEAN_STAGE - ROW_AHEAD
        mean_row = self._first_row(
            m,
            "mean",
            slot[at],
            registered(m, cg[at - 1] >> current.mean_shift, "mean_group"),
            current.mean_groups,
            current.mean_base,
        )
        if config.head_rows:
            heads = self._heads
            m.d.comb += [
                heads.write_mask.eq(Mux(current.heads_en & (pool.cg == 0), pool.mean_mask, 0)),
                heads.write_base.eq(current.head_base),
                heads.write_slot.eq(pool.slot),
                heads.write_data.eq(Value.cast(pool.means)),
                heads.columns.eq(current.last_cols),
            ]
        inside: Value = Const(1)
        if config.long_words:
            inside = registered(m, cg[y - 2] < current.store_pitch, "inside")
            spills = registered(m, current.store == Store.MAIN, "spills")
            m.d.comb += [
                self._unit.spill_store.valid.eq(
                    registered(m, self._group.valid[y - 1] & spills & ~inside, "spilled")
                ),
                self._unit.spill_store.data.eq(widened(elements, config.residual_bits)),
            ]
        for memory, store, takes_means in (
            (main, Store.MAIN, current.mean_en & current.mean_main),
            (side, Store.SIDE, current.mean_en & ~current.mean_main),
        ):
            name = store.name.lower()
            takes_store = registered(m, current.store == store, f"{name}_takes_store")
            means_here = registered(m, takes_means, f"{name}_takes_means")
            step = Mux(takes_means, current.mean_groups, current.store_pitch)
            late = means_here | averaged if store is Store.MAIN else means_here
            write_mask = Mux(
                late,
                mask[MEAN_STAGE - 1],
                Mux(takes_store & (inside if memory is main else 1), mask[y - 1], 0),
            )
            cg_next = cg[MEAN_STAGE - 1]
            lanes = Mux(
                means_here,
                channel_mean.mean_lanes(cg_next, current.mean_shift, config.cols),
                ~Const(0, config.cols),
            )
            word = Mux(means_here, means[0], elements)
            if store is Store.MAIN:
                shift = current.store_shift
                lanes = Mux(averaged, channel_mean.mean_lanes(cg_next, shift, config.cols), lanes)
                word = Mux(averaged, means[1], word)
            m.d.comb += [
                memory.write_mask.eq(registered(m, write_mask, f"{name}_mask")),
                memory.write_row.eq(Mux(means_here, mean_row, store_row)),
                memory.write_step.eq(registered(m, step, f"{name}_write_step")),
                memory.write_lanes.eq(registered(m, lanes, f"{name}_lanes")),
                memory.write_data.eq(word),
            ]
            if config.pixel_lanes > 1:
                banks = (self._bank(slot[MEAN_STAGE - 1]), self._bank(slot[y - 1]))
                m.d.comb += memory.write_bank.eq(registered(m, Mux(late, *banks), f"{name}_bank"))
        step = Mux(current.store == Store.POOL, current.store_pitch, current.groups)
        m.d.comb += [
            pooled.write_mask.eq(Mux(unpooled, mask[y], pool.mean_mask)),
            pooled.write_row.eq(Mux(unpooled, store_row, current.pool_base + pool.row)),
            pooled.write_step.eq(registered(m, step, "pool_write_step")),
            pooled.write_data.eq(Mux(unpooled, elements, Value.cast(pool.means))),
        ]
        if config.pixel_lanes > 1:
            banks = (self._bank(slot[y]), self._bank(pool.slot))
            m.d.comb += pooled.write_bank.eq(Mux(unpooled, *banks))
