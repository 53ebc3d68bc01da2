"""A frame from the `start` of software to the last result in memory, and its reset."""

from __future__ import annotations

import enum

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow.registers import by_name
from rtl_gen.axi.control import layout

STATUS = layout(by_name()["STATUS"])
CONTROL = layout(by_name()["CONTROL"])
INTERRUPTS = layout(by_name()["IRQ_STATUS"])


class State(enum.Enum):
    """Of a frame."""

    IDLE = 0
    START = 1
    RUN = 2
    FLUSH = 3  # the last results are on their way to memory
    SETTLE = 4  # software knows of the end, the memory still owes answers
    ABANDON = 5


class FrameControl(wiring.Component):
    """Runs the accelerator once per `control.start`, and keeps STATUS, the interrupts' causes and the counters.

    Members: `control` In, pulses; `status`, `interrupts` (pulses) Out; `cycles` Out 64, `frames`, `frames_failed` Out
    32. `latch` Out: in this cycle the addresses of the frame are taken, it begins in the next. Accelerator: `start` Out,
    `busy`, `done`, `error` In; `abandon` Out holds it and the results in reset, while what the memory owes is dropped.
    Memory: `quiet` In: it owes nothing; `read_failed`, `write_failed`, `result_failed`, `overflow` In pulses; `lenient`
    Out: the run is over with an error, so writes that failed count as done. Results: `flush` Out: no word will come;
    `results_idle` In.
    """

    def __init__(self) -> None:
        pulses = ("read_failed", "write_failed", "result_failed", "overflow")
        super().__init__(
            {
                "control": In(CONTROL),
                "status": Out(STATUS),
                "interrupts": Out(INTERRUPTS),
                "cycles": Out(64),
                "frames": Out(32),
                "frames_failed": Out(32),
                "latch": Out(1),
                "start": Out(1),
                "busy": In(1),
                "done": In(1),
                "error": In(1),
                "abandon": Out(1),
                "quiet": In(1),
                **{name: In(1) for name in pulses},
                "lenient": Out(1),
                "flush": Out(1),
                "results_idle": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The states of a frame, the sticky bits."""
        m = Module()
        control, status = self.control, self.status
        finished, counting, failed = Signal(), Signal(), Signal()
        state, was_abandoned = Signal(State), Signal()
        m.d.comb += [
            failed.eq(
                status.error | status.write_error | status.result_error | status.result_overflow
            ),
            self.latch.eq((state == State.IDLE) & control.start & ~control.reset),
            self.start.eq((state == State.START) & ~self.busy),
            self.flush.eq(state == State.FLUSH),
            self.abandon.eq(state == State.ABANDON),
            finished.eq(self.flush & self.results_idle & ~control.reset),
            counting.eq(self.start | (state == State.RUN) | self.flush),
            status.busy.eq(state != State.IDLE),
            status.resetting.eq(self.abandon),
        ]
        m.d.sync += [
            was_abandoned.eq(self.abandon),
            self.lenient.eq(self.lenient & ~self.latch & ~self.abandon | self.error),
        ]
        with m.Switch(state):
            with m.Case(State.IDLE), m.If(self.latch):
                m.d.sync += state.eq(State.START)
            with m.Case(State.START), m.If(~self.busy):
                m.d.sync += state.eq(State.RUN)
            with m.Case(State.RUN), m.If(self.done):
                m.d.sync += state.eq(State.FLUSH)
            with m.Case(State.FLUSH), m.If(finished):
                m.d.sync += state.eq(State.SETTLE)
            with m.Case(State.SETTLE), m.If(~self.busy & self.quiet):
                m.d.sync += state.eq(State.IDLE)
            # What the accelerator still hands over in the first cycle of its reset shows in the second.
            with m.Case(State.ABANDON), m.If(self.quiet & was_abandoned):
                m.d.sync += state.eq(State.IDLE)
        with m.If(control.reset):
            m.d.sync += state.eq(State.ABANDON)

        forget = self.latch | control.clear | control.reset
        for name, event in (
            ("done", finished),
            ("error", self.error),
            ("read_error", self.read_failed),
            ("write_error", self.write_failed),
            ("result_error", self.result_failed),
            ("result_overflow", self.overflow),
            ("start_ignored", control.start & ~self.latch),
        ):
            m.d.sync += status[name].eq(status[name] & ~forget | event)
        m.d.comb += [
            self.interrupts.done.eq(finished),
            self.interrupts.error.eq(
                self.error | self.write_failed | self.result_failed | self.overflow
            ),
        ]
        with m.If(self.latch):
            m.d.sync += self.cycles.eq(0)
        with m.Elif(counting):
            m.d.sync += self.cycles.eq(self.cycles + 1)
        with m.If((control.reset & counting) | (finished & failed)):
            m.d.sync += self.frames_failed.eq(self.frames_failed + 1)
        with m.Elif(finished):
            m.d.sync += self.frames.eq(self.frames + 1)
        return m
