"""The back end: vector lanes, residual memories, means, pool, channel sums, signature (docs/architecture.md).

A rigid pipeline. `slot[n]`, `mask[n]`, ... below are a pixel group's fields n cycles after it entered;
stage numbers are those of rtl_gen/lane.py. Everything that is constant in a layer is taken from `current`.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow import timing
from hwflow.config import AcceleratorConfig
from hwflow.isa import Residual, Store
from hwflow.numerics import STORED_BITS
from hwflow.signature import GROUP
from rtl_gen import channel_mean, instances, lane
from rtl_gen.channel_align import ChannelAlign, RepeatPosition
from rtl_gen.channel_sums import ChannelSums
from rtl_gen.delay import delayed
from rtl_gen.head_memory import HeadMemory
from rtl_gen.interfaces import (
    CHANNEL_BITS,
    CONSTANTS_WRITE,
    CONV,
    GROUP_BITS,
    ROW_BITS,
    SUM_BITS,
    group_layout,
    store_layout,
    stream_word_layout,
    tap_layout,
)
from rtl_gen.pool import Pool
from rtl_gen.popcount import Popcount
from rtl_gen.residual_memory import ResidualMemory
from rtl_gen.signature import Signature
from rtl_gen.stream_control import reads_stream
from rtl_gen.vector_lanes import vector_lanes

MEAN_STAGE = lane.Y_STAGE + channel_mean.LATENCY
ROW_AHEAD = 2
"""Stages before a memory access in which the address arithmetic starts: multiply, add."""


class BackEnd(wiring.Component):
    """Turns the group stream into stored tensors. Ports: docs/architecture.md, "Components and their ports".

    With `long_words`: `long_take` takes the next word of the long stream, `long_data` is it one cycle later;
    `spill_store` is what goes to external memory.
    Latencies, from the cycle in which `group` is valid: hwflow/timing.py, `back_end_*`.
    Elaborates only inside rtl_gen.instances.emit.
    """

    layer_start: Signal
    sums_address: Signal
    sums_data: Signal
    sum_token: Signal
    idle: Signal
    layer_signature: Signal
    saturated_t: Signal
    saturated_y: Signal

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        streams = {
            "long_take": Out(1),
            "long_data": In(8 * config.stream_word_bytes),
            "spill_store": Out(stream_word_layout(config)),
        }
        super().__init__(
            {
                **(streams if config.long_words else {}),
                "current": In(CONV),
                "layer_start": In(1),
                "group": In(group_layout(config)),
                "bits_store": Out(store_layout(config, 1)),
                "bytes_store": Out(store_layout(config, 8)),
                "constants_write": In(CONSTANTS_WRITE),
                "sums_address": In(CHANNEL_BITS),
                "sums_data": Out(signed(SUM_BITS)),
                "sum_token": Out(1),
                "idle": Out(1),
                "layer_signature": Out(32),
                "saturated_t": Out(32),
                "saturated_y": Out(32),
                "tap_store": Out(tap_layout(config)),
                "tap_mean": Out(tap_layout(config)),
                "tap_pool": Out(tap_layout(config)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The stages in order, then the units that take stored elements."""
        m = Module()
        config, current, group = self.config, self.current, self.group
        pixels, cols = config.pixel_lanes, config.cols

        # A pixel group's fields by stage ----------------------------------------------------------
        valid = delayed(m, group.valid, MEAN_STAGE, "valid")
        slot = delayed(m, group.slot, MEAN_STAGE, "slot")
        mask = delayed(m, group.mask & group.valid.replicate(pixels), MEAN_STAGE, "mask")
        cg = delayed(m, group.cg, MEAN_STAGE, "cg")
        last = delayed(m, group.last_of_group, lane.Y_STAGE, "last")
        last_columns = Signal(cols)
        m.d.sync += last_columns.eq(Cat(*(j < current.last_cols for j in range(cols))))
        final_group = delayed(m, group.cg + 1 == current.groups, lane.Y_STAGE, "final_group")

        def columns(stage: int, name: str) -> Signal:
            """The columns that hold a channel."""
            found = Signal(cols, name=name)
            m.d.comb += found.eq(Mux(final_group[stage], last_columns, ~0))
            return found

        shortcuts = self._shortcuts(m, slot, cg, last, valid)
        keep = columns(lane.KEEP_STAGE, "keep_columns")
        elements, t_saturated, y_saturated = vector_lanes(
            m, config, current, group.data, self.constants_write, cg, keep, shortcuts
        )

        # Counted only where an element is stored: its pixel and its channel exist.
        for flags, stage, counter, name in (
            (t_saturated, lane.T_STAGE, self.saturated_t, "t"),
            (y_saturated, lane.Y_STAGE, self.saturated_y, "y"),
        ):
            where = columns(stage, f"{name}_columns").replicate(pixels)
            stored = Cat(*(mask[stage][pixel].replicate(cols) for pixel in range(pixels)))
            m.submodules[f"{name}_count"] = count = Popcount(config.vector_lanes)
            counted = Signal.like(count.n, name=f"{name}_counted")
            m.d.comb += count.a.eq(flags & where & stored)
            m.d.sync += counted.eq(count.n)
            with m.If(self.layer_start):
                m.d.sync += counter.eq(0)
            with m.Else():
                m.d.sync += counter.eq(counter + counted)

        # Consumers of stored elements ---------------------------------------------------------------
        y = lane.Y_STAGE
        means = self._means(m, elements)
        pool = self._pool(m, valid[y], mask[y], elements)
        self._memories_write(m, slot, mask, cg, valid[y], elements, means, pool)
        for store, enable in (
            (self.bits_store, current.bits_en),
            (self.bytes_store, current.store == Store.BYTES),
            (self.tap_store, Const(1)),
        ):
            m.d.comb += [
                store.valid.eq(valid[y] & enable),
                store.slot.eq(slot[y]),
                store.mask.eq(mask[y]),
                store.cg.eq(cg[y]),
            ]
        for at in range(config.vector_lanes):
            element = elements.word_select(at, STORED_BITS)
            m.d.comb += [
                self.bits_store.data[at].eq(~element[-1]),
                self.bytes_store.data[at].eq(element[: lane.BYTE_BITS].as_signed()),
            ]
        m.d.comb += [
            self.tap_store.layer.eq(current.layer),
            Value.cast(self.tap_store.data).eq(elements),
            self.tap_mean.valid.eq(
                valid[MEAN_STAGE] & (current.mean_en | (current.store == Store.MEANS))
            ),
            self.tap_mean.layer.eq(current.layer),
            self.tap_mean.slot.eq(slot[MEAN_STAGE]),
            self.tap_mean.mask.eq(mask[MEAN_STAGE]),
            self.tap_mean.cg.eq(cg[MEAN_STAGE]),
        ]
        # A mean leaves at least half of a word free: one tap shows both kinds.
        half = cols // 2 * STORED_BITS
        for pixel in range(pixels):
            word = Value.cast(self.tap_mean.data).word_select(pixel, 2 * half)
            parts = [kind.word_select(pixel, 2 * half)[:half] for kind in means]
            m.d.comb += word.eq(Cat(*parts))

        m.submodules.sums = sums = ChannelSums(config)
        m.d.comb += [
            sums.enable.eq(current.sums_en),
            sums.valid.eq(valid[y]),
            sums.mask.eq(mask[y]),
            sums.cg.eq(cg[y]),
            sums.last.eq(last[y]),
            Value.cast(sums.elements).eq(elements),
            sums.address.eq(self.sums_address),
            self.sums_data.eq(sums.data),
            self.sum_token.eq(sums.token),
        ]

        m.submodules.signature = signature = Signature(config)
        groups_of_four = Signal(16)
        m.d.sync += groups_of_four.eq(
            (current.groups - 1)[:GROUP_BITS] * (cols // GROUP)
            + ((current.last_cols + (GROUP - 1)) >> (GROUP - 1).bit_length())
        )
        present = columns(y, "message_columns")
        exist = Cat(
            *(
                mask[y][pixel] & present[GROUP * j]
                for pixel in range(pixels)
                for j in range(cols // GROUP)
            )
        )
        m.d.comb += [
            signature.clear.eq(self.layer_start),
            signature.messages.eq(groups_of_four),
            signature.slot.eq(slot[y - Signature.AHEAD]),
            signature.cg.eq(cg[y - Signature.AHEAD]),
            Value.cast(signature.elements).eq(elements),
            signature.exist.eq(exist),
            self.layer_signature.eq(signature.value),
        ]
        self._idle(m)
        return m

    def _first_row(
        self, m: Module, name: str, slot: Value, cg: Value, groups: Value, base: Value
    ) -> Signal:
        """First row: base + (slot // G)*groups + cg, two cycles after slot and cg."""
        product = Signal(ROW_BITS, name=f"{name}_product")
        group = Signal(GROUP_BITS, name=f"{name}_group")
        row = Signal(ROW_BITS, name=f"{name}_row")
        high = slot[(self.config.pixel_lanes - 1).bit_length() :]
        m.d.sync += [product.eq(high * groups), group.eq(cg), row.eq(base + product + group)]
        return row

    def _bank(self, slot: Value) -> Value:
        return slot[: (self.config.pixel_lanes - 1).bit_length()]

    def _shortcuts(
        self,
        m: Module,
        slot: list[Signal],
        cg: list[Signal],
        last: list[Signal],
        valid: list[Signal],
    ) -> tuple[Signal, Signal]:
        """The memories' read ports; (r, r1) of the pixel group in lane.SHORTCUT_STAGE."""
        current, config = self.current, self.config
        # r1 repeats: a second group counter that begins again.
        m.submodules.r1_position = position = RepeatPosition(config)
        m.d.comb += [
            position.clear.eq(self.layer_start),
            position.advance.eq(valid[0] & last[0]),
            position.groups.eq(current.r1_groups),
            position.last_columns.eq(current.r1_last),
        ]
        operands = (
            ("r", current.r_src, current.r_groups, current.r_base, cg[0]),
            ("r1", current.r1_src, current.r1_groups, current.r1_base, position.cg),
        )
        rows = [
            self._first_row(
                m,
                name,
                slot[0],
                group,
                Mux(source == Residual.MAIN, current.main_pitch, groups),
                base,
            )
            for name, source, groups, base, group in operands
        ]
        memories = {
            Residual.MAIN: ResidualMemory(config, config.main_rows, partial=True),
            Residual.SIDE: ResidualMemory(config, config.side_rows, partial=True),
            Residual.POOL: ResidualMemory(
                config, config.pool_rows, partial=False, paired=bool(config.head_rows)
            ),
        }
        read_stage = ROW_AHEAD
        for which, memory in memories.items():
            m.submodules[which.name.lower()] = memory
            for_r = Signal(name=f"{which.name.lower()}_for_r")
            m.d.comb += [
                for_r.eq(current.r_src == which),
                memory.read_enable.eq(valid[read_stage] & (for_r | (current.r1_src == which))),
                memory.read_row.eq(Mux(for_r, rows[0], rows[1])),
                memory.read_step.eq(
                    current.main_pitch
                    if which is Residual.MAIN
                    else Mux(for_r, current.r_groups, current.r1_groups)
                ),
            ]
            if config.pixel_lanes > 1:
                m.d.comb += memory.read_bank.eq(self._bank(slot[read_stage]))
        self._memories = memories
        # Only a pooled long shortcut may begin again inside an output group.
        aligned = memories[Residual.POOL].read_data
        if config.head_rows:
            aligned = self._aligned(m, position, slot, valid, memories[Residual.POOL])

        exists = {"r": cg[read_stage + 1] < current.r_groups, "r1": Const(1)}
        streamed = self._long_stream(m, cg[0], position.cg, valid[0])
        results: list[Signal] = []
        for name, source, *_ in operands:
            word = Signal(config.vector_lanes * STORED_BITS, name=f"{name}_word")
            chosen: Value = Const(0, len(word))
            for which, memory in memories.items():
                repeats = name == "r1" and which == Residual.POOL
                found: Value = aligned if repeats else memory.read_data
                if config.long_words and which == Residual.MAIN:
                    found = Mux(streamed, self.long_data, found)
                chosen = Mux(exists[name] & (source == which), found, chosen)
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
        m.d.comb += self.long_take.eq(stages[timing.LONG_TAKE])
        return stages[timing.LONG_TAKE + 1]

    def _aligned(
        self,
        m: Module,
        position: RepeatPosition,
        slot: list[Signal],
        valid: list[Signal],
        pooled: ResidualMemory,
    ) -> Value:
        """The pool memory's words for r1, put together from two channel groups and the heads."""
        current, config = self.current, self.config
        m.submodules.heads = self._heads = heads = HeadMemory(config)
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

    def _means(self, m: Module, elements: Signal) -> tuple[Signal, Signal]:
        """The G pixels' channel means beside the output and in its place, in MEAN_STAGE."""
        config = self.config
        module = instances.repeat(channel_mean.ChannelMean(config.cols), "hwflow_channel_mean")
        word = config.cols * STORED_BITS
        beside, stored = (
            Signal(config.pixel_lanes * word, name=f"{kind}_means") for kind in ("beside", "stored")
        )
        for pixel in range(config.pixel_lanes):
            m.submodules[f"mean_{pixel}"] = module.instance(
                elements=elements.word_select(pixel, word),
                shift=self.current.mean_shift,
                store_shift=self.current.store_shift,
                means=beside.word_select(pixel, word),
                stored=stored.word_select(pixel, word),
            )
        return beside, stored

    def _pool(self, m: Module, valid: Signal, mask: Signal, elements: Signal) -> Pool:
        """The pool unit, fed by layers with `pool_en`."""
        current = self.current
        m.submodules.pool_unit = pool = Pool(self.config)
        m.d.comb += [
            pool.clear.eq(self.layer_start),
            pool.width.eq(current.out_w),
            pool.height.eq(current.out_h),
            pool.top.eq(current.pool_top),
            pool.left.eq(current.pool_left),
            pool.groups.eq(current.groups),
            pool.row_aligned.eq(current.row_aligned),
            pool.valid.eq(valid & current.pool_en),
            pool.mask.eq(mask),
            Value.cast(pool.elements).eq(elements),
            self.tap_pool.valid.eq(pool.mean_mask[0]),
            self.tap_pool.layer.eq(current.layer),
            self.tap_pool.slot.eq(pool.slot),
            self.tap_pool.mask.eq(pool.mean_mask),
            self.tap_pool.cg.eq(pool.cg),
            Value.cast(self.tap_pool.data).eq(Value.cast(pool.means)),
        ]
        return pool

    def _memories_write(
        self,
        m: Module,
        slot: list[Signal],
        mask: list[Signal],
        cg: list[Signal],
        valid: Signal,
        elements: Signal,
        means: tuple[Signal, Signal],
        pool: Pool,
    ) -> None:
        """The three memories' write ports: main and side take the output or its means, pool the output or its pool."""
        current, config, y = self.current, self.config, lane.Y_STAGE
        main, side, pooled = (self._memories[which] for which in Residual if which)
        averaged = Signal()
        m.d.sync += averaged.eq(current.store == Store.MEANS)

        def stored(stages: list[Signal], ahead: int) -> Value:
            """A pixel group's field `ahead` cycles before the write of what is stored."""
            return Mux(averaged, stages[MEAN_STAGE - ahead], stages[y - ahead])

        store_row = self._first_row(
            m,
            "store",
            stored(slot, ROW_AHEAD),
            stored(cg, ROW_AHEAD) >> current.store_shift,
            current.store_pitch,
            current.store_base,
        )
        at = MEAN_STAGE - ROW_AHEAD
        mean_row = self._first_row(
            m,
            "mean",
            slot[at],
            cg[at] >> current.mean_shift,
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
        inside = Const(1)
        if config.long_words:
            inside = Signal(name="inside")
            m.d.sync += inside.eq(cg[y - 1] < current.store_pitch)
            m.d.comb += [
                self.spill_store.valid.eq(valid & (current.store == Store.MAIN) & ~inside),
                self.spill_store.data.eq(elements),
            ]
        for memory, store, means_here in (
            (main, Store.MAIN, current.mean_en & current.mean_main),
            (side, Store.SIDE, current.mean_en & ~current.mean_main),
        ):
            with m.If(means_here):
                m.d.comb += [
                    memory.write_mask.eq(mask[MEAN_STAGE]),
                    memory.write_row.eq(mean_row),
                    memory.write_step.eq(current.mean_groups),
                    memory.write_lanes.eq(
                        channel_mean.mean_lanes(cg[MEAN_STAGE], current.mean_shift, config.cols)
                    ),
                    memory.write_data.eq(means[0]),
                ]
            with m.Else():
                m.d.comb += [
                    memory.write_mask.eq(
                        Mux(
                            (current.store == store) & (inside if memory is main else 1), mask[y], 0
                        )
                    ),
                    memory.write_row.eq(store_row),
                    memory.write_step.eq(current.store_pitch),
                    memory.write_lanes.eq(~0),
                    memory.write_data.eq(elements),
                ]
            if store is Store.MAIN:
                with m.If(averaged):
                    m.d.comb += [
                        memory.write_mask.eq(mask[MEAN_STAGE]),
                        memory.write_lanes.eq(
                            channel_mean.mean_lanes(
                                cg[MEAN_STAGE], current.store_shift, config.cols
                            )
                        ),
                        memory.write_data.eq(means[1]),
                    ]
            if config.pixel_lanes > 1:
                late = means_here | averaged if store is Store.MAIN else means_here
                banks = (self._bank(slot[MEAN_STAGE]), self._bank(slot[y]))
                m.d.comb += memory.write_bank.eq(Mux(late, *banks))
        with m.If(current.store == Store.POOL):
            m.d.comb += [
                pooled.write_mask.eq(mask[y]),
                pooled.write_row.eq(store_row),
                pooled.write_step.eq(current.store_pitch),
                pooled.write_data.eq(elements),
            ]
        with m.Else():
            m.d.comb += [
                pooled.write_mask.eq(pool.mean_mask),
                pooled.write_row.eq(current.pool_base + pool.row),
                pooled.write_step.eq(current.groups),
                pooled.write_data.eq(Value.cast(pool.means)),
            ]
        if config.pixel_lanes > 1:
            banks = (self._bank(slot[y]), self._bank(pool.slot))
            m.d.comb += pooled.write_bank.eq(Mux(current.store == Store.POOL, *banks))

    def _idle(self, m: Module) -> None:
        """A countdown from each pixel group: what follows it is rigid, so its end is known."""
        plain = timing.back_end_drain(self.config, pool=False)
        pooled = timing.back_end_drain(self.config, pool=True)
        left = Signal(range(max(plain, pooled)))
        with m.If(self.group.valid):
            m.d.sync += left.eq(Mux(self.current.pool_en, pooled - 1, plain - 1))
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        m.d.comb += self.idle.eq(~self.group.valid & (left == 0))
