"""Issues the steps of a CONV: channel groups, tiles, taps, words; one step a cycle unless something is missing."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from hwflow import isa
from hwflow.config import AcceleratorConfig
from rtl_gen.bank_division import READ_SLOT_BITS
from rtl_gen.interfaces import CONV, GROUP_BITS, SLOT_BITS
from rtl_gen.row_coordinates import RowCoordinates
from rtl_gen.tile_slots import TileSlots

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
        level: In, words (half words with `mac`) in the ring that serves `current`; arriving: In: one more is written.
        scale_available: In.
        image_slots, image_grown, image_done: In: slots of the image that are written, whether that is one more than in the
            cycle before, whether all are.
        stream_ready: In: the streams to and from external memory are ready for the next tile. tile_claim: Out: it is issued.
        claim: Out: the first step of a group is issued (words claimed, scale token taken).
        issue: Out: a step is issued; issue_binary, issue_mac: Out, for one of the arrays. of_tile_end, of_group_end: Out,
            early: the step that is next is its tile's, its group's last. tile_end, group_end: Out: it is issued.
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
                "level": In(17),
                "arriving": In(1),
                "scale_available": In(1),
                "image_slots": In(SLOT_BITS),
                "image_grown": In(1),
                "image_done": In(1),
                "stream_ready": In(1),
                "tile_claim": Out(1),
                "claim": Out(1),
                "issue": Out(1),
                "issue_binary": Out(1),
                "issue_mac": Out(1),
                "of_tile_end": Out(1),
                "of_group_end": Out(1),
                "tile_end": Out(1),
                "group_end": Out(1),
                "step": Out(STEP),
                "pixels": Out(config.rows),
                "unmasked": Out(config.rows),
                "status": Out(STATUS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Control, then counters, then slots.

        Whether a step is issued is known late in a cycle. It says when registers load, and which of two decisions that
        are ready is the next cycle's; what they load depends only on where the counters are. The set-up ends as if a
        group's last step were issued, so that nothing has to be told apart from the begin of another group.
        """
        m = Module()
        conv = self.current
        m.submodules.coordinates = coordinates = RowCoordinates(self._config)
        setup = Signal()
        move = Signal()  # a step is issued, or the set-up ends
        last_x, last_y = Signal(), Signal()
        last_tile, last_group = Signal(), Signal()
        image_here = Signal()
        m.d.comb += [
            self.of_tile_end.eq(last_y),
            self.tile_end.eq(self.issue & last_y),
            self.group_end.eq(self.issue & self.of_group_end),
        ]
        of_line_end, of_layer_end = Signal(), Signal()  # as `of_tile_end`
        first_step = self._control(m, setup, move, of_layer_end, image_here)

        word = Signal(10)
        dx, dy = Signal(3), Signal(3)
        cg = Signal(GROUP_BITS)
        # Whether each counter is at its last value is known from the cycle on in which it is; so is where they all are.
        last_word, last_dx, last_dy = Signal(), Signal(), Signal()
        counters = (
            (word, conv.words, last_word, move, last_word),
            (dx, conv.kernel, last_dx, move & last_word, last_dx),
            (dy, conv.kernel, last_dy, move & last_x, last_dy),
            (cg, conv.groups, last_group, move & self.of_group_end, Const(0)),
        )
        next_lasts: list[Value] = []
        for counter, count, at_last, step, wrap in counters:
            one, two, before = (
                Signal(name=f"{n}_{counter.name}") for n in ("one", "two", "before")
            )
            third = Signal.like(counter, name=f"last_but_two_{counter.name}")
            m.d.sync += [one.eq(count == 1), two.eq(count == 2), third.eq(count - 3)]
            next_lasts.append(Mux(wrap, one, before))
            with m.If(step):
                m.d.sync += [
                    counter.eq(Mux(wrap, 0, counter + 1)),
                    at_last.eq(next_lasts[-1]),
                    before.eq(Mux(wrap, two, counter == third)),
                ]
            with m.If(setup):
                m.d.sync += before.eq(one)
        # Nobody asks for a tile's number: what is left is counted, which compares with a constant.
        tiles_left = Signal(16)
        tiles_less, one_tile = Signal.like(tiles_left), Signal()
        m.d.sync += [tiles_less.eq(conv.tiles - 1), one_tile.eq(conv.tiles == 1)]
        next_tile = Mux(last_tile, one_tile, tiles_left == 1)
        with m.If(move & last_y):
            m.d.sync += [
                tiles_left.eq(Mux(last_tile, tiles_less, tiles_left - 1)),
                last_tile.eq(next_tile),
            ]
        next_word, next_dx, next_dy, next_cg = next_lasts
        next_x = next_word & Mux(last_word, next_dx, last_dx)
        next_y = next_x & Mux(last_x, next_dy, last_dy)
        next_end = next_y & Mux(last_y, next_tile, last_tile)
        next_line = next_y & Mux(last_y, coordinates.next_row_end, coordinates.row_end)
        with m.If(move):
            m.d.sync += [
                last_x.eq(next_x),
                last_y.eq(next_y),
                of_line_end.eq(next_end | next_line),
                self.of_group_end.eq(next_end),
                of_layer_end.eq(next_end & Mux(self.of_group_end, next_cg, last_group)),
            ]
        with m.If(setup):
            m.d.sync += Cat(last_word, last_dx, last_dy, last_x, last_y, last_tile).eq(~0)
            m.d.sync += [of_line_end.eq(1), self.of_group_end.eq(1), of_layer_end.eq(0)]
            m.d.sync += [cg.eq(~0), last_group.eq(0)]

        m.d.comb += [
            coordinates.conv.eq(conv),
            coordinates.setup.eq(setup),
            coordinates.advance.eq(move & last_y),
            coordinates.restart.eq(last_tile),
            coordinates.dx.eq(dx),
            coordinates.dy.eq(dy),
            self.pixels.eq(coordinates.pixels),
            self.unmasked.eq(coordinates.unmasked),
        ]
        tap_row = Signal(13)
        with m.If(move & last_x):
            m.d.sync += tap_row.eq(Mux(last_y, 0, tap_row + conv.in_w))
        m.submodules.slots = slots = TileSlots(self._config)
        m.d.comb += [
            slots.conv.eq(conv),
            slots.of_group.eq(last_tile),
            slots.of_row.eq(coordinates.row_end),
            slots.advance.eq(move & last_y),
            slots.line_end.eq(move & of_line_end),
            slots.needed.eq(conv.mac & ~setup),
            slots.image_slots.eq(self.image_slots),
            slots.image_grown.eq(self.image_grown),
            slots.image_done.eq(self.image_done),
            image_here.eq(slots.image_here),
        ]
        m.d.sync += [
            self.step.valid.eq(self.issue),
            self.step.first.eq(first_step),
            self.step.last.eq(last_y),
            self.step.last_word.eq(last_word),
            self.step.last_tile.eq(last_tile),
            self.step.last_group.eq(last_group),
            self.step.word.eq(word),
            self.step.slot.eq(slots.origin + tap_row + dx),
            self.step.cg.eq(cg),
            self.step.out_slot.eq(slots.out_slot),
        ]
        return m

    def _control(
        self, m: Module, setup: Signal, move: Signal, of_layer_end: Signal, image_here: Signal
    ) -> Signal:
        """States, stalls and the distance between tiles; whether the next step is its tile's first."""
        conv, status = self.current, self.status
        state = Signal(State)
        running, running_binary, running_mac = Signal(), Signal(), Signal()
        row = Signal(range(self._config.rows))
        last_row = Signal()
        wait = Signal(6)
        tile_start, group_start = Signal(), Signal()
        m.d.comb += [
            self.instruction.ready.eq(state == State.IDLE),
            last_row.eq(setup & (row == self._config.rows - 1)),
        ]
        with m.Switch(state):
            with m.Case(State.IDLE), m.If(self.instruction.valid):
                m.d.sync += [conv.eq(self.instruction.payload), row.eq(0)]
                m.d.sync += [state.eq(State.SETUP), setup.eq(1)]
            with m.Case(State.SETUP):
                m.d.comb += [status.setup.eq(1), status.start.eq(row == 0)]
                m.d.sync += row.eq(row + 1)
                with m.If(last_row):
                    m.d.sync += [state.eq(State.LOAD), setup.eq(0)]
            with m.Case(State.LOAD):
                m.d.comb += status.setup.eq(1)
                m.d.sync += [state.eq(State.RUN), running.eq(1)]
                m.d.sync += [running_binary.eq(~conv.mac), running_mac.eq(conv.mac)]
            with m.Case(State.RUN), m.If(move & of_layer_end):
                m.d.sync += state.eq(State.DRAIN)
                m.d.sync += Cat(running, running_binary, running_mac).eq(0)
            with m.Case(State.DRAIN):
                m.d.comb += [status.drain.eq(1), status.done.eq(self.finished)]
                with m.If(self.finished):
                    m.d.sync += state.eq(State.REPORT)
            with m.Case(State.REPORT), m.If(self.reported):
                m.d.sync += state.eq(State.IDLE)

        # What holds a step up, of what is known a cycle ahead: after a step that is issued now, and after none.
        enough, waited = self._ahead(m, move, wait, tile_start, group_start)
        free, free_next, free_same = Signal(), Signal(), Signal()
        m.d.comb += [
            free_next.eq(
                ~of_layer_end & ~(self.of_group_end & ~enough[1]) & ~(self.of_tile_end & ~waited[1])
            ),
            free_same.eq(
                last_row | (running & ~(group_start & ~enough[0]) & ~(tile_start & ~waited[0]))
            ),
            move.eq(
                free
                & image_here
                & (~group_start | self.scale_available)
                & (~tile_start | self.stream_ready)
            ),
            self.issue.eq(move & running),
            self.issue_binary.eq(move & running_binary),
            self.issue_mac.eq(move & running_mac),
            status.issue.eq(self.issue),
            self.claim.eq(move & group_start),
            self.tile_claim.eq(move & tile_start),
        ]
        m.d.sync += free.eq(Mux(move, free_next, free_same))
        with m.If(move):
            m.d.sync += [tile_start.eq(self.of_tile_end), group_start.eq(self.of_group_end)]
        with m.If(setup):
            m.d.sync += [tile_start.eq(0), group_start.eq(0)]

        # Why no step is issued: the first reason counts.
        weights, spaced = Signal(), Signal()
        m.d.sync += [
            weights.eq(Mux(move, enough[1], enough[0])),
            spaced.eq(Mux(move, waited[1], waited[0])),
        ]
        with m.If(running):
            with m.If((group_start & ~weights) | ~image_here):
                m.d.comb += status.stall_weights.eq(1)
            with m.Elif(group_start & ~self.scale_available):
                m.d.comb += status.stall_scale.eq(1)
            with m.Elif(tile_start & ~spaced):
                m.d.comb += status.stall_interval.eq(1)
            with m.Elif(tile_start & ~self.stream_ready):
                m.d.comb += status.stall_stream.eq(1)
        return tile_start

    def _ahead(
        self, m: Module, move: Signal, wait: Signal, tile_start: Signal, group_start: Signal
    ) -> tuple[list[Signal], list[Signal]]:
        """Of the next cycle, without and with a step issued in this one.

        Whether the ring holds a group's words, without what a group that begins now claims; whether the last tile is
        `interval` cycles ago.
        """
        conv = self.current
        enough = [Signal(name=f"enough_{n}") for n in range(2)]
        waited = [Signal(name=f"waited_{n}") for n in range(2)]
        # Constants of the layer: words of one group and of two, and the same but for one that is being written.
        holds: list[Signal] = []
        for groups in range(2):
            words = Signal(17 + groups, name=f"words_{groups}")
            but_one = Signal.like(words, name=f"but_one_{groups}")
            count = Mux(conv.mac, conv.weight_words << 1, conv.weight_words) << groups
            m.d.sync += [words.eq(count), but_one.eq(count - 1)]
            hold = Signal(name=f"hold_{groups}")
            m.d.comb += hold.eq(Mux(self.arriving, self.level >= but_one, self.level >= words))
            holds.append(hold)
        one, several = holds
        distance, back_to_back = Signal.like(wait), Signal()
        m.d.sync += [
            distance.eq(Mux(conv.interval == 0, 0, conv.interval - 1)),
            back_to_back.eq(conv.interval <= 1),
        ]
        with m.If(move & tile_start):
            m.d.sync += wait.eq(distance)
        with m.Elif(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        m.d.comb += [
            enough[0].eq(one),
            enough[1].eq(Mux(group_start, several, one)),
            waited[0].eq(wait <= 1),
            waited[1].eq(Mux(tile_start, back_to_back, wait <= 1)),
        ]
        return enough, waited
