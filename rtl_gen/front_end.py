"""The front end: sequencer, feature memories, weight rings and both arrays; its output is the group stream."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hwflow import isa, timing
from hwflow.config import AcceleratorConfig
from rtl_gen import interfaces
from rtl_gen.binary_array import BinaryArray
from rtl_gen.delay import delayed, registered
from rtl_gen.features import Features
from rtl_gen.group_drain import GroupDrain
from rtl_gen.mac_array import MacArray
from rtl_gen.mac_ring import MacRing
from rtl_gen.pe import popcount_bits
from rtl_gen.sequencer import STATUS, STEP, Sequencer
from rtl_gen.slot_counters import COUNTS, SlotCounters
from rtl_gen.stream_control import StreamControl
from rtl_gen.tap_address import TapAddress
from rtl_gen.weight_ring import WeightRing


class FrontEnd(wiring.Component):
    """Ports as in docs/architecture.md, "Components and their ports".

    `current` changes only after `layer_done`. `layer_start` and `layer_done` bound, both inclusive, the cycles whose
    `events` belong to the layer; all three are `timing.EVENTS` cycles late. With `long_words`: `long_level` words of the
    long stream, `long_claim` a tile takes R/G of them, `store_freed` a word has left the store FIFO.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        streams = {
            "long_level": In(range(config.long_words + 1)),
            "long_claim": Out(1),
            "store_freed": In(1),
        }
        super().__init__(
            {
                **(streams if config.long_words else {}),
                "instruction": In(stream.Signature(interfaces.CONV)),
                "current": Out(interfaces.CONV),
                "layer_start": Out(1),
                "layer_done": Out(1),
                "backend_idle": In(1),
                "weights_write": In(interfaces.beat_write_layout(config)),
                "weights_free": Out(range(config.weight_words * config.weight_beats + 1)),
                "macs_write": In(interfaces.beat_write_layout(config)),
                "macs_free": Out(range(2 * config.mac_words * config.mac_half_beats + 1)),
                "bytes_write": In(interfaces.bytes_write_layout(config)),
                "bytes_stall": Out(1),
                "image_slots": In(interfaces.SLOT_BITS),
                "image_grown": In(1),
                "image_done": In(1),
                "scale_available": In(1),
                "scale_take": Out(1),
                "group": Out(interfaces.group_layout(config)),
                "bits_store": In(interfaces.store_layout(config, 1)),
                "bytes_store": In(interfaces.store_layout(config, 8)),
                "matvec": In(interfaces.matvec_layout(config)),
                "matvec_level": Out(range(2 * config.mac_words + 1)),
                "matvec_result": Out(interfaces.matvec_result_layout(config)),
                "events": Out(interfaces.events_layout(config)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Issue, fetch, compute, drain, report."""
        m = Module()
        config = self._config
        m.submodules.sequencer = sequencer = Sequencer(config)
        m.submodules.weight_ring = weight_ring = WeightRing(config)
        m.submodules.mac_ring = mac_ring = MacRing(config)
        conv = self.current
        wiring.connect(m, wiring.flipped(self.instruction), sequencer.instruction)
        # Steps come some cycles after the set-up has begun; registers of their own are nearer to what they lead to.
        m.d.sync += conv.eq(sequencer.current)
        mac = sequencer.current.mac
        m.d.comb += [
            sequencer.level.eq(Mux(mac, mac_ring.level, weight_ring.level)),
            sequencer.arriving.eq(Mux(mac, mac_ring.arriving, weight_ring.arriving)),
            sequencer.scale_available.eq(self.scale_available),
            sequencer.image_slots.eq(self.image_slots),
            sequencer.image_grown.eq(self.image_grown),
            sequencer.image_done.eq(self.image_done),
            self.scale_take.eq(sequencer.claim),
            weight_ring.write.eq(self.weights_write),
            self.weights_free.eq(weight_ring.free),
            mac_ring.write.eq(self.macs_write),
            self.macs_free.eq(mac_ring.free),
            self.matvec_level.eq(mac_ring.level),
            mac_ring.matvec.eq(self.matvec.valid),
            mac_ring.narrow.eq(self.matvec.narrow),
            mac_ring.release.eq(self.matvec.release),
            mac_ring.word_offset.eq(self.matvec.word),
        ]
        if config.long_words:
            m.submodules.streams = streams = StreamControl(config)
            m.d.comb += [
                streams.conv.eq(sequencer.current),
                streams.begin.eq(sequencer.status.start),
                streams.group_end.eq(sequencer.group_end),
                streams.tile_claim.eq(sequencer.tile_claim),
                streams.level.eq(self.long_level),
                streams.freed.eq(self.store_freed),
                self.long_claim.eq(streams.long_claim),
                sequencer.stream_ready.eq(streams.ready),
            ]
        else:
            m.d.comb += sequencer.stream_ready.eq(1)
        for ring, chosen, issue in (
            (weight_ring, ~mac, sequencer.issue_binary),
            (mac_ring, mac, sequencer.issue_mac),
        ):
            m.d.comb += [
                ring.words.eq(conv.weight_words),
                ring.claim.eq(sequencer.claim & chosen),
                ring.step.eq(issue),
                ring.tile_end.eq(sequencer.of_tile_end),
                ring.group_end.eq(sequencer.of_group_end),
            ]
        # From here on a plain number n after a name is the cycle counted from the step's issue.
        steps = [
            data.View(STEP, s) for s in delayed(m, sequencer.step, timing.ACTIVATIONS - 1, "step")
        ]
        taps = delayed(m, sequencer.unmasked, timing.ACTIVATIONS - 2, "unmasked")
        features = self._features(m, steps)
        drain = self._drain(m, sequencer, steps)
        self._arrays(m, steps, taps[-1], features, weight_ring, mac_ring, drain)
        self._report(m, sequencer, steps, drain, features.busy)
        return m

    def _features(self, m: Module, steps: list[data.View[data.StructLayout]]) -> Features:
        """Feature memories and the addresses of a tap in them."""
        config, conv = self._config, self.current
        cols = config.cols
        m.submodules.tap_address = tap = TapAddress(config)
        lanes = (cols // config.mac_depth - 1).bit_length()
        step = steps[0]
        word = Mux(
            conv.mac, Mux(conv.grouped, step.cg >> conv.group_shift, step.word >> lanes), step.word
        )
        m.d.comb += [
            tap.slot.eq(step.slot),
            tap.word.eq(word),
            tap.base.eq(conv.src_base + Mux(conv.mac, config.byte_origin, 0)),
            tap.words.eq(conv.src_words),
            tap.stride2.eq(conv.stride2),
        ]
        m.submodules.features = features = Features(config)
        here = steps[timing.BANK_ADDRESS - 1]
        m.d.comb += [
            features.conv.eq(conv),
            features.read.eq(here.valid),
            features.last_word.eq(here.last_word),
            features.addresses.eq(tap.addresses),
            features.rem.eq(tap.rem),
            features.bits_store.eq(self.bits_store),
            features.bytes_store.eq(self.bytes_store),
            features.image.eq(self.bytes_write),
            self.bytes_stall.eq(features.image_stall),
        ]
        return features

    def _drain(
        self, m: Module, sequencer: Sequencer, steps: list[data.View[data.StructLayout]]
    ) -> GroupDrain:
        """N per row and the tile's record."""
        config, conv = self._config, self.current
        m.submodules.drain = drain = GroupDrain(config)
        step = steps[1]
        channels = Signal(range(config.popcount_width + 1))
        m.d.sync += channels.eq(Mux(steps[0].last_word, conv.last_k, config.popcount_width))
        for row in range(config.rows):
            count = Signal(popcount_bits(config), name=f"count_{row}")
            with m.If(step.valid & ~conv.mac):
                m.d.sync += count.eq(
                    Mux(step.first, 0, count) + Mux(sequencer.unmasked[row], channels, 0)
                )
            m.d.comb += drain.tile.counts[row].eq(count)
        pixels = Signal(config.rows)
        m.d.sync += pixels.eq(sequencer.pixels)
        done = steps[2]
        m.d.comb += [
            drain.mac.eq(conv.mac),
            drain.write.eq(done.valid & done.last),
            drain.tile.slot.eq(done.out_slot),
            drain.tile.pixels.eq(pixels),
            drain.tile.cg.eq(done.cg),
            drain.tile.last_of_group.eq(done.last_tile),
        ]
        return drain

    def _arrays(
        self,
        m: Module,
        steps: list[data.View[data.StructLayout]],
        unmasked: Signal,
        features: Features,
        weight_ring: WeightRing,
        mac_ring: MacRing,
        drain: GroupDrain,
    ) -> None:
        """Both arrays, the matrix-vector path and the group stream."""
        config, conv = self._config, self.current
        cols, lanes = config.cols, config.pixel_lanes
        m.submodules.binary_array = binary = BinaryArray(config)
        m.submodules.mac_array = macs = MacArray(config)
        step, step_next = steps[timing.ACTIVATIONS - 1], steps[timing.ACTIVATIONS - 2]
        binary_step = Signal()
        m.d.sync += binary_step.eq(step_next.valid & ~conv.mac)
        m.d.comb += [
            binary.act.eq(features.bits),
            binary.add.eq(unmasked),
            binary.step.eq(binary_step),
            binary.last.eq(step.last),
            binary.collect.eq(drain.collect & ~conv.mac),
        ]
        for name in ("read_en", "read_addr"):
            m.d.comb += getattr(binary, name).eq(getattr(weight_ring, name))
        # Written a cycle late: `timing.WEIGHT_ADDRESS` cycles pass before a word that counts can be read.
        writes = {
            name: Signal.like(
                getattr(weight_ring, name),
                name=f"weights_{name}",
                reset_less=name == "write_data",
            )
            for name in ("write_en", "write_addr", "write_data")
        }
        m.d.sync += writes["write_en"].eq(weight_ring.write_en)
        with m.If(weight_ring.write_en.any()):
            m.d.sync += [writes[name].eq(getattr(weight_ring, name)) for name in writes]
        m.d.comb += [getattr(binary, name).eq(register) for name, register in writes.items()]

        vector = [data.View(self.matvec.shape(), s) for s in self._vector_stages(m)]
        request, request_next = vector[-1], vector[-2]
        lane_bits = (cols // config.mac_depth - 1).bit_length()
        m.d.comb += [
            macs.step.eq((step.valid & conv.mac) | request.valid),
            macs.matvec.eq(request.valid),
            macs.last.eq(Mux(request.valid, request.last, step.last)),
            macs.slice.eq(mac_ring.slice),
            macs.lane.eq(step.word[:lane_bits]),
            macs.adds.eq(unmasked),
            macs.next_matvec.eq(request_next.valid),
            macs.next_lane.eq(step_next.word[:lane_bits]),
            macs.next_cg.eq(step_next.cg),
            macs.grouped.eq(conv.grouped),
            macs.group_shift.eq(conv.group_shift),
            macs.rows.eq(features.octets),
            macs.vector.eq(request.operands.as_value()),
            macs.word.eq(mac_ring.word),
            macs.narrow.eq(mac_ring.word_narrow),
            macs.phase.eq(drain.phase),
            self.matvec_result.valid.eq(macs.finished),
            self.matvec_result.sums.eq(macs.totals),
        ]

        group, head = self.group, drain.head
        pop_bits, acc_bits = popcount_bits(config), interfaces.ACC_BITS
        # A register of its own: `conv` is far from here, and constant since long before a group comes.
        of_macs = registered(m, conv.mac, "group_of_macs")
        m.d.sync += group.valid.eq(drain.valid)
        with m.If(drain.valid):
            m.d.sync += [
                group.slot.eq(head.slot + drain.phase * lanes),
                group.mask.eq(head.pixels.word_select(drain.phase, lanes)),
                group.cg.eq(head.cg),
                group.last_of_group.eq(head.last_of_group & (drain.phase == config.row_groups - 1)),
            ]
            with m.If(of_macs):
                m.d.sync += group.data.as_value().eq(macs.sums)
            with m.Else():
                for lane in range(lanes):
                    agreeing_of = Signal(pop_bits, name=f"n_{lane}")
                    m.d.comb += agreeing_of.eq(
                        head.counts.as_value().word_select(drain.phase * lanes + lane, pop_bits)
                    )
                    for column in range(cols):
                        index = lane * cols + column
                        total = Signal(signed(acc_bits), name=f"s_{index}")
                        agreeing = binary.sums.word_select(index, pop_bits)
                        m.d.comb += total.eq((agreeing << 1) - agreeing_of)
                        m.d.sync += group.data[index].eq(total)

    def _vector_stages(self, m: Module) -> list[Value]:
        """The matrix-vector request, delayed to meet its ring word; operands move only when there are some."""
        stages: list[Value] = [self.matvec.as_value()]
        for stage in range(timing.RING_READ):
            before = data.View(self.matvec.shape(), stages[-1])
            register = Signal(self.matvec.shape(), name=f"matvec_{stage}")
            m.d.sync += register.valid.eq(before.valid)
            with m.If(before.valid):
                m.d.sync += register.eq(before)
            stages.append(register.as_value())
        return stages

    def _report(
        self,
        m: Module,
        sequencer: Sequencer,
        steps: list[data.View[data.StructLayout]],
        drain: GroupDrain,
        stores_busy: Value,
    ) -> None:
        """Events, start and done of the layer."""
        config = self._config
        flight = Signal(range(config.cols + 32))
        leaving = Signal()
        quiet = Signal(range(timing.SETTLE + 1))
        m.d.comb += leaving.eq(drain.valid & (drain.phase == config.row_groups - 1))
        # Counted a cycle late, long before it leaves.
        tile_ended = Signal()
        m.d.sync += [
            tile_ended.eq(sequencer.tile_end),
            flight.eq(flight + tile_ended - leaving),
        ]
        with m.If(sequencer.issue | (flight != 0)):
            m.d.sync += quiet.eq(0)
        with m.Elif(quiet != timing.SETTLE):
            m.d.sync += quiet.eq(quiet + 1)
        m.d.comb += sequencer.finished.eq(
            (quiet == timing.SETTLE) & self.backend_idle & ~stores_busy
        )

        m.submodules.slots = slots = SlotCounters(config)
        step = steps[1]
        m.d.comb += [
            slots.conv.eq(self.current),
            slots.valid.eq(step.valid),
            slots.last_word.eq(steps[0].last_word),
            slots.last_group.eq(steps[0].last_group),
            slots.pixels.eq(sequencer.pixels),
            slots.unmasked.eq(sequencer.unmasked),
        ]
        status = data.View(STATUS, delayed(m, sequencer.status, timing.EVENTS, "status")[-1])
        m.d.comb += [
            self.layer_start.eq(status.start),
            self.layer_done.eq(status.done),
            sequencer.reported.eq(status.done),
        ]
        for name in isa.CYCLE_COUNTERS:
            m.d.comb += self.events[name].eq(status[name])
        for name in COUNTS:
            m.d.comb += self.events[name].eq(slots.counts[name])
