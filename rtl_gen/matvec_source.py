"""Runs an FC's matrix-vector steps on the MAC array and hands out its sums one by one."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hwflow import timing
from hwflow.config import AcceleratorConfig
from rtl_gen.delay import change
from rtl_gen.interfaces import GROUP_BITS, SUM_BITS, matvec_layout, matvec_result_layout
from rtl_gen.vector_memory import vector_words

STEP_BITS = 12

GROUPS_AHEAD = 2
"""Output groups begun and not yet handed out: one being handed out, one on the array or waiting."""


class MatvecSource(wiring.Component):
    """Output groups of C sums, in order, computed one group ahead of their use.

    A group begins when the 8-bit ring holds its `steps` words, half words unless `wide`, and fewer than two groups are
    unfinished. Its steps are issued in consecutive cycles: vector word, one cycle later the operands on `matvec`.

    Members: `start` begins `groups` groups of `steps` steps, of 8-bit (`wide`) or 4-bit weights (all held until the next
    start); `read_word` to the vector memory, `read_data` from it; `matvec`, `level`, `result` the MAC array; `valid`,
    `sum` the next output's sum; `take`, which means nothing while there is none, removes it, `group_end` with it also
    drops the group's other sums.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__(
            {
                "start": In(1),
                "groups": In(GROUP_BITS),
                "steps": In(STEP_BITS),
                "wide": In(1),
                "read_word": Out(range(vector_words(config))),
                "read_data": In(data.ArrayLayout(signed(8), config.fc_inputs)),
                "matvec": Out(matvec_layout(config)),
                "level": In(range(2 * config.mac_words + 1)),
                "result": In(matvec_result_layout(config)),
                "valid": Out(1),
                "sum": Out(signed(SUM_BITS)),
                "take": In(1),
                "group_end": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        finished = Signal()
        m.d.comb += finished.eq(self.take & self.group_end & self.valid)

        # A group can begin as soon as the ring holds its words: all else is known a cycle ahead.
        needed = Signal.like(self.level)
        groups_left, more = Signal(GROUP_BITS), Signal()
        ahead = Signal(range(GROUPS_AHEAD + 1))
        guard, guarded = Signal(range(timing.matvec_release_latency() + 1)), Signal()
        issuing = Signal()
        step, steps_left = Signal(STEP_BITS), Signal(STEP_BITS)
        last_step = Signal()
        begin = Signal()
        m.d.comb += [
            begin.eq(~issuing & more & (ahead != GROUPS_AHEAD) & ~guarded & (self.level >= needed)),
            self.read_word.eq(step),
        ]
        m.d.sync += [
            needed.eq(self.steps << self.wide),
            ahead.eq(ahead + change(begin, finished)),
        ]
        with m.If(self.start):
            m.d.sync += [groups_left.eq(self.groups), more.eq(self.groups != 0)]
        with m.Elif(begin):
            m.d.sync += [
                issuing.eq(1),
                groups_left.eq(groups_left - 1),
                more.eq(groups_left != 1),
                steps_left.eq(self.steps),
                last_step.eq(self.steps == 1),
            ]
        with m.If(guarded):
            m.d.sync += [guard.eq(guard - 1), guarded.eq(guard != 1)]
        with m.If(issuing):
            m.d.sync += [
                step.eq(step + 1),
                steps_left.eq(steps_left - 1),
                last_step.eq(steps_left == 2),
            ]
            with m.If(last_step):
                m.d.sync += [
                    issuing.eq(0),
                    step.eq(0),
                    guard.eq(timing.matvec_release_latency()),
                    guarded.eq(1),
                ]

        # The memory's read register holds the operands of the step issued in the cycle before.
        controls = {
            "valid": issuing,
            "last": last_step,
            "release": issuing & last_step,
            "narrow": ~self.wide,
            "word": step,
        }
        for name, value in controls.items():
            registered = Signal.like(Value.cast(self.matvec[name]), name=f"matvec_{name}")
            m.d.sync += registered.eq(value)
            m.d.comb += self.matvec[name].eq(registered)
        m.d.comb += self.matvec.operands.eq(self.read_data)

        self._elaborate_buffers(m, finished)
        return m

    def _elaborate_buffers(self, m: Module, finished: Signal) -> None:
        """Two result buffers: `waiting` takes the array's sums, those of `current` are taken one by one."""
        cols = self._config.cols
        bits = SUM_BITS * cols
        waiting, current = Signal(bits), Signal(bits)
        waiting_valid = Signal()
        column = Signal(range(cols))
        m.d.comb += self.sum.eq(current.word_select(column, SUM_BITS).as_signed())
        with m.If(self.take):
            m.d.sync += column.eq(Mux(self.group_end, 0, column + 1))
        with m.If(self.start):
            m.d.sync += column.eq(0)
        with m.If(finished):
            m.d.sync += self.valid.eq(0)
        with m.If(waiting_valid & (~self.valid | finished)):
            m.d.sync += [current.eq(waiting), self.valid.eq(1), waiting_valid.eq(0)]
        with m.If(self.result.valid):
            m.d.sync += [waiting.eq(self.result.sums), waiting_valid.eq(1)]
