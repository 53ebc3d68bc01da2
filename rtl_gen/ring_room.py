"""How many beats the loader may ask for: a ring's free room without what is on its way."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow.timing import BURST


class RingRoom(wiring.Component):
    """Counts one ring's beats from their request until its free room is sure to show them.

    Args:
        most: beats that the ring holds.

    Members: `free` In, beats; `claim` In: a request was made in the last cycle, for `beats`; `seen` In: `free` shows one
    more of them. `chosen` In: the next request may be for this ring. `room` Out, a register: free room that is not
    claimed, BURST at most, as of the last cycle, 0 if the ring was not chosen then: many are joined by an OR. `quiet` Out,
    a register: nothing is claimed but by this cycle's `claim`; `settled` Out: so it will be in the next cycle.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        super().__init__(
            {
                "free": In(range(most + 1)),
                "claim": In(1),
                "beats": In(range(BURST + 1)),
                "seen": In(1),
                "chosen": In(1),
                "room": Out(range(BURST + 1)),
                "quiet": Out(1, init=1),
                "settled": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        outstanding = Signal(range(self._most + 1))
        m.d.comb += self.settled.eq(~self.claim & (self.quiet | ((outstanding == 1) & self.seen)))
        m.d.sync += [
            outstanding.eq(outstanding + Mux(self.claim, self.beats, 0) - self.seen),
            self.quiet.eq(self.settled),
        ]
        # Beats that have just arrived are counted twice: in the outstanding ones, and as not free.
        left = self.free - outstanding
        low = BURST.bit_length() - 1
        with m.If(~self.chosen | left[-1]):
            m.d.sync += self.room.eq(0)
        with m.Elif(left[low:-1].any() if len(left) > low + 1 else Const(0)):
            m.d.sync += self.room.eq(BURST)
        with m.Else():
            m.d.sync += self.room.eq(left[:low])
        return m
