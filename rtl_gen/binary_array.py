"""The binary array: R x C processing elements, systolic in both directions.

Activations of row group g (rows g*G..g*G+G-1) enter column 0 g cycles after group 0 and hop one column a cycle. Weights of
column j come from column j's own slice of the weight ring, addressed one cycle later per column, and hop down one row
group a cycle. So row group g of column j works g + j cycles after the first PE. Sums leave in the same order; a small
memory per column holds them until the last column's are there.
"""

from __future__ import annotations

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from rtl_gen import instances
from rtl_gen.delay import delayed
from rtl_gen.pe import BinaryPE, popcount_bits
from rtl_gen.ram import Ram


def _systolic_members(config: AcceleratorConfig) -> dict[str, int]:
    """What hops from column to column, with widths: one bit per row group of step, last; one per row of add."""
    return {
        "act": config.rows * config.popcount_width,
        "add": config.rows,
        "step": config.row_groups,
        "last": config.row_groups,
        "read_en": 1,
        "read_addr": (config.weight_words - 1).bit_length(),
        "stamp": (2 * config.cols - 1).bit_length(),
    }


class BinaryColumn(wiring.Component):
    """R PEs, one column's weights and its deskew memory.

    Members:
        <name>_in, <name>_out: the hopping signals, `out` one cycle after `in`; `read_*` leads `act` by two cycles.
        write_en, write_addr, write_data: In: one word of this column's weights, complemented.
        collect, collect_addr: In: read the deskew memory; `sums` follows one cycle later.
        sums: Out: G sums of a row group, whose stamp was `collect_addr`.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        hops = _systolic_members(config)
        super().__init__(
            {f"{name}_in": In(bits) for name, bits in hops.items()}
            | {f"{name}_out": Out(bits) for name, bits in hops.items()}
            | {
                "write_en": In(1),
                "write_addr": In(hops["read_addr"]),
                "write_data": In(config.popcount_width),
                "collect": In(1),
                "collect_addr": In(hops["stamp"]),
                "sums": Out(config.pixel_lanes * popcount_bits(config)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Weights, PEs, deskew memory, hops."""
        m = Module()
        config = self._config
        width, lanes = config.popcount_width, config.pixel_lanes
        m.submodules.weights = weights = Ram(width, config.weight_words)
        m.d.comb += [
            weights.write_enable.eq(self.write_en),
            weights.write_address.eq(self.write_addr),
            weights.write_data.eq(self.write_data),
            weights.read_enable.eq(self.read_en_in),
            weights.read_address.eq(self.read_addr_in),
        ]
        # Block RAMs are slow: what they have read waits in a register for its step.
        held = Signal(width, reset_less=True)
        arriving = Signal()
        m.d.sync += arriving.eq(self.read_en_in)
        with m.If(arriving):
            m.d.sync += held.eq(weights.read_data)
        opposed: Value = held
        results: list[list[Signal]] = [[] for _ in range(lanes)]
        # A step's controls when the popcount is there, and a cycle later.
        wait = config.popcount_stages - 1
        steps, adds, lasts = (
            delayed(m, getattr(self, f"{name}_in"), wait + 1, name)[wait:]
            for name in ("step", "add", "last")
        )
        for group in range(config.row_groups):
            for lane in range(lanes):
                row = group * lanes + lane
                m.submodules[f"pe_{row}"] = pe = BinaryPE(config)
                m.d.comb += [
                    pe.act.eq(self.act_in.word_select(row, width)),
                    pe.opposed.eq(opposed),
                    pe.step.eq(steps[0][group]),
                    pe.add.eq(adds[0][row]),
                    pe.step_next.eq(steps[1][group]),
                    pe.last_next.eq(lasts[1][group]),
                ]
                results[lane].append(pe.result)
            if group + 1 < config.row_groups:
                below = Signal(width, name=f"opposed_{group + 1}", reset_less=True)
                with m.If(self.step_in[group]):
                    m.d.sync += below.eq(opposed)
                opposed = below

        done = Signal()
        m.d.sync += done.eq((steps[1] & lasts[1]).any())
        m.submodules.deskew = deskew = Ram(len(self.sums), 2 * config.cols)
        m.d.comb += [
            deskew.write_enable.eq(done),
            deskew.write_address.eq(self.stamp_in),
            # Row groups finish in different cycles (a tile takes at least R/G cycles) and are 0 otherwise.
            deskew.write_data.eq(Cat(reduce(or_, lane) for lane in results)),
            deskew.read_enable.eq(self.collect),
            deskew.read_address.eq(self.collect_addr),
            self.sums.eq(deskew.read_data),
        ]
        act_out = Signal.like(self.act_out, reset_less=True)
        m.d.comb += self.act_out.eq(act_out)
        with m.If(self.step_in.any()):
            m.d.sync += [act_out.eq(self.act_in), self.add_out.eq(self.add_in)]
        for name in ("step", "last", "read_en", "read_addr", "stamp"):
            m.d.sync += getattr(self, f"{name}_out").eq(getattr(self, f"{name}_in"))
        return m


