"""The accelerator's top: front end, back end, scalar engine, loader, records (docs/architecture.md)."""

from __future__ import annotations

from amaranth.hdl import (
    Cat,
    ClockDomain,
    ClockSignal,
    Const,
    DomainRenamer,
    Module,
    Mux,
    ResetSignal,
    Signal,
    Value,
)
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwflow import timing
from hwflow.config import AcceleratorConfig
from rtl_gen.back_end import BackEnd
from rtl_gen.constant_ring import ConstantRing
from rtl_gen.front_end import FrontEnd
from rtl_gen.interfaces import (
    COUNTER_BITS,
    LAYER_BITS,
    SCALAR_TAP,
    MemoryPort,
    memory_write_layout,
    tap_layout,
)
from rtl_gen.loader import Loader
from rtl_gen.long_stream import LongStream
from rtl_gen.memory_guard import MemoryGuard
from rtl_gen.records import LayerRecords, ResultArbiter
from rtl_gen.scalar_engine import ScalarEngine
from rtl_gen.spill_writer import SpillWriter

RESET_CYCLES = 16
"""Cycles of the units' reset: more than there are units."""

TAPS = ("tap_store", "tap_mean", "tap_pool")


class Accelerator(wiring.Component):
    """Executes the schedule at `schedule_address` once per `start`. Elaborates only inside rtl_gen.instances.emit.

    Members: `start` In, taken while not `busy`, in frame cycle 0; `schedule_address` In, beats, with `start`;
    `busy` Out, from the cycle after `start` to `done`, and while the units are in reset;
    `done` Out, pulses when the END record has left: the next
    `start` may come in the following cycle; `error` Out, with `done`: the run ended with an ERROR record instead, and
    `busy` stays until the memory has answered what it still owes; `memory` the read port; `result` Out stream of
    64-bit words (isa.Record); `tap_*` Out, for simulation. With `long_words`: `write` Out, stream of beats to write, and
    `written` In, one of them is: reads of it that are requested from the next cycle on see it.
    """

    start: Signal
    schedule_address: Signal
    busy: Signal
    done: Signal
    error: Signal

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        write_port = {
            "write": Out(stream.Signature(memory_write_layout(config))),
            "written": In(1),
        }
        super().__init__(
            {
                "start": In(1),
                "schedule_address": In(32),
                "busy": Out(1),
                "done": Out(1),
                "error": Out(1),
                "memory": Out(MemoryPort(config)),
                **(write_port if config.long_words else {}),
                "result": Out(stream.Signature(64)),
                **{name: Out(tap_layout(config)) for name in TAPS},
                "tap_scalar": Out(SCALAR_TAP),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The units and their connections."""
        m = Module()
        config = self._config
        loader, constants = Loader(config), ConstantRing(config)
        front, back = FrontEnd(config), BackEnd(config)
        scalar, records = ScalarEngine(config), LayerRecords(config)
        units = {
            "loader": loader,
            "constants": constants,
            "front_end": front,
            "back_end": back,
            "scalar_engine": scalar,
            "records": records,
        }
        streams: tuple[LongStream, SpillWriter] | None = None
        if config.long_words:
            streams = LongStream(config), SpillWriter(config)
            units |= dict(zip(("long_stream", "spill_writer"), streams, strict=True))
        # A run that ends with an error leaves them in the middle of their work: they have resets of their own.
        abandon, resetting = Signal(), Signal(init=1)
        for name, domain in self._resets(m, list(units), abandon, resetting).items():
            m.submodules[name] = DomainRenamer(domain)(units[name])
        m.submodules.guard = guard = MemoryGuard(config)
        m.submodules.arbiter = arbiter = ResultArbiter()

        # A frame.
        begin, active = Signal(), Signal()
        cycle = Signal(COUNTER_BITS)
        m.d.comb += [
            begin.eq(self.start & ~self.busy),
            self.busy.eq(active | resetting),
            self.done.eq(scalar.frame_done | self.error),
        ]
        m.d.sync += cycle.eq(Mux(begin, 1, cycle + 1))
        with m.If(begin):
            m.d.sync += active.eq(1)
        with m.Elif(scalar.frame_done | abandon):
            m.d.sync += active.eq(0)
        written = streams[1].idle if streams is not None else Const(1)
        self._errors(m, guard, arbiter, abandon, resetting, written)
        m.d.comb += [
            loader.start.eq(begin),
            loader.schedule_address.eq(self.schedule_address),
            scalar.restart.eq(begin),
        ]

        # Memory and rings.
        for ring, room in (
            (front.weights_free, loader.weights_free),
            (front.macs_free, loader.macs_free),
            (constants.free, loader.constants_free),
        ):
            assert len(ring) == len(room), "a ring's free room has one width"
        wiring.connect(m, loader.request, guard.request)
        wiring.connect(m, guard.beat, loader.beat)
        wiring.connect(m, guard.port, wiring.flipped(self.memory))
        m.d.comb += guard.purpose.eq(loader.purpose)
        m.d.comb += [
            front.weights_write.eq(loader.weights_write),
            loader.weights_free.eq(front.weights_free),
            front.macs_write.eq(loader.macs_write),
            loader.macs_free.eq(front.macs_free),
            front.bytes_write.eq(loader.bytes_write),
            loader.bytes_stall.eq(front.bytes_stall),
            front.image_slots.eq(loader.image_slots),
            front.image_grown.eq(loader.image_grown),
            front.image_done.eq(loader.image_done),
            constants.write.eq(loader.constants_write),
            loader.constants_free.eq(constants.free),
            scalar.record.eq(constants.record),
            scalar.record_level.eq(constants.level),
            scalar.record_there.eq(constants.some),
            constants.take.eq(scalar.record_take),
            constants.last.eq(scalar.record_last),
        ]

        # CONV: a layer begins only when its record will find room.
        conv = front.instruction
        open_conv = Signal()  # one at a time: the front end takes the next after `layer_done`
        m.d.comb += [
            conv.payload.eq(loader.conv.payload),
            conv.valid.eq(loader.conv.valid & records.ready),
            loader.conv.ready.eq(conv.ready & records.ready),
            front.backend_idle.eq(back.idle),
            back.layer_start.eq(front.layer_start),
            back.group.eq(front.group),
            front.bits_store.eq(back.bits_store),
            front.bytes_store.eq(back.bytes_store),
        ]
        # Registers of the back end's own: a layer's constants go all over the chip. Its first pixel group is cycles away.
        current = Signal(front.current.shape(), reset_less=True)
        m.d.sync += current.eq(front.current)
        m.d.comb += back.current.eq(current)
        with m.If(conv.valid & conv.ready):
            m.d.sync += open_conv.eq(1)
        with m.Elif(front.layer_done | abandon):
            m.d.sync += open_conv.eq(0)

        # Scalar engine.
        wiring.connect(m, loader.scalar, scalar.instruction)
        m.d.comb += [
            back.sums_address.eq(scalar.sums_address),
            scalar.sums_data.eq(back.sums_data),
            scalar.sum_token.eq(back.sum_token),
            back.constants_write.eq(scalar.constants_write),
            front.scale_available.eq(scalar.scale_available),
            scalar.scale_take.eq(front.scale_take),
            front.matvec.eq(scalar.matvec),
            scalar.matvec_level.eq(front.matvec_level),
            scalar.matvec_result.eq(front.matvec_result),
            scalar.cycle.eq(cycle),
            scalar.byte_counts.eq(loader.byte_counts),
            scalar.quiet.eq(loader.idle & ~open_conv & records.idle),
        ]

        if streams is not None:
            self._streams(m, streams, (loader, front, back, scalar), begin)
            m.d.comb += [
                guard.write.eq(streams[1].state),
                guard.write.layer.eq(front.current.layer),
            ]

        # Records; the front end reports its events late.
        m.d.comb += [
            records.layer.eq(front.current.layer),
            records.layer_start.eq(front.layer_start),
            records.layer_done.eq(front.layer_done),
            records.events.eq(front.events),
            records.layer_signature.eq(back.layer_signature),
            records.saturated_t.eq(back.saturated_t),
            records.saturated_y.eq(back.saturated_y),
            records.cycle.eq(cycle - timing.EVENTS),
        ]
        wiring.connect(m, records.words, arbiter.first)
        wiring.connect(m, scalar.result, arbiter.second)
        wiring.connect(m, arbiter.result, wiring.flipped(self.result))

        m.d.comb += [getattr(self, name).eq(getattr(back, name)) for name in TAPS]
        m.d.comb += self.tap_scalar.eq(scalar.tap_scalar)
        return m

    def _resets(
        self, m: Module, names: list[str], abandon: Signal, resetting: Signal
    ) -> dict[str, str]:
        """A clock domain for each unit, whose reset comes from a register of its own.

        One net would reset tens of thousands of registers and be the slowest of all. The registers form a chain, and a
        reset lasts longer than the chain is long: all units are in reset together before the first leaves it.
        """
        left, counting = Signal(range(RESET_CYCLES), init=RESET_CYCLES - 1), Signal(init=1)
        with m.If(abandon):
            m.d.sync += [left.eq(RESET_CYCLES - 1), counting.eq(1)]
        with m.Elif(counting):
            m.d.sync += [left.eq(left - 1), counting.eq(left != 1)]
        chain: list[Signal] = []
        domains = {name: f"core_{name}" for name in names}
        for name, domain in domains.items():
            reset = Signal(name=f"reset_{name}", init=1)
            m.d.sync += reset.eq(chain[-1] if chain else counting)
            m.domains += ClockDomain(domain, local=True)
            m.d.comb += [ClockSignal(domain).eq(ClockSignal()), ResetSignal(domain).eq(reset)]
            chain.append(reset)
        m.d.sync += resetting.eq(abandon | counting | Cat(chain).any())
        return domains

    def _streams(
        self,
        m: Module,
        streams: tuple[LongStream, SpillWriter],
        units: tuple[Loader, FrontEnd, BackEnd, ScalarEngine],
        begin: Signal,
    ) -> None:
        """Activations in external memory: the long stream, the write port, and how many layers are over."""
        long, writer = streams
        loader, front, back, scalar = units
        layers_done = Signal(LAYER_BITS)
        with m.If(begin):
            m.d.sync += layers_done.eq(0)
        with m.Elif(front.layer_done):
            m.d.sync += layers_done.eq(layers_done + 1)
        wiring.connect(m, writer.port, wiring.flipped(self.write))
        m.d.comb += [
            loader.layers_done.eq(layers_done),
            long.write.eq(loader.long_write),
            loader.long_free.eq(long.free),
            front.long_level.eq(long.level),
            long.claim.eq(front.long_claim),
            long.take.eq(back.long_take),
            back.long_data.eq(long.data),
            writer.restart.eq(begin),
            writer.layer_start.eq(front.layer_start),
            writer.address.eq(front.current.spill_address),
            writer.word.eq(back.spill_store),
            writer.written.eq(self.written),
            front.store_freed.eq(writer.freed),
            front.backend_idle.eq(back.idle & writer.idle),
            scalar.byte_counts.bytes_spill_written.eq(writer.bytes),
        ]

    def _errors(
        self,
        m: Module,
        guard: MemoryGuard,
        arbiter: ResultArbiter,
        abandon: Signal,
        resetting: Signal,
        written: Value,
    ) -> None:
        """The end of a run by a fault: ERROR record, `done`, outstanding beats, reset of the units, end of `busy`."""
        m.d.comb += [
            arbiter.error.payload.eq(guard.record),
            # From the fault to the end of the reset, in which the guard forgets it.
            arbiter.hold.eq(guard.failed),
        ]
        m.d.sync += abandon.eq(0)
        with m.FSM(name="fault"):
            with m.State("NONE"), m.If(guard.failed):
                m.next = "SEND"
            with m.State("SEND"):
                m.d.comb += arbiter.error.valid.eq(1)
                with m.If(arbiter.error.ready):
                    m.next = "DONE"
            with m.State("DONE"):
                m.d.comb += self.error.eq(1)
                m.next = "DRAIN"
            with m.State("DRAIN"), m.If(guard.settled & written):
                m.d.sync += abandon.eq(1)
                m.next = "ABANDON"
            with m.State("ABANDON"):
                m.next = "RESET"
            with m.State("RESET"), m.If(~resetting):
                # The guard lets nothing out until the last unit has forgotten the run.
                m.d.comb += guard.clear.eq(1)
                m.next = "NONE"
