"""Starts the accelerator again and again on what is in memory, counts, and compares the runs' signatures."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

PAUSE = 3
"""Least cycles from a run's `done` to the next start: the last result word has passed the keeper's register."""
CYCLES_BITS = 48


class Repeater(wiring.Component):
    """From the host's RUN to the end of its last run.

    Members: `begin` In, pulse, with `runs` In, at least 1: starts the first run in the same cycle; `cancel` In: the
    accelerator is reset. `busy`, `done`, `error` In: the accelerator's. `signed` In, pulse, with `signed_value` In: a
    signature of a layer or of the logits of the run under way. `start` Out: a run begins, the kept results are to be
    cleared. `running` Out: from the cycle after the first start to the last done, also between runs. `ended` Out,
    pulse: the results are there. `failed` Out: the last run ended with an error; `different` Out: a run's sum of
    signatures was not that of the run before. Both end the repetition. `tally` Out: runs that are over without an
    error; `cycles` Out: in which `running` was 1.
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
                "cycles": Out(CYCLES_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        left = Signal(32)  # runs after this one
        again, pause = Signal(), Signal(range(PAUSE + 1))
        total, before = Signal(32), Signal(32)
        unlike = Signal()
        m.d.comb += unlike.eq((self.tally != 0) & (total != before) & ~self.error)
        m.d.sync += [
            self.cycles.eq(self.cycles + self.running),
            pause.eq(Mux(pause != 0, pause - 1, 0)),
        ]
        # The order of a run's records may differ, their sum does not.
        with m.If(self.signed):
            m.d.sync += total.eq(total + self.signed_value)
        with m.If(self.running & self.done):
            m.d.sync += [before.eq(total), self.tally.eq(self.tally + ~self.error)]
            with m.If(self.error | unlike | (left == 0)):
                m.d.comb += self.ended.eq(1)
                m.d.sync += [
                    self.running.eq(0),
                    self.failed.eq(self.error),
                    self.different.eq(unlike),
                ]
            with m.Else():
                m.d.sync += [again.eq(1), pause.eq(PAUSE), left.eq(left - 1)]
        with m.If(again & (pause == 0) & ~self.busy):
            m.d.comb += self.start.eq(1)
            m.d.sync += [again.eq(0), total.eq(0)]
        with m.If(self.begin):
            m.d.comb += self.start.eq(1)
            m.d.sync += [
                self.running.eq(1),
                left.eq(self.runs - 1),
                self.tally.eq(0),
                self.cycles.eq(0),
                total.eq(0),
                self.failed.eq(0),
                self.different.eq(0),
            ]
        with m.If(self.cancel):
            m.d.sync += [
                self.running.eq(0),
                again.eq(0),
                self.failed.eq(0),
                self.different.eq(0),
            ]
        return m
