"""The MAC array: R x C elements of Km 8-bit products, for convolutions on bytes and matrix-vector products."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow import timing
from hwflow.config import AcceleratorConfig
from rtl_gen import instances
from rtl_gen.interfaces import ACC_BITS, SUM_BITS, index_shape
from rtl_gen.mac_operands import GROUP_SHIFT_LIMIT, MacOperands, MacSelection
from rtl_gen.mac_pe import MacPE
from rtl_gen.probe import observe


class MacColumn(wiring.Component):
    """R elements of one output channel, their weights and the sum over the rows.

    Members (stage n = n cycles after the array's inputs):
        step, matvec, narrow, word, nibbles: In, stage 0; word: R*Km bytes of the ring's word, row-major;
        nibbles: as many 4-bit weights, for matrix-vector steps with `narrow`. slice: In, a cycle earlier: which Km bytes of
        the word that is there then are a convolution's step's.
        operands: In, R*Km bytes, stage 1. steps: In, `step` of stages 1 and 2; adds: In, R bits, stage 1;
        last: In, stage 2.
        finished: In, one bit per register of the row tree: a matrix-vector sum enters it.
        phase: In; sums: Out, G x s24: results of row group `phase`, combinational.
        total: Out, s32: sum over the rows.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        bits = 8 * config.fc_inputs
        super().__init__(
            {
                "step": In(1),
                "matvec": In(1),
                "narrow": In(1),
                "slice": In(range(config.rows)),
                "word": In(bits),
                "nibbles": In(bits // 2),
                "operands": In(bits),
                "steps": In(2),
                "adds": In(config.rows),
                "last": In(1),
                "finished": In(timing.matvec_tree_latency(config)),
                "phase": In(index_shape(config.row_groups)),
                "sums": Out(config.pixel_lanes * ACC_BITS),
                "total": Out(signed(SUM_BITS)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Weight registers, elements, drain multiplexer, tree."""
        m = Module()
        config = self._config
        rows, bits = config.rows, 8 * config.mac_depth
        piece = Signal(bits, reset_less=True)
        m.d.sync += piece.eq(self.word.word_select(self.slice, bits))
        weights = Signal(rows * bits, reset_less=True)
        with m.If(self.step):
            with m.If(self.matvec & self.narrow):
                values = [self.nibbles.word_select(n, 4) for n in range(len(self.nibbles) // 4)]
                m.d.sync += weights.eq(Cat(Cat(v, v[3].replicate(4)) for v in values))
            with m.Elif(self.matvec):
                m.d.sync += weights.eq(self.word)
            with m.Else():
                m.d.sync += weights.eq(piece.replicate(rows))
        results: list[Signal] = []
        for row in range(rows):
            m.submodules[f"pe_{row}"] = pe = MacPE(config)
            m.d.comb += [
                pe.operands.eq(self.operands.word_select(row, bits)),
                pe.weights.eq(weights.word_select(row, bits)),
                pe.step.eq(self.steps[0]),
                pe.add.eq(self.adds[row]),
                pe.step_next.eq(self.steps[1]),
                pe.last_next.eq(self.last),
            ]
            results.append(pe.result)
        with m.Switch(self.phase):
            for group in range(config.row_groups):
                with m.Case(group):
                    chosen = results[group * config.pixel_lanes : (group + 1) * config.pixel_lanes]
                    m.d.comb += self.sums.eq(Cat(result[:ACC_BITS] for result in chosen))
        level = results
        for stage in range(timing.matvec_tree_latency(config)):
            level = _quarter(m, level, stage, self.finished[stage])
        m.d.comb += self.total.eq(level[0])
        return m


def _quarter(m: Module, level: list[Signal], stage: int, enable: Value) -> list[Signal]:
    """Registers with the sums of four neighbours each.

    Sums of two have the width of their operands, which is enough. So synthesis keeps them as they are, a carry chain each;
    sums that cannot overflow it merges, and adds four operands with carry-save adders made of LUTs.
    """
    registers: list[Signal] = []
    for index in range(0, len(level), 4):
        group = level[index : index + 4]
        if len(group) > 2:
            pairs: list[Signal] = []
            for at in range(0, len(group) - 1, 2):
                pair = Signal.like(level[0], name=f"pair_{stage}_{index + at}")
                m.d.comb += pair.eq(group[at] + group[at + 1])
                pairs.append(pair)
            group = pairs + group[2 * len(pairs) :]
        register = Signal(
            signed(len(level[0]) + 1), name=f"tree_{stage}_{index // 4}", reset_less=True
        )
        with m.If(enable):
            m.d.sync += register.eq(sum((total for total in group[1:]), start=Value.cast(group[0])))
        registers.append(register)
    return registers


class MacArray(wiring.Component):
    """C columns behind R operand selectors; both modes share them, one at a time.

    Members:
        step, last, matvec, narrow, lane, adds (R bits), grouped, group_shift: In, of this cycle's step; narrow: the low
            half of `word` holds 4-bit weights. next_matvec, next_lane, next_cg: In, of the next cycle's.
        slice: In, of the next cycle's step of a convolution, with its `word`.
        rows: In, R words of C bytes (convolution); vector: In, R*Km bytes (matrix-vector); word: In, ring word.
        phase: In; sums: Out, G*C x s24 (pixel-major) of row group `phase`; results appear
            `timing.mac_array_latency()` cycles after the last step and stay until the next tile's.
        finished: Out; totals: Out, C x s32: `timing.matvec_tree_latency` later, of a matrix-vector product.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__(
            {
                "step": In(1),
                "last": In(1),
                "matvec": In(1),
                "narrow": In(1),
                "slice": In(range(config.rows)),
                "lane": In(index_shape(config.cols // config.mac_depth)),
                "adds": In(config.rows),
                "next_matvec": In(1),
                "next_lane": In(index_shape(config.cols // config.mac_depth)),
                "next_cg": In(GROUP_SHIFT_LIMIT),
                "grouped": In(1),
                "group_shift": In(2),
                "rows": In(8 * config.rows * config.cols),
                "vector": In(8 * config.fc_inputs),
                "word": In(8 * config.mac_word_bytes),
                "phase": In(index_shape(config.row_groups)),
                "sums": Out(config.vector_lanes * ACC_BITS),
                "finished": Out(1),
                "totals": Out(config.cols * SUM_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Control registers of stages 1 and 2, selectors, columns."""
        m = Module()
        config = self._config
        rows, cols, bits = config.rows, config.cols, 8 * config.mac_depth
        selectors = instances.copies(m, lambda: MacOperands(config), "mac_operands", rows)
        columns = instances.copies(m, lambda: MacColumn(config), "mac_column", cols)
        steps = Signal(2)
        adds = Signal(rows)
        controls = [Signal(2, name=f"control_{n + 1}") for n in range(2)]
        finished = Signal(timing.matvec_tree_latency(config) + 1)
        m.d.sync += [
            steps.eq(Cat(self.step, steps[0])),
            adds.eq(self.adds | self.matvec.replicate(rows)),
            controls[0].eq(Cat(self.last, self.matvec)),
            controls[1].eq(controls[0]),
            finished.eq(Cat(steps[1] & controls[1].all(), finished[:-1])),
        ]
        m.submodules.selection = selection = MacSelection(config)
        m.d.comb += [
            self.finished.eq(finished[-1]),
            selection.matvec.eq(self.next_matvec),
            selection.grouped.eq(self.grouped),
            selection.group_shift.eq(self.group_shift),
            selection.cg.eq(self.next_cg),
            selection.lane.eq(self.next_lane),
        ]
        choices = Signal.like(selection.choices)
        m.d.sync += choices.eq(selection.choices)
        for row, selector in enumerate(selectors):
            m.d.comb += [
                selector.step.eq(self.step),
                selector.add.eq(self.matvec | self.adds[row]),
                selector.matvec.eq(self.matvec),
                selector.grouped.eq(self.grouped),
                selector.lane.eq(self.lane),
                selector.choices.eq(choices),
                selector.word.eq(self.rows.word_select(row, 8 * cols)),
                selector.vector.eq(self.vector.word_select(row, bits)),
            ]
        half = self.word[: len(self.word) // 2]
        for index, column in enumerate(columns):
            m.d.comb += [
                column.step.eq(self.step),
                column.matvec.eq(self.matvec),
                column.narrow.eq(self.narrow),
                column.slice.eq(self.slice),
                column.nibbles.eq(
                    Cat(half.word_select(row * cols + index, bits // 2) for row in range(rows))
                ),
                column.word.eq(
                    Cat(self.word.word_select(row * cols + index, bits) for row in range(rows))
                ),
                column.operands.eq(
                    Cat(Cat(s.first.word_select(index, 8), s.rest[8:]) for s in selectors)
                ),
                column.steps.eq(steps),
                column.adds.eq(adds),
                column.last.eq(controls[1][0]),
                column.finished.eq(finished[:-1]),
                column.phase.eq(self.phase),
                self.totals.word_select(index, SUM_BITS).eq(column.total),
            ]
            for lane in range(config.pixel_lanes):
                target = self.sums.word_select(lane * cols + index, ACC_BITS)
                m.d.comb += target.eq(column.sums.word_select(lane, ACC_BITS))
        observe(m, self)
        return m
