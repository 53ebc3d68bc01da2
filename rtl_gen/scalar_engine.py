"""Executes the scalar queue: MEAN, FC, AFFINE and END, one after the other (docs/architecture.md)."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hwflow import isa, timing
from hwflow.config import AcceleratorConfig
from hwflow.numerics import SE_ONE
from rtl_gen.affine import AffineUnit
from rtl_gen.delay import delayed, successor
from rtl_gen.interfaces import (
    CHANNEL_BITS,
    CONSTANT_RECORD,
    CONSTANTS_WRITE,
    COUNTER_BITS,
    RESULT_WORD,
    SCALAR_BITS,
    SCALAR_TAP,
    SUM_BITS,
    fields_layout,
    matvec_layout,
    matvec_result_layout,
)
from rtl_gen.logit_signature import LogitSignature
from rtl_gen.matvec_source import MatvecSource
from rtl_gen.records import header
from rtl_gen.scalar_issue import COUNT_BITS, TOKEN_BITS, ScalarIssue
from rtl_gen.scalar_results import ScalarResults
from rtl_gen.scalar_unit import SHIFT_BITS, ScalarUnit
from rtl_gen.token_counter import TokenCounter
from rtl_gen.vector_memory import VectorMemory

MEAN = fields_layout(isa.FIELDS[isa.Op.MEAN])
FC = fields_layout(isa.FIELDS[isa.Op.FC])

PAIR_FIELDS = ("pos", "neg", "bias_y", "bias_y_shift", "offset")
VECTOR_FIELDS = ("alpha", "alpha_shift", "beta", "bias_x", "out_shift")


def byte_counts_layout() -> data.StructLayout:
    """Bytes read from memory in this frame, by kind (isa.END_COUNTERS)."""
    return data.StructLayout(dict.fromkeys(isa.END_COUNTERS[1:], COUNTER_BITS))


class ScalarEngine(wiring.Component):
    """One output (channel, hidden unit, class) a cycle.

    ```
    sums (MEAN) ------------+
    MatvecSource (FC) ------+-> ScalarUnit -+-> vector memory A (MEAN), B (hidden)
    constant record --------+               +-> AffineUnit -> constants_write, scale token
                                            +-> logits, their signature
    ```
    An output is *issued* when all it needs is there; from there on the pipeline is rigid. Latencies:
    `timing.scalar_output_latency()` to a vector memory, the tap or the logits, `timing.scale_output_latency()`
    to `constants_write`. An instruction is over when its last output has arrived.

    Members: `instruction` the scalar queue; `record`, `record_level`, `record_there`, `record_take`, `record_last` the
    constant ring's head; `sums_address`, `sums_data`, `sum_token` the channel sums; `matvec`, `matvec_level`,
    `matvec_result` the MAC array; `constants_write` to the vector lanes; `scale_available`, `scale_take` the scale tokens;
    `result` records; `tap_scalar`; `restart` a frame begins; `cycle`, `byte_counts` for the records; `quiet` In: every
    CONV is over and nothing is being loaded; `frame_done` pulses when the END record has left.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__(
            {
                "instruction": In(stream.Signature(SCALAR_BITS)),
                "record": In(CONSTANT_RECORD),
                "record_level": In(range(config.constant_words + 1)),
                "record_there": In(1),
                "record_take": Out(1),
                "record_last": Out(1),
                "sums_address": Out(CHANNEL_BITS),
                "sums_data": In(signed(SUM_BITS)),
                "sum_token": In(1),
                "matvec": Out(matvec_layout(config)),
                "matvec_level": In(range(2 * config.mac_words + 1)),
                "matvec_result": In(matvec_result_layout(config)),
                "constants_write": Out(CONSTANTS_WRITE),
                "scale_available": Out(1),
                "scale_take": In(1),
                "result": Out(stream.Signature(RESULT_WORD)),
                "tap_scalar": Out(SCALAR_TAP),
                "restart": In(1),
                "cycle": In(COUNTER_BITS),
                "byte_counts": In(byte_counts_layout()),
                "quiet": In(1),
                "frame_done": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        config = self._config
        m.submodules.issue = self._issue = ScalarIssue(config)
        m.submodules.source = self._source = MatvecSource(config)
        m.submodules.unit = self._unit = ScalarUnit()
        m.submodules.affine = self._affine = AffineUnit()
        m.submodules.vector_a = self._a = VectorMemory(config)
        m.submodules.vector_b = self._b = VectorMemory(config)
        m.submodules.signature = self._signature = LogitSignature()
        m.submodules.results = self._results = ScalarResults()

        # The instruction under execution, decoded while it is taken.
        self._word = word = Signal(SCALAR_BITS)
        self._layer = word[8:24]
        self._mean = data.View(MEAN, word[: MEAN.size])
        self._fc = data.View(FC, word[: FC.size])
        self._is_mean, self._is_fc, self._is_affine = Signal(), Signal(), Signal()
        self._is_end = Signal()
        self._to_hidden, self._to_scale, self._to_logits = Signal(), Signal(), Signal()
        self._records = Signal()  # every output needs one
        self._count = Signal(COUNT_BITS)
        coming = self.instruction.payload
        op, fc = coming[:8], data.View(FC, coming[: FC.size])
        mean = data.View(MEAN, coming[: MEAN.size])
        is_fc = op == isa.Op.FC
        taken = self.instruction.valid & self.instruction.ready
        self._starting = Signal()
        m.d.sync += self._starting.eq(taken)
        with m.If(taken):
            m.d.sync += [
                word.eq(coming),
                self._is_mean.eq(op == isa.Op.MEAN),
                self._is_fc.eq(is_fc),
                self._is_affine.eq(op == isa.Op.AFFINE),
                self._is_end.eq(op == isa.Op.END),
                self._to_hidden.eq(is_fc & (fc.dest == isa.FcDest.HIDDEN)),
                self._to_scale.eq((op == isa.Op.AFFINE) | (is_fc & (fc.dest == isa.FcDest.SCALE))),
                self._to_logits.eq(is_fc & (fc.dest == isa.FcDest.LOGITS)),
                self._records.eq((op != isa.Op.MEAN) | mean.records),
                # MEAN and AFFINE have `count` at the same place.
                self._count.eq(Mux(is_fc, fc.outputs, mean.count)),
            ]
            with m.If(op == isa.Op.END):
                m.d.sync += self._count.eq(0)

        self._finished = Signal()
        # A register of the engine's own: nothing counts in a frame's first cycle.
        self._restart = Signal()
        m.d.sync += self._restart.eq(self.restart)
        self._elaborate_issue(m)
        self._elaborate_operands(m)
        self._elaborate_outputs(m)
        self._elaborate_control(m)
        return m

    def _elaborate_issue(self, m: Module) -> None:
        """Issue one output when its operand, its record and room for its result are there."""
        config, source, issue = self._config, self._source, self._issue
        groups = (self._fc.outputs + (config.cols - 1)) >> (config.cols - 1).bit_length()
        operands = Mux(self._fc.hidden, self._b.read_data.as_value(), self._a.read_data.as_value())
        m.d.comb += [
            issue.start.eq(self._starting),
            issue.count.eq(self._count),
            issue.sums.eq(self._is_mean),
            issue.records.eq(self._records),
            issue.products.eq(self._is_fc),
            issue.logits.eq(self._to_logits),
            issue.scales.eq(self._to_scale),
            issue.sum_token.eq(self.sum_token),
            issue.clear.eq(self._restart),
            issue.record_level.eq(self.record_level),
            issue.record_there.eq(self.record_there),
            issue.product_there.eq(source.valid),
            issue.room.eq(self._results.room),
            self.record_take.eq(issue.take_record),
            self.record_last.eq(issue.last),
            self.sums_address.eq(issue.number),
            # FC: where the operands come from and the MAC array's side.
            source.take.eq(issue.issue),
            source.group_end.eq(issue.group_end),
            source.start.eq(self._starting & self._is_fc),
            source.groups.eq(groups),
            source.steps.eq(self._fc.steps),
            source.wide.eq(self._fc.wide),
            self._a.read_word.eq(source.read_word),
            self._b.read_word.eq(source.read_word),
            source.read_data.eq(operands),
            source.level.eq(self.matvec_level),
            source.result.eq(self.matvec_result),
            self.matvec.eq(source.matvec),
        ]

    def _elaborate_operands(self, m: Module) -> None:
        """The operands of the output issued in the cycle before; what they are without one does not matter."""
        source, unit, mean, fc = self._source, self._unit, self._mean, self._fc
        self._issued = Signal()
        operand = Signal(signed(SUM_BITS))
        self._record = record = Signal(CONSTANT_RECORD)
        m.d.sync += [
            self._issued.eq(self._issue.issue),
            operand.eq(source.sum),
            record.eq(self.record),
        ]
        # The instruction's own constants, in registers before its first output is issued.
        acc_shift = Signal(SHIFT_BITS)
        lo, hi = Signal.like(unit.lo), Signal.like(unit.hi)
        m.d.sync += [
            acc_shift.eq(Mux(self._is_mean, mean.acc_shift, fc.acc_shift)),
            lo.eq(Mux(self._is_mean, mean.lo, fc.lo)),
            hi.eq(Mux(self._is_mean, mean.hi, fc.hi)),
        ]
        with m.If(self._is_affine):
            # Whatever goes in, 1.0 comes out.
            m.d.sync += [lo.eq(SE_ONE), hi.eq(SE_ONE)]
        # A register of the operands' own.
        from_sums = Signal()
        m.d.sync += from_sums.eq(self._is_mean)
        value, records = unit.value, self._records
        m.d.comb += [
            value.valid.eq(self._issued),
            value.x.eq(Mux(from_sums, self.sums_data, operand)),
            value.alpha.eq(Mux(records, record.scalar_alpha, mean.alpha)),
            value.beta.eq(Mux(records, record.scalar_beta, mean.beta)),
            value.shift.eq(Mux(records, record.scalar_shift, mean.shift)),
            unit.acc_shift.eq(acc_shift),
            unit.lo.eq(lo),
            unit.hi.eq(hi),
        ]

    def _elaborate_outputs(self, m: Module) -> None:
        """Send results where the instruction wants them, and notice its last one."""
        config, unit, affine = self._config, self._unit, self._affine
        produced, written = Signal(COUNT_BITS), Signal(COUNT_BITS)
        column = Signal(range(config.cols))
        # Which of the two counts, and how many are still to come.
        arrived, missing, last = Signal(), Signal(COUNT_BITS), Signal()
        m.d.comb += arrived.eq(Mux(self._to_scale, affine.valid, unit.valid))
        with m.If(unit.valid):
            m.d.sync += produced.eq(produced + 1)
        with m.If(affine.valid):
            m.d.sync += [written.eq(written + 1), column.eq(successor(column, config.cols))]
        with m.If(arrived):
            m.d.sync += [missing.eq(missing - 1), last.eq(missing == 2), self._finished.eq(last)]
        with m.If(self._starting):
            m.d.sync += [
                produced.eq(0),
                written.eq(0),
                column.eq(0),
                missing.eq(self._count),
                last.eq(self._count == 1),
                self._finished.eq(self._count == 0),
            ]

        # Where an output goes is known a cycle before it is there.
        to_a, to_b, to_affine, logit = Signal(), Signal(), Signal(), Signal()
        m.d.sync += [
            to_a.eq(unit.coming & self._is_mean),
            to_b.eq(unit.coming & self._to_hidden),
            to_affine.eq(unit.coming & self._to_scale),
            logit.eq(unit.coming & self._to_logits),
        ]
        m.d.comb += [
            self._a.restart.eq(self._starting & self._is_mean),
            self._a.write_valid.eq(to_a),
            self._a.write_data.eq(unit.result[:8]),
            self._b.restart.eq(self._starting & self._to_hidden),
            self._b.write_valid.eq(to_b),
            self._b.write_data.eq(unit.result[:8]),
        ]

        # The record's other constants arrive where they are used, beside the arithmetic.
        pair = self._fields(m, PAIR_FIELDS, timing.scalar_unit_latency())
        vector = self._fields(
            m, VECTOR_FIELDS, timing.scalar_unit_latency() + timing.affine_unit_latency()
        )
        m.d.comb += [
            affine.channel.valid.eq(to_affine),
            affine.channel.s.eq(unit.result[:16]),
        ]
        m.d.comb += [affine.channel[name].eq(pair[name]) for name in PAIR_FIELDS]
        write = self.constants_write
        m.d.comb += [
            write.valid.eq(affine.valid),
            write.channel.eq(written),
            write.p.eq(affine.p),
            write.n.eq(affine.n),
            write.q.eq(affine.q),
        ]
        m.d.comb += [write[name].eq(vector[name]) for name in VECTOR_FIELDS]

        m.submodules.scale_tokens = scale_tokens = TokenCounter(TOKEN_BITS)
        group_written = affine.valid & ((column == config.cols - 1) | last)
        m.d.comb += [
            scale_tokens.give.eq(self._issue.promise | (self._is_affine & group_written)),
            scale_tokens.take.eq(self.scale_take),
            scale_tokens.clear.eq(self._restart),
            self.scale_available.eq(scale_tokens.some),
        ]

        self._last_logit = Signal(COUNTER_BITS)
        with m.If(logit):
            m.d.sync += self._last_logit.eq(self.cycle)
        m.d.comb += [
            self._signature.restart.eq(self._restart),
            self._signature.valid.eq(logit),
            self._signature.index.eq(produced),
            self._signature.logit.eq(unit.result),
        ]

        tap = Signal(SCALAR_TAP)
        m.d.sync += [
            tap.valid.eq(unit.valid & ~self._is_affine),
            tap.layer.eq(self._layer),
            tap.kind.eq(Mux(self._is_mean, 0, self._fc.dest + 1)),
            tap.index.eq(produced),
            tap.value.eq(unit.result),
        ]
        m.d.comb += self.tap_scalar.eq(tap)

        wiring.connect(m, self._results.result, wiring.flipped(self.result))
        m.d.comb += [
            self._results.logit.valid.eq(logit),
            self._results.logit.index.eq(produced),
            self._results.logit.value.eq(unit.result),
        ]

    def _fields(
        self, m: Module, names: tuple[str, ...], cycles: int
    ) -> data.View[data.StructLayout]:
        """Fields of the record of the value entering the scalar unit, `cycles` cycles later."""
        layout = data.StructLayout({name: CONSTANT_RECORD[name].shape for name in names})
        values = Cat(Value.cast(self._record[name]) for name in names)
        return data.View(layout, delayed(m, values, cycles, f"record_{names[0]}")[cycles])

    def _elaborate_control(self, m: Module) -> None:
        config, results = self._config, self._results
        started = Signal(COUNTER_BITS)
        steps, slots, useful = Signal(COUNTER_BITS), Signal(COUNTER_BITS), Signal(COUNTER_BITS)
        padding = Signal(COUNTER_BITS)
        m.d.sync += padding.eq(slots - useful)
        with m.If(self.matvec.valid):
            m.d.sync += [steps.eq(steps + 1), slots.eq(slots + config.mac_lanes)]
        with m.If(self._issued):
            m.d.sync += useful.eq(useful + self._fc.inputs)

        # What would be recorded in this cycle.
        record = results.record.payload
        scalar = {
            "start": started,
            "end": self.cycle,
            "steps": steps,
            "useful": useful,
            "padding": padding,
        }
        end = {
            "cycles": self._last_logit,
            **{name: self.byte_counts[name] for name in isa.END_COUNTERS[1:]},
        }
        m.d.comb += [
            record.header.eq(header(isa.Record.SCALAR, self._layer, wide=self._fc.wide)),
            record.used.eq(len(isa.SCALAR_COUNTERS)),
            *(record.counters[n].eq(scalar[name]) for n, name in enumerate(isa.SCALAR_COUNTERS)),
        ]
        with m.If(self._is_end):
            m.d.comb += [
                record.header.eq(header(isa.Record.END, 0, self._signature.total)),
                record.used.eq(len(isa.END_COUNTERS)),
                *(record.counters[n].eq(end[name]) for n, name in enumerate(isa.END_COUNTERS)),
            ]

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.instruction.ready.eq(1)
                m.d.sync += [steps.eq(0), slots.eq(0), useful.eq(0), started.eq(self.cycle)]
                with m.If(self.instruction.valid):
                    m.next = "START"
            with m.State("START"):
                m.next = "RUN"
                with m.If(self._is_end):
                    m.next = "END"
            with m.State("RUN"), m.If(self._finished):
                with m.If(~self._is_fc):
                    m.next = "IDLE"
                with m.Elif(results.record.ready):
                    m.d.comb += results.record.valid.eq(1)
                    m.next = "IDLE"
            with m.State("END"), m.If(self.quiet & results.record.ready):
                m.d.comb += results.record.valid.eq(1)
                m.next = "DRAIN"
            with m.State("DRAIN"), m.If(results.empty):
                m.d.comb += self.frame_done.eq(1)
                m.next = "IDLE"
