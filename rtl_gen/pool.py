"""The 3x3 mean with stride 2 of a stored tensor, G pixels a cycle in raster order (docs/numerics.md, shortcuts).

A window's sum grows first along x, over neighbouring lanes, then along y: its row sums so far lie in a line
memory, at the place of the pixel that closes it along x. Window p covers rows 2p..2p+2 counted from the
padding, so an even row closes one window with what the memory holds and starts the next, an odd one adds.
"""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from hwflow.numerics import POOL_RECIPROCAL, RECIPROCAL_SHIFT
from rtl_gen.delay import delayed
from rtl_gen.interfaces import GROUP_BITS, ROW_BITS, SLOT_BITS
from rtl_gen.lane import saturated
from rtl_gen.pool_position import PoolPosition
from rtl_gen.residual_memory import rotate

_LOW_BITS = 17
"""Bits of a sum of nine that a multiplier of 18 signed bits takes."""


def windows(config: AcceleratorConfig) -> int:
    """Most windows that G consecutive pixels complete: every second one, and one more at a row's end.

    Where several rows end in a group, only every second row, and the last, completes windows.
    """
    return 1 if config.pixel_lanes == 1 else config.pixel_lanes // 2 + 1


@dataclass(frozen=True)
class _Pitch:
    """How far the row above lies back in the line memory, constant in a layer.

    places: for each bank; one: they are one place; inside: bank b's pixel of the same group is above, instead of a word;
    rotation: lanes from a pixel's lane up to that of the pixel below it; narrow: a group may hold both.
    """

    places: list[Signal]
    one: list[Signal]
    inside: Signal
    rotation: Signal
    narrow: Signal


