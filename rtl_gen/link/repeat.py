"""Starts the accelerator again and again on what is in memory, counts, and compares the runs' signatures."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.delay import delayed

PAUSE = 3
"""Least cycles between a run's `done` and the next start: the last result word has passed the keeper's registers."""
DECISION = 2
"""Cycles of these that pass before the repeater knows of `done`, and after it decides to start: both are registers."""
SETTLED = 2
"""Cycles from the last `done` that the repeater knows of until all results can be read."""
CYCLES_BITS = 48


class Repeater(wiring.Component):
    """From the host's RUN to the end of its last run.

    Members: `begin` In, pulse, with `runs` In, at least 1: starts the first run; `cancel` In: the accelerator is reset.
    `busy`, `done`, `error` In: the accelerator's. `signed` In, pulse, with `signed_value` In: a signature of a layer or of
    the logits of the run under way. `start` Out, a register: a run begins, the kept results are to be cleared.
    `running` Out: from the cycle after `begin` until the results can be read, also between runs. `ended` Out, pulse, in
    its last cycle. `failed` Out: the last run ended with an error; `different` Out: a run's sum of signatures was not
    that of the run before. Both end the repetition. `tally` Out: runs that are over without an error; `marker` Out: 1 as
    many cycles as there are from the first start to the last done; `cycles` Out: how many.
    """

    begin: Signal
    runs: Signal
    cancel: Signal
    busy: Signal
    done: Signal
    error: Signal
    signed: Signal
    signed_value: Signal
    start: Signal
    running: Signal
    ended: Signal
    failed: Signal
    different: Signal
    tally: Signal
    marker: Signal
    cycles: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "begin": In(1),
                "runs": In(32),
                "cancel": In(1),
                "busy": In(1),
                "done": In(1),
                "error": In(1),
                "signed": In(1),
                "signed_value": In(32),
                "start": Out(1),
                "running": Out(1),
                "ended": Out(1),
                "failed": Out(1),
                "different": Out(1),
                "tally": Out(32),
                "marker": Out(1),
                "cycles": Out(CYCLES_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        left, last = Signal(32), Signal()  # runs after this one; there is none
        open_, over = Signal(), Signal()  # runs are under way; the last one ends
        again, pause, paused = Signal(), Signal(range(PAUSE + 1)), Signal()
        total, before = Signal(32), Signal(32)
        done, error = Signal(), Signal()
        later, differs, unlike = Signal(), Signal(), Signal()
        go = Signal()
        m.d.comb += [
            unlike.eq(later & differs & ~error),
            go.eq(self.begin | (again & ~paused & ~self.busy)),
        ]
        # All of a run's signatures are there long before its end.
        m.d.sync += [
            done.eq(self.done),
            error.eq(self.error),
            later.eq(self.tally != 0),
            differs.eq(total != before),
            last.eq(left == 0),
            pause.eq(Mux(pause != 0, pause - 1, 0)),
            paused.eq(pause > 1),
            self.start.eq(go),
        ]
        open_before = delayed(m, open_, SETTLED, "open")
        over_before = delayed(m, over, SETTLED, "over")
        m.d.comb += [
            self.running.eq(Cat(open_before).any()),
            self.ended.eq(over_before[-1]),
            # `start` comes a cycle after `open_`, and `done` is known a cycle late.
            self.marker.eq(open_ & open_before[2]),
        ]
        m.d.sync += self.cycles.eq(self.cycles + self.marker)
        # The order of a run's records may differ, their sum does not.
        with m.If(self.signed):
            m.d.sync += total.eq(total + self.signed_value)
        with m.If(go):
            m.d.sync += again.eq(0)
        with m.If(self.start):
            m.d.sync += total.eq(0)
        with m.If(open_ & done):
            m.d.sync += [before.eq(total), self.tally.eq(self.tally + ~error)]
            with m.If(error | unlike | last):
                m.d.comb += over.eq(1)
                m.d.sync += [open_.eq(0), self.failed.eq(error), self.different.eq(unlike)]
            with m.Else():
                m.d.sync += [again.eq(1), pause.eq(PAUSE - DECISION), left.eq(left - 1)]
                m.d.sync += paused.eq(PAUSE > DECISION)
        with m.If(self.begin):
            m.d.sync += [
                open_.eq(1),
                left.eq(self.runs - 1),
                self.tally.eq(0),
                self.cycles.eq(0),
                self.failed.eq(0),
                self.different.eq(0),
            ]
        with m.If(self.cancel):
            m.d.sync += [open_.eq(0), again.eq(0), self.failed.eq(0), self.different.eq(0)]
        return m