class BinaryArray(wiring.Component):
    """C columns, the skew of the row groups in front of them and the deskew behind.

    Members (rows and lanes low first):
        act: In, R words of K bits; add: In, R bits; step, last: In: this cycle's step.
        read_en, read_addr: In: the step's weight word, two cycles before `act`.
        write_en (C bits), write_addr, write_data (one beat): In: words of beat_bits/K columns.
        collect: In, for R/G consecutive cycles from C + `timing.binary_pe_latency` cycles after a tile's last step on.
        sums: Out, G*C popcounts (pixel-major), one cycle after `collect`.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__(
            {
                "act": In(config.rows * config.popcount_width),
                "add": In(config.rows),
                "step": In(1),
                "last": In(1),
                "read_en": In(1),
                "read_addr": In(range(config.weight_words)),
                "write_en": In(config.cols),
                "write_addr": In(range(config.weight_words)),
                "write_data": In(config.beat_bits),
                "collect": In(1),
                "sums": Out(config.vector_lanes * popcount_bits(config)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Skew registers and the chain of columns."""
        m = Module()
        config = self._config
        lanes, width, bits = config.pixel_lanes, config.popcount_width, popcount_bits(config)
        columns = instances.copies(m, lambda: BinaryColumn(config), "binary_column", config.cols)
        hops = list(_systolic_members(config))

        stamp = Signal(range(2 * config.cols))
        m.d.sync += stamp.eq(stamp + 1)
        rows: list[Value] = []
        adds: list[Value] = []
        controls: list[Value] = []
        for group in range(config.row_groups):
            act: Value = self.act[group * lanes * width : (group + 1) * lanes * width]
            add: Value = self.add[group * lanes : (group + 1) * lanes]
            control: Value = Cat(self.step, self.last) if group == 0 else controls[-1]
            if group > 0:
                later = Signal(2, name=f"control_{group}")
                m.d.sync += later.eq(control)
                control = later
            for hop in range(group):
                act_later = Signal(lanes * width, name=f"act_{group}_{hop}", reset_less=True)
                add_later = Signal(lanes, name=f"add_{group}_{hop}", reset_less=True)
                m.d.sync += [act_later.eq(act), add_later.eq(add)]
                act, add = act_later, add_later
            rows.append(act)
            adds.append(add)
            controls.append(control)
        first = columns[0]
        m.d.comb += [
            first.act_in.eq(Cat(rows)),
            first.add_in.eq(Cat(adds)),
            first.step_in.eq(Cat(control[0] for control in controls)),
            first.last_in.eq(Cat(control[1] for control in controls)),
            first.read_en_in.eq(self.read_en),
            first.read_addr_in.eq(self.read_addr),
            first.stamp_in.eq(stamp),
        ]
        beat_columns = config.beat_bits // width
        for index, column in enumerate(columns):
            if index > 0:
                for name in hops:
                    m.d.comb += getattr(column, f"{name}_in").eq(
                        getattr(columns[index - 1], f"{name}_out")
                    )
            m.d.comb += [
                column.write_en.eq(self.write_en[index]),
                column.write_addr.eq(self.write_addr),
                column.write_data.eq(~self.write_data.word_select(index % beat_columns, width)),
                column.collect.eq(self.collect),
                # The stamp of the cycle in which column 0 had this row group, C cycles ago.
                column.collect_addr.eq(stamp ^ config.cols),
            ]
            for lane in range(lanes):
                target = self.sums.word_select(lane * config.cols + index, bits)
                m.d.comb += target.eq(column.sums.word_select(lane, bits))
        return m