class Pool(wiring.Component):
    """Takes G pixels of C channels a cycle, for maps of any width; restarts by itself at each channel group.

    Ports:
        clear: starts a layer. width, height of the tensor; top, left: padding; groups: of the pooled tensor.
        row_aligned: every row starts a new group; else only the tensor does.
        valid, mask: the pixel groups of channel group 0 in slot order, then those of group 1, ...
            Pixels fill the lanes from lane 0 on; a group with a few only ends a row.
        elements: theirs, `AHEAD` cycles later, when it is known where they lie.
        mean_mask, means: `timing.pool_unit_latency` after the elements the pooled pixels slot, slot + 1, ... of channel
            group cg, from lane 0 on; row: row - base in the pool memory of the first one.
    """

    AHEAD = 1

    clear: Signal
    width: Signal
    height: Signal
    top: Signal
    left: Signal
    groups: Signal
    row_aligned: Signal
    valid: Signal
    mask: Signal
    mean_mask: Signal
    slot: Signal
    cg: Signal
    row: Signal

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        self.cols, self.lanes, self.windows = config.cols, config.pixel_lanes, windows(config)
        self.bits = config.residual_bits
        self.six_bits = self.bits + 3
        self.lane_bits = (self.lanes - 1).bit_length()
        # With one lane only the pixels that close a window take a place in the line memory.
        places = -(-config.line_pixels // max(self.lanes, 2))
        self.depth = 1 << (max(places, 2) - 1).bit_length()
        super().__init__(
            {
                "clear": In(1),
                "width": In(9),
                "height": In(9),
                "top": In(1),
                "left": In(1),
                "groups": In(GROUP_BITS),
                "row_aligned": In(1),
                "valid": In(1),
                "mask": In(self.lanes),
                "elements": In(data.ArrayLayout(signed(self.bits), config.vector_lanes)),
                "mean_mask": Out(self.windows),
                "means": Out(data.ArrayLayout(signed(self.bits), self.windows * self.cols)),
                "slot": Out(SLOT_BITS),
                "cg": Out(GROUP_BITS),
                "row": Out(ROW_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Stage 1 closes windows along x, stage 2 along y, with several lanes stage 3 gathers them; two divide."""
        m = Module()
        m.submodules.position = position = PoolPosition(self.config)
        m.d.comb += [
            position.clear.eq(self.clear),
            position.width.eq(self.width),
            position.height.eq(self.height),
            position.top.eq(self.top),
            position.left.eq(self.left),
            position.valid.eq(self.valid),
            position.mask.eq(self.mask),
        ]
        # Element n belongs to stage n: the position's flags are there with the elements, in stage 0.
        taken = delayed(m, self.valid & self.mask[0], self.AHEAD + 1, "taken")[self.AHEAD :]
        first_y, odd_y, closed, emit_y, final = (
            delayed(m, value, 1, name)[1]
            for value, name in (
                (position.first_y, "first_y"),
                (position.odd_y, "odd_y"),
                (position.closed, "closed"),
                (position.emit_y, "emit_y"),
                (position.final, "final"),
            )
        )
        emitted = Signal(self.lanes)
        m.d.comb += emitted.eq(closed & emit_y)

        pitch = self._pitch(m)
        threes = self._across(m, position, taken[0])
        if self.lanes == 1:
            before, kept = self._line(m, pitch, threes, position.closed, closed)
        else:
            before, kept = self._line(m, pitch, threes, *taken)
        totals: list[Signal] = []
        for at, three in enumerate(threes):
            lane = at // self.cols
            total = Signal(signed(self.bits + 4), name=f"total_{at}")
            m.d.comb += [
                total.eq(three + Mux(first_y[lane], 0, before[at])),
                kept[at].eq(Mux(odd_y[lane], total, three)[: self.six_bits]),
            ]
            totals.append(total)
        if self.lanes == 1:
            nines: list[Value] = [*totals]
            count = emitted
        else:
            middle = odd_y & ~first_y
            nines = self._gather(m, pitch, totals, before, middle, emitted)
            count = Signal(range(self.windows + 1))
            m.d.sync += count.eq(sum((flag for flag in emitted), start=Const(0)))
            final = delayed(m, final, 1, "final_gathered")[1]
        self._divide(m, nines)
        self._addresses(m, count, final)
        return m

    def _across(self, m: Module, position: PoolPosition, taken: Value) -> list[Signal]:
        """Each pixel's sum of a window's row so far, one cycle later.

        With a middle pixel the window holds two, with one that closes it the pair before and itself. What
        the next group's first pixel needs of it is carried over.
        """
        threes: list[Signal] = []
        for channel in range(self.cols):
            carry = Signal(signed(self.bits + 1), name=f"carry_{channel}", reset_less=True)
            pixel, pair, across = Const(0), carry, carry
            for lane in range(self.lanes):
                at = lane * self.cols + channel
                pixel_before, pixel = pixel, self.elements[at]
                first, odd = position.first_x[lane], position.odd_x[lane]
                across = Signal(signed(self.bits + 2), name=f"across_{at}")
                # The carried value is already the one that the first lane's parity asks for.
                other = carry if lane == 0 else Mux(odd, pixel_before, pair)
                m.d.comb += across.eq(pixel + Mux(first, 0, other))
                pair = across[: self.bits + 1].as_signed()
                if 0 < lane < self.lanes - 1:
                    two = Signal(signed(self.bits + 1), name=f"two_{at}")
                    m.d.comb += two.eq(pixel + Mux(first, 0, pixel_before))
                    pair = two
                three = Signal(signed(self.bits + 2), name=f"three_{at}", reset_less=True)
                m.d.sync += three.eq(across)
                threes.append(three)
            with m.If(taken):
                m.d.sync += carry.eq(Mux(position.odd_x[-1], across, pixel))
        return [
            threes[c * self.lanes + lane] for lane in range(self.lanes) for c in range(self.cols)
        ]

    def _pitch(self, m: Module) -> _Pitch:
        """A row's words in the line memory, divided by G: places, and lanes that remain."""
        address = self.depth.bit_length() - 1
        pitch = _Pitch(
            [Signal(address, name=f"places_{bank}") for bank in range(self.lanes)],
            [Signal(name=f"one_place_{bank}") for bank in range(self.lanes)],
            Signal(self.lanes, name="inside"),
            Signal(self.lane_bits, name="rotation"),
            Signal(name="narrow"),
        )
        m.d.sync += [one.eq(n == 1) for one, n in zip(pitch.one, pitch.places, strict=True)]
        if self.lanes == 1:
            m.d.sync += pitch.places[0].eq((self.width + self.left) >> 1)
            return pitch
        rest = Signal(self.lane_bits)
        places = Signal(len(self.width))
        m.d.comb += [
            rest.eq(Mux(self.row_aligned, 0, self.width)),
            places.eq((self.width + Mux(self.row_aligned, self.lanes - 1, 0)) >> self.lane_bits),
        ]
        m.d.sync += [pitch.rotation.eq(rest), pitch.narrow.eq(places == 0)]
        for bank in range(self.lanes):
            beyond = Signal(name=f"beyond_{bank}")
            m.d.comb += beyond.eq(rest + bank >= self.lanes)
            m.d.sync += [
                pitch.places[bank].eq(places + beyond),
                pitch.inside[bank].eq((places == 0) & ~beyond),
            ]
        return pitch

    def _line(
        self, m: Module, pitch: _Pitch, threes: list[Signal], advance: Value, write_enable: Value
    ) -> tuple[list[Value], list[Signal]]:
        """The sums kept at the pixels above, and those that the caller keeps for the row below.

        A group takes a place of G words, one a lane, in a ring. So the row above lies a number of places
        back that is constant for each bank, and its words need a constant rotation. What a narrow map has
        above in the same group is an even row, of which the sums along x are kept.
        """
        place, place_next = Signal(range(self.depth)), Signal(range(self.depth))
        following = (place + advance)[: len(place)]
        m.d.sync += [place.eq(following), place_next.eq(place)]
        kept = [Signal(self.six_bits, name=f"kept_{at}") for at in range(len(threes))]
        word = self.cols * self.six_bits
        banks: list[Value] = []
        for bank in range(self.lanes):
            memory = Memory(shape=unsigned(word), depth=self.depth, init=[])
            m.submodules[f"line_{bank}"] = memory
            write = memory.write_port()
            read = memory.read_port()
            lane = slice(bank * self.cols, (bank + 1) * self.cols)
            above_place = Signal.like(place, name=f"above_place_{bank}")
            m.d.sync += above_place.eq(following - pitch.places[bank])
            m.d.comb += [
                read.addr.eq(above_place),
                read.en.eq(1),
                write.addr.eq(place_next),
                write.data.eq(Cat(*kept[lane])),
                write.en.eq(write_enable),
            ]
            # What is one place back may just be on its way into the memory.
            latest = Signal(word, name=f"latest_{bank}", reset_less=True)
            with m.If(write_enable):
                m.d.sync += latest.eq(write.data)
            found = Mux(pitch.one[bank], latest, read.data)
            own = Cat(*(Cat(three, three[-1]) for three in threes[lane]))
            banks.append(Mux(pitch.inside[bank], own, found) if self.lanes > 1 else found)
        words = Cat(*banks)
        above = rotate(m, words, pitch.rotation, word, "above") if self.lanes > 1 else words
        return [above.word_select(at, self.six_bits).as_signed() for at in range(len(threes))], kept

    def _gather(
        self,
        m: Module,
        pitch: _Pitch,
        totals: list[Signal],
        before: list[Value],
        middle: Value,
        emitted: Value,
    ) -> list[Value]:
        """The complete windows' sums in the first lanes, one cycle later.

        With three rows of a narrow map in one group a window's first row is above its second, not above
        its last: what `middle` lanes had above is added to the lane below them, too.
        """
        chosen: list[Signal] = []
        for window in range(self.windows):
            choice = Signal(self.lanes, name=f"choice_{window}")
            for lane in range(self.lanes):
                earlier = sum((flag for flag in emitted[:lane]), start=Const(0))
                m.d.sync += choice[lane].eq(emitted[lane] & (earlier == window))
            chosen.append(choice)
        nines: list[list[Value]] = []
        for channel in range(self.cols):
            through: list[Signal] = []
            sums: list[Signal] = []
            for lane in range(self.lanes):
                at = lane * self.cols + channel
                total = Signal(signed(self.bits + 4), name=f"total_next_{at}", reset_less=True)
                m.d.sync += total.eq(totals[at])
                second_above: Value = Const(0)
                for distance in range(1, lane + 1):
                    at_distance = pitch.rotation == distance
                    second_above = Mux(at_distance, through[lane - distance], second_above)
                nine = Signal(signed(self.bits + 4), name=f"nine_lane_{at}")
                m.d.comb += nine.eq(total + second_above)
                sums.append(nine)
                if lane < self.lanes - 1:
                    passed = Signal(signed(self.six_bits), name=f"through_{at}", reset_less=True)
                    m.d.sync += passed.eq(Mux(pitch.narrow & middle[lane], before[at], 0))
                    through.append(passed)
            nines.append([_selected(choice, sums) for choice in chosen])
        return [nines[channel][w] for w in range(self.windows) for channel in range(self.cols)]

    def _divide(self, m: Module, nines: list[Value]) -> None:
        """By nine, as a product with its reciprocal, rounded and saturated: three registers."""
        # The half is a whole number of steps of the high bits only from bit 14 on.
        width = max(self.bits + 4, RECIPROCAL_SHIFT)
        low_bits = min(_LOW_BITS, width - 1)
        high_bits = width - low_bits
        product_bits = width + POOL_RECIPROCAL.bit_length()
        for at, value in enumerate(nines):
            nine = Signal(signed(width), name=f"nine_{at}", reset_less=True)
            # A multiplier for the low bits, a table for the high ones and for the half that rounds, in units of it.
            low = Signal(low_bits + POOL_RECIPROCAL.bit_length(), name=f"low_{at}")
            high = Signal(signed(product_bits + 1 - (RECIPROCAL_SHIFT - 1)), name=f"high_{at}")
            rounded = Signal(signed(product_bits + 1 - RECIPROCAL_SHIFT), name=f"rounded_{at}")
            m.d.comb += rounded.eq(((low >> (RECIPROCAL_SHIFT - 1)) + high) >> 1)
            m.d.sync += [
                nine.eq(value),
                low.eq(nine[:low_bits] * POOL_RECIPROCAL),
                self.means[at].eq(saturated(rounded, self.bits)),
            ]
            with m.Switch(nine[low_bits:]):
                for bits in range(1 << high_bits):
                    signed_bits = bits - (bits >> (high_bits - 1) << high_bits)
                    with m.Case(bits):
                        scaled = signed_bits * POOL_RECIPROCAL << (low_bits - RECIPROCAL_SHIFT + 1)
                        m.d.sync += high.eq(scaled + 1)

    def _addresses(self, m: Module, count: Value, final: Value) -> None:
        """Slot, channel group and row of the means, counted one stage before they are there."""
        counts, finals = delayed(m, count, 2, "count"), delayed(m, final, 2, "finals")
        slot, cg, row = Signal(SLOT_BITS), Signal(GROUP_BITS), Signal(ROW_BITS)
        m.d.sync += [
            self.mean_mask.eq(Cat(*(counts[2] > window for window in range(self.windows)))),
            self.slot.eq(slot),
            self.cg.eq(cg),
            self.row.eq(row),
        ]
        crossed = (slot[: self.lane_bits] + counts[2]) >> self.lane_bits
        with m.If(self.clear):
            m.d.sync += [slot.eq(0), cg.eq(0), row.eq(0)]
        with m.Elif(finals[2]):
            m.d.sync += [slot.eq(0), cg.eq(cg + 1), row.eq(cg + 1)]
        with m.Else():
            m.d.sync += slot.eq(slot + counts[2])
            with m.If(crossed != 0):
                m.d.sync += row.eq(row + self.groups)


def _selected(choice: Value, values: list[Signal]) -> Value:
    """The value whose bit of `choice` is set."""
    result: Value = Const(0, len(values[0]))
    for at, value in enumerate(values):
        result = result | (value.as_unsigned() & choice[at].replicate(len(value)))
    return result.as_signed()
