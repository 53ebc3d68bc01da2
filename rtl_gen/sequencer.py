"""Issues the steps of a CONV: channel groups, tiles, taps, words; one step a cycle unless something is missing."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from hwflow import isa
from hwflow.config import AcceleratorConfig
from rtl_gen.bank_division import READ_SLOT_BITS, slot_offset
from rtl_gen.image_wait import ImageWait
from rtl_gen.interfaces import CONV, GROUP_BITS, SLOT_BITS
from rtl_gen.row_coordinates import RowCoordinates

STEP = data.StructLayout(
    {
        "valid": 1,
        "first": 1,  # of its tile
        "last": 1,  # of its tile
        "last_word": 1,  # of its tap
        "last_tile": 1,  # of its channel group
        "last_group": 1,  # of the layer
        "word": 10,  # within the tap
        "slot": READ_SLOT_BITS,  # input slot of the tile's first pixel at this tap + slot_offset
        "cg": GROUP_BITS,
        "out_slot": SLOT_BITS,  # of the tile's first pixel
    }
)
"""One step, in the cycle after its issue."""

STATUS = data.StructLayout(
    {
        "start": 1,
        "done": 1,
        **dict.fromkeys(isa.CYCLE_COUNTERS, 1),
    }
)
"""What the sequencer does in a cycle; from `start` to `done` inclusive exactly one of issue..drain is set."""


class State(enum.Enum):
    """Phases of a CONV."""

    IDLE = 0
    SETUP = 1
    LOAD = 2
    RUN = 3
    DRAIN = 4
    REPORT = 5


class Sequencer(wiring.Component):
    """Executes CONV instructions one at a time.

    Members:
        instruction: In stream; current: Out, the accepted one, stable until the next is accepted.
        reported: In: everybody has seen `done`; the next instruction may be accepted from the next cycle on.
        finished: In: everything issued has been written.
        coming: In, words in the ring that serves `current`, with one that is written in this cycle.
        scale_available: In.
        image_slots, image_done: In: slots of the image that are written, and whether all are.
        stream_ready: In: the streams to and from external memory are ready for the next tile. tile_claim: Out: it is issued.
        claim: Out: the first step of a group is issued (words claimed, scale token taken).
        issue, tile_end, group_end: Out: a step is issued; it is its tile's, its group's last.
        step: Out, the step of the previous cycle. pixels, unmasked: Out, its rows, one cycle later still.
        status: Out.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__(
            {
                "instruction": In(stream.Signature(CONV)),
                "current": Out(CONV),
                "reported": In(1),
                "finished": In(1),
                "coming": In(17),
                "scale_available": In(1),
                "image_slots": In(SLOT_BITS),
                "image_done": In(1),
                "stream_ready": In(1),
                "tile_claim": Out(1),
                "claim": Out(1),
                "issue": Out(1),
                "tile_end": Out(1),
                "group_end": Out(1),
                "step": Out(STEP),
                "pixels": Out(config.rows),
                "unmasked": Out(config.rows),
                "status": Out(STATUS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Control, then counters, then slots."""
        m = Module()
        conv = self.current
        m.submodules.coordinates = coordinates = RowCoordinates(self._config)
        load = Signal()
        restart = Signal()
        last_word, last_x, last_y = Signal(), Signal(), Signal()
        last_tile, last_group = Signal(), Signal()
        tile_start = Signal()
        group_start = Signal()
        image_here = Signal()
        self._control(m, load, tile_start, group_start, last_group, image_here)

        word = Signal(10)
        dx, dy = Signal(3), Signal(3)
        tile = Signal(16)
        cg = Signal(GROUP_BITS)
        # Whether each counter is at its last value is known from the cycle on in which it is.
        words, kernel, tiles, groups = conv.words, conv.kernel, conv.tiles, conv.groups
        last_dx, last_dy = Signal(), Signal()
        for counter, count, at_last, step, wrap in (
            (word, words, last_word, self.issue, last_word),
            (dx, kernel, last_dx, self.issue & last_word, last_dx),
            (dy, kernel, last_dy, self.issue & last_x, last_dy),
            (tile, tiles, last_tile, self.issue & last_y, last_tile),
            (cg, groups, last_group, self.group_end, Const(0)),
        ):
            one, two = Signal(name=f"one_{counter.name}"), Signal(name=f"before_{counter.name}")
            m.d.sync += one.eq(count == 1)
            last = Signal.like(counter, name=f"last_of_{counter.name}")
            m.d.sync += last.eq(count - 2)
            m.d.comb += two.eq(counter == last)
            with m.If(step):
                m.d.sync += [
                    counter.eq(Mux(wrap, 0, counter + 1)),
                    at_last.eq(Mux(wrap, one, two)),
                ]
            with m.If(load):
                m.d.sync += [counter.eq(0), at_last.eq(one)]
        m.d.comb += [
            last_x.eq(last_word & last_dx),
            last_y.eq(last_word & last_dx & last_dy),
            self.tile_end.eq(self.issue & last_y),
            self.group_end.eq(self.tile_end & last_tile),
            restart.eq(load | self.group_end),
        ]
        with m.If(self.issue):
            m.d.sync += [tile_start.eq(last_y), group_start.eq(last_y & last_tile)]
        with m.If(load):
            m.d.sync += [tile_start.eq(1), group_start.eq(1)]

        m.d.comb += [
            coordinates.conv.eq(conv),
            coordinates.setup.eq(self.status.setup & ~load),
            coordinates.restart.eq(restart),
            coordinates.advance.eq(self.tile_end),
            coordinates.dx.eq(dx),
            coordinates.dy.eq(dy),
            self.pixels.eq(coordinates.pixels),
            self.unmasked.eq(coordinates.unmasked),
        ]
        slot, out_slot = self._slots(m, restart, coordinates.row_end, last_x, dx, image_here)
        m.d.sync += [
            self.step.valid.eq(self.issue),
            self.step.first.eq(tile_start),
            self.step.last.eq(last_y),
            self.step.last_word.eq(last_word),
            self.step.last_tile.eq(last_tile),
            self.step.last_group.eq(last_group),
            self.step.word.eq(word),
            self.step.slot.eq(slot),
            self.step.cg.eq(cg),
            self.step.out_slot.eq(out_slot),
        ]
        return m

    def _control(
        self,
        m: Module,
        load: Signal,
        tile_start: Signal,
        group_start: Signal,
        last_group: Signal,
        image_here: Signal,
    ) -> None:
        """States, stalls and the distance between tiles."""
        conv, status = self.current, self.status
        state = Signal(State)
        row = Signal(range(self._config.rows))
        wait = Signal(6)
        waiting, intervals = Signal(), Signal()
        # What the ring holds in the next cycle, without what a group that begins now claims.
        weights = Signal()
        m.d.sync += weights.eq(
            Mux(
                self.claim,
                self.coming >= conv.weight_words << 1,
                self.coming >= conv.weight_words,
            )
        )
        m.d.comb += self.instruction.ready.eq(state == State.IDLE)
        m.d.sync += [intervals.eq(conv.interval > 1), waiting.eq(wait > 1)]
        with m.If(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.Switch(state):
            with m.Case(State.IDLE), m.If(self.instruction.valid):
                m.d.sync += [state.eq(State.SETUP), conv.eq(self.instruction.payload), row.eq(0)]
            with m.Case(State.SETUP):
                m.d.comb += [status.setup.eq(1), status.start.eq(row == 0)]
                m.d.sync += row.eq(row + 1)
                with m.If(row == self._config.rows - 1):
                    m.d.sync += state.eq(State.LOAD)
            with m.Case(State.LOAD):
                m.d.comb += [status.setup.eq(1), load.eq(1)]
                m.d.sync += state.eq(State.RUN)
            with m.Case(State.RUN):
                with m.If((group_start & ~weights) | (tile_start & ~image_here)):
                    m.d.comb += status.stall_weights.eq(1)
                with m.Elif(group_start & ~self.scale_available):
                    m.d.comb += status.stall_scale.eq(1)
                with m.Elif(tile_start & waiting):
                    m.d.comb += status.stall_interval.eq(1)
                with m.Elif(tile_start & ~self.stream_ready):
                    m.d.comb += status.stall_stream.eq(1)
                with m.Else():
                    m.d.comb += [
                        self.issue.eq(1),
                        status.issue.eq(1),
                        self.claim.eq(group_start),
                        self.tile_claim.eq(tile_start),
                    ]
                    with m.If(tile_start):
                        m.d.sync += wait.eq(Mux(conv.interval == 0, 0, conv.interval - 1))
                        m.d.sync += waiting.eq(intervals)
                with m.If(self.group_end & last_group):
                    m.d.sync += state.eq(State.DRAIN)
            with m.Case(State.DRAIN):
                m.d.comb += [status.drain.eq(1), status.done.eq(self.finished)]
                with m.If(self.finished):
                    m.d.sync += state.eq(State.REPORT)
            with m.Case(State.REPORT), m.If(self.reported):
                m.d.sync += state.eq(State.IDLE)

    def _slots(
        self,
        m: Module,
        restart: Signal,
        row_end: Signal,
        last_x: Signal,
        dx: Signal,
        image_here: Signal,
    ) -> tuple[Signal, Signal]:
        """Input slot (with offset) of the tile's first pixel at the current tap; output slot of that pixel."""
        conv, rows = self.current, self._config.rows
        origin = Signal(READ_SLOT_BITS)  # of the tile at tap (0, 0)
        row_origin = Signal(READ_SLOT_BITS)  # of the first tile of this output row
        tap_row = Signal(13)
        out_slot = Signal(SLOT_BITS)
        out_row = Signal(SLOT_BITS)
        first_origin = Signal(READ_SLOT_BITS)
        slot = Signal(READ_SLOT_BITS)
        padding = (
            Mux(conv.pad_top[0], conv.in_w, 0)
            + Mux(conv.pad_top[1], conv.in_w << 1, 0)
            + conv.pad_left
        )
        tile_step, row_step = Signal(READ_SLOT_BITS), Signal(READ_SLOT_BITS)
        m.d.comb += slot.eq(origin + tap_row + dx)
        # Constants of the layer, known since the set-up.
        m.d.sync += [
            first_origin.eq(slot_offset(self._config.banks) - padding),
            tile_step.eq(Mux(conv.stride2, 2 * rows, rows)),
            row_step.eq(Mux(conv.stride2, conv.in_w << 1, conv.in_w)),
        ]
        # While the image is being written, a tile waits for the last slot it reads.
        across, down = Signal(range(2 * rows)), Signal(READ_SLOT_BITS)
        m.d.sync += [
            across.eq(Mux(conv.stride2, 2 * (rows - 1), rows - 1)),
            down.eq((conv.kernel - 1) * (conv.in_w + 1)),
        ]
        m.submodules.image = image = ImageWait()
        first = Signal.like(image.first)
        m.d.sync += first.eq(first_origin + across + down - slot_offset(self._config.banks))
        m.d.comb += [
            image.first.eq(first),
            image.tile_step.eq(tile_step),
            image.row_step.eq(row_step),
            image.restart.eq(restart),
            image.advance.eq(self.tile_end),
            image.row_end.eq(conv.row_aligned & row_end),
            image.slots.eq(self.image_slots),
            image_here.eq(self.image_done | ~conv.mac | image.here),
        ]
        with m.If(self.issue & last_x):
            m.d.sync += tap_row.eq(Mux(self.tile_end, 0, tap_row + conv.in_w))
        with m.If(self.tile_end):
            with m.If(conv.row_aligned & row_end):
                next_row = row_origin + row_step
                m.d.sync += [origin.eq(next_row), row_origin.eq(next_row)]
                m.d.sync += [out_slot.eq(out_row + conv.out_w), out_row.eq(out_row + conv.out_w)]
            with m.Else():
                m.d.sync += [
                    origin.eq(origin + tile_step),
                    out_slot.eq(out_slot + rows),
                ]
        with m.If(restart):
            m.d.sync += [
                origin.eq(first_origin),
                row_origin.eq(first_origin),
                out_slot.eq(0),
                out_row.eq(0),
            ]
        return slot, out_slot
