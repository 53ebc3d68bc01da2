"""The back end: vector lanes, residual memories, means, pool, channel sums, signature (docs/architecture.md).

A rigid pipeline. `slot[n]`, `mask[n]`, ... below are a pixel group's fields n cycles after it entered;
stage numbers are those of rtl_gen/lane.py. Everything that is constant in a layer is taken from `current`.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, EnableInserter, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow import timing
from hwflow.config import AcceleratorConfig
from hwflow.isa import Store
from hwflow.numerics import STORED_BITS
from hwflow.signature import GROUP
from rtl_gen import channel_mean, instances, lane
from rtl_gen.channel_sums import ChannelSums
from rtl_gen.delay import delayed, registered
from rtl_gen.interfaces import (
    CHANNEL_BITS,
    CONSTANTS_WRITE,
    CONV,
    GROUP_BITS,
    SUM_BITS,
    group_layout,
    store_layout,
    stream_word_layout,
    tap_layout,
)
from rtl_gen.pool import Pool
from rtl_gen.popcount import Popcount
from rtl_gen.residuals import MEAN_STAGE, Residuals, Stages
from rtl_gen.signature import Signature
from rtl_gen.stored_elements import widened
from rtl_gen.vector_lanes import vector_lanes


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
        slot = delayed(m, group.slot, MEAN_STAGE, "slot", reset_less=True)
        mask = delayed(m, group.mask & group.valid.replicate(pixels), MEAN_STAGE, "mask")
        cg = delayed(m, group.cg, MEAN_STAGE, "cg", reset_less=True)
        last = delayed(m, group.last_of_group, lane.Y_STAGE, "last", reset_less=True)
        last_columns = Signal(cols)
        m.d.sync += last_columns.eq(Cat(*(j < current.last_cols for j in range(cols))))
        last_group = registered(m, (current.groups - 1)[:GROUP_BITS], "last_group")
        at_last = group.cg == last_group
        final_group = delayed(m, at_last, lane.Y_STAGE, "final_group", reset_less=True)

        def columns_before(stage: int) -> Value:
            """The columns that hold a channel, a cycle before `stage`: a register behind it serves all lanes."""
            return Mux(final_group[stage - 1], last_columns, ~Const(0, cols))

        def present(stage: int) -> Signal:
            """The elements that are stored: their pixel and their channel exist."""
            columns, there = columns_before(stage), mask[stage - 1]
            before = Cat(*(columns & there[pixel].replicate(cols) for pixel in range(pixels)))
            return registered(m, before, f"present_{stage}")

        residuals = Residuals(config, self, Stages(valid, slot, mask, cg, last))
        shortcuts = residuals.shortcuts(m)
        keep = registered(m, columns_before(lane.KEEP_STAGE), "keep")
        elements, t_saturated, y_saturated = vector_lanes(
            m, config, current, group.data, self.constants_write, valid, cg, keep, shortcuts
        )

        y = lane.Y_STAGE
        stored = {stage: present(stage) for stage in (lane.T_STAGE, y)}
        # Counted only where an element is stored.
        for flags, stage, counter, name in (
            (t_saturated, lane.T_STAGE, self.saturated_t, "t"),
            (y_saturated, lane.Y_STAGE, self.saturated_y, "y"),
        ):
            m.submodules[f"{name}_count"] = count = Popcount(config.vector_lanes)
            counted = Signal.like(count.n, name=f"{name}_counted")
            m.d.comb += count.a.eq(flags & stored[stage])
            m.d.sync += counted.eq(count.n)
            with m.If(self.layer_start):
                m.d.sync += counter.eq(0)
            with m.Else():
                m.d.sync += counter.eq(counter + counted)

        # Consumers of stored elements ---------------------------------------------------------------
        means = self._means(m, elements)
        pool = self._pool(m, valid[y - Pool.AHEAD], mask[y - Pool.AHEAD], elements)
        residuals.write(m, elements, means, pool)
        for store, enable in (
            (self.bits_store, registered(m, current.bits_en, "stores_bits")),
            (self.bytes_store, registered(m, current.store == Store.BYTES, "stores_bytes")),
            (self.tap_store, Const(1)),
        ):
            m.d.comb += [
                store.valid.eq(registered(m, valid[y - 1] & enable, "store_valid")),
                store.slot.eq(slot[y]),
                store.mask.eq(mask[y]),
                store.cg.eq(cg[y]),
            ]
        for at in range(config.vector_lanes):
            element = elements.word_select(at, config.residual_bits)
            m.d.comb += [
                self.bits_store.data[at].eq(~element[-1]),
                self.bytes_store.data[at].eq(element[: lane.BYTE_BITS].as_signed()),
            ]
        m.d.comb += [
            self.tap_store.layer.eq(current.layer),
            Value.cast(self.tap_store.data).eq(widened(elements, config.residual_bits)),
            self.tap_mean.valid.eq(
                valid[MEAN_STAGE] & (current.mean_en | (current.store == Store.MEANS))
            ),
            self.tap_mean.layer.eq(current.layer),
            self.tap_mean.slot.eq(slot[MEAN_STAGE]),
            self.tap_mean.mask.eq(mask[MEAN_STAGE]),
            self.tap_mean.cg.eq(cg[MEAN_STAGE]),
        ]
        # A mean leaves at least half of a word free: one tap shows both kinds.
        word = config.residual_word_bits
        for pixel in range(pixels):
            shown = Value.cast(self.tap_mean.data).word_select(pixel, cols * STORED_BITS)
            parts = [kind.word_select(pixel, word)[: word // 2] for kind in means]
            m.d.comb += shown.eq(widened(Cat(*parts), config.residual_bits))

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
        m.d.comb += [
            signature.clear.eq(self.layer_start),
            signature.messages.eq(groups_of_four),
            signature.slot.eq(slot[y - Signature.AHEAD]),
            signature.cg.eq(cg[y - Signature.AHEAD]),
            Value.cast(signature.elements).eq(widened(elements, config.residual_bits)),
            # A message exists where its first channel does.
            signature.exist.eq(
                Cat(*(stored[y][at] for at in range(0, config.vector_lanes, GROUP)))
            ),
            self.layer_signature.eq(signature.value),
        ]
        self._idle(m)
        return m

    def _means(self, m: Module, elements: Signal) -> tuple[Signal, Signal]:
        """The G pixels' channel means beside the output and in its place, in MEAN_STAGE."""
        config = self.config
        module = instances.repeat(
            channel_mean.ChannelMean(config.cols, config.residual_bits), "hwflow_channel_mean"
        )
        word = config.residual_word_bits
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
        """The pool unit, fed by layers with `pool_en`; valid, mask: `Pool.AHEAD` cycles before the elements."""
        current = self.current
        pool = Pool(self.config)
        # Only layers that pool clock it: they end, and the next one begins, with nothing in it.
        pooling, clear = Signal(), Signal()
        m.d.sync += [pooling.eq(current.pool_en), clear.eq(self.layer_start)]
        m.submodules.pool_unit = EnableInserter(pooling)(pool)
        m.d.comb += [
            pool.clear.eq(clear),
            pool.width.eq(current.out_w),
            pool.height.eq(current.out_h),
            pool.top.eq(current.pool_top),
            pool.left.eq(current.pool_left),
            pool.groups.eq(current.groups),
            pool.row_aligned.eq(current.row_aligned),
            pool.valid.eq(valid),
            pool.mask.eq(mask),
            Value.cast(pool.elements).eq(elements),
            self.tap_pool.valid.eq(pool.mean_mask[0]),
            self.tap_pool.layer.eq(current.layer),
            self.tap_pool.slot.eq(pool.slot),
            self.tap_pool.mask.eq(pool.mean_mask),
            self.tap_pool.cg.eq(pool.cg),
            Value.cast(self.tap_pool.data).eq(
                widened(Value.cast(pool.means), self.config.residual_bits)
            ),
        ]
        return pool

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
