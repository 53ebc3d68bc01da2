"""The vector lanes of all pixels and columns, with their constants, as repeated modules."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, Value, signed
from amaranth.lib import data

from hwflow.config import AcceleratorConfig
from hwflow.isa import Store
from rtl_gen import instances, lane
from rtl_gen.delay import registered
from rtl_gen.interfaces import GROUP_BITS
from rtl_gen.lane_constants import LaneConstants

_PARTS = 3
"""Parts of the columns with registers of their own for what is constant in a layer."""


def vector_lanes(
    m: Module,
    config: AcceleratorConfig,
    current: data.View[data.StructLayout],
    totals: data.View[data.ArrayLayout],
    write: data.View[data.StructLayout],
    valid: list[Signal],
    cg: list[Signal],
    keep: Signal,
    shortcuts: tuple[Signal, Signal],
) -> tuple[Signal, Signal, Signal]:
    """Adds the constants of C columns and the G*C lanes to `m`.

    Args:
        m: the module that gets them.
        config: the accelerator.
        current: the layer's instruction (interfaces.CONV).
        totals: S of the pixel group that enters.
        write: constants of one channel (interfaces.CONSTANTS_WRITE).
        valid: whether each stage holds a pixel group.
        cg: channel group of the pixel group in every stage.
        keep: columns that hold a channel, in lane.KEEP_STAGE.
        shortcuts: words of r and r1, in lane.SHORTCUT_STAGE.

    Returns:
        Elements and whether y saturated, in lane.Y_STAGE, and between them whether t did, in lane.T_STAGE.
    """
    bits = config.residual_bits
    column_bits = (config.cols - 1).bit_length()
    # Written one cycle late: the difference is taken here, once for all columns.
    names = ("alpha", "alpha_shift", "p", "n", "out_shift", "q")
    new = {f"new_{name}": Signal.like(getattr(write, name), name=f"new_{name}") for name in names}
    m.d.sync += [new[f"new_{name}"].eq(getattr(write, name)) for name in names]
    new["new_bias"] = Signal(signed(lane.BIAS_BITS), name="new_bias")
    m.d.sync += new["new_bias"].eq(write.beta - write.bias_x)
    row = Signal(GROUP_BITS, name="new_row")
    columns = Signal(config.cols, name="new_columns")
    m.d.sync += [
        row.eq(write.channel[column_bits:]),
        columns.eq(
            Cat(*(write.valid & (write.channel[:column_bits] == j) for j in range(config.cols)))
        ),
    ]
    constants_module = instances.repeat(LaneConstants(config), "hwflow_lane_constants")
    # A layer's constants go to every lane. Each part of the columns has registers of its own, a cycle behind the part
    # before, so that synthesis does not make them one; a layer's first pixel group comes later still.
    layer = {name: getattr(current, name) for name in ("acc_shift", "r_shift", "r1_shift")}
    layer["narrow"] = registered(m, current.store == Store.BYTES, "narrow")
    parts = [layer]
    for part in range(1, _PARTS):
        layer = {name: registered(m, value, f"{name}_{part}") for name, value in layer.items()}
        parts.append(layer)
    lane_module = instances.repeat(lane.Lane(bits), "hwflow_lane")
    elements = Signal(config.vector_lanes * bits)
    t_saturated, y_saturated = Signal(config.vector_lanes), Signal(config.vector_lanes)
    widths = {
        "alpha": 16,
        "alpha_shift": 5,
        "bias": lane.BIAS_BITS,
        "p": 14,
        "n": 14,
        "out_shift": 5,
        "q": 24,
    }
    for column in range(config.cols):
        values = {name: Signal(width, name=f"{name}_{column}") for name, width in widths.items()}
        m.submodules[f"constants_{column}"] = constants_module.instance(
            write=columns[column],
            row=row,
            cg1=cg[lane.ALPHA_STAGE - 1],
            cg3=cg[lane.BIAS_STAGE - 1],
            cg5=cg[lane.SLOPE_STAGE - 1],
            cg8=cg[lane.OFFSET_STAGE - 1],
            **new,
            **values,
        )
        for pixel in range(config.pixel_lanes):
            at = pixel * config.cols + column
            m.submodules[f"lane_{pixel}_{column}"] = lane_module.instance(
                holds=Cat(*valid[: lane.Y_STAGE]),
                total=Value.cast(totals[at]),
                **parts[column * _PARTS // config.cols],
                r=shortcuts[0].word_select(at, bits),
                r1=shortcuts[1].word_select(at, bits),
                keep=keep[column],
                t_saturated=t_saturated[at],
                y=elements.word_select(at, bits),
                y_saturated=y_saturated[at],
                **values,
            )
    return elements, t_saturated, y_saturated
