"""Operations that a schedule executes, counted from its instructions alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hwflow.config import AcceleratorConfig
from hwflow.isa import INSTRUCTION_BYTES, FcDest, Op, Residual, Ring
from hwflow.memories import ceil_div
from hwflow.spilling import group_beats, spilled_groups

Instruction = Mapping[str, int]
NIBBLE_HIGH = 7
"""Largest value of a 4-bit mean."""
BYTES_KINDS: Mapping[Ring, str] = {
    Ring.WEIGHTS: "weights",
    Ring.MACS: "macs",
    Ring.CONSTANTS: "constants",
    Ring.BYTES: "image",
    Ring.LONG: "spill_read",
}


@dataclass(frozen=True, kw_only=True)
class LayerCounts:
    """What one unit does for one layer of one image.

    layer, name: the layer's number and name. unit: `conv`, `se-hidden`, `se-scale`, `dense`,
    `mean`, `affine`, `load`. macs_class: weight x activation bits of the multiplications ('1x1',
    '8x8', '4x4', '4x8'), empty without any. issue: cycles with an array step; slots: MAC slots of
    a step (P or M). issue * slots = useful + masked + k_padding + channel_padding + pixel_padding.
    elementwise: operations by name, each fusion named. bytes: memory traffic by kind.
    """

    layer: int
    name: str
    unit: str
    macs_class: str = ""
    useful: int = 0
    masked: int = 0
    k_padding: int = 0
    channel_padding: int = 0
    pixel_padding: int = 0
    issue: int = 0
    slots: int = 0
    elementwise: Mapping[str, int]
    bytes: Mapping[str, int]


def out_channels(conv: Instruction, config: AcceleratorConfig) -> int:
    """Output channels of a CONV."""
    return (conv["groups"] - 1) * config.cols + conv["last_cols"]


def _taps_inside(size_in: int, size_out: int, kernel: int, stride: int, before: int) -> int:
    """(output, tap) pairs along one axis whose input exists."""
    return sum(
        0 <= out * stride + tap - before < size_in
        for out in range(size_out)
        for tap in range(kernel)
    )


def _conv(conv: Instruction, config: AcceleratorConfig, name: str) -> LayerCounts:
    mac = conv["mac"]
    depth = config.mac_depth if mac else config.popcount_width
    stride = 1 + conv["stride2"]
    kernel, words, groups = conv["kernel"], conv["words"], conv["groups"]
    cin = (words - 1) * depth + conv["last_k"]
    cout = out_channels(conv, config)
    slots = conv["out_h"] * conv["out_w"]
    rows = conv["tiles"] * config.rows
    inside = _taps_inside(conv["in_h"], conv["out_h"], kernel, stride, conv["pad_top"])
    inside *= _taps_inside(conv["in_w"], conv["out_w"], kernel, stride, conv["pad_left"])
    taps = kernel * kernel
    return LayerCounts(
        layer=conv["layer"],
        name=name,
        unit="conv",
        macs_class="8x8" if mac else "1x1",
        useful=inside * cin * cout,
        masked=(slots * taps - inside) * cin * cout,
        k_padding=slots * taps * (words * depth - cin) * cout,
        channel_padding=slots * taps * words * depth * (groups * config.cols - cout),
        pixel_padding=(rows - slots) * taps * words * depth * groups * config.cols,
        issue=groups * conv["tiles"] * taps * words,
        slots=config.mac_lanes if mac else config.binary_macs,
        elementwise=_conv_elementwise(conv, config, slots, cout),
        bytes={},
    )


def _conv_elementwise(
    conv: Instruction, config: AcceleratorConfig, slots: int, cout: int
) -> dict[str, int]:
    outputs = slots * cout
    counts = {
        "multiply by alpha (weight scale, batch norm)": outputs,
        "add beta (batch norm)": outputs,
        "subtract bias_x (DPReLU)": outputs,
        "multiply by slope (DPReLU, SE scale, second batch norm)": outputs,
        "add q (DPReLU bias_y, SE scale, second batch norm)": outputs,
    }
    if conv["r_src"] != Residual.NONE:
        counts["add local shortcut"] = slots * min(cout, conv["r_groups"] * config.cols)
    if conv["r1_src"] != Residual.NONE:
        counts["add long shortcut"] = outputs
    if conv["bits_en"]:
        counts["binarise"] = outputs
    if conv["sums_en"]:
        counts["channel sum add (mean of the next SE or dense layer)"] = outputs
    for shift, enabled, shortcut in (
        (conv["mean_shift"], conv["mean_en"], "local"),
        (conv["store_shift"], conv["store_shift"], "long"),
    ):
        if enabled:
            means = slots * ceil_div(cout, 1 << shift)
            counts[f"channel mean add ({shortcut} shortcut)"] = outputs - means
            counts[f"channel mean scale ({shortcut} shortcut)"] = means
    if conv["pool_en"]:
        pooled = conv["pool_h"] * conv["pool_w"] * cout
        counts["3x3 pool add"] = 9 * pooled
        counts["3x3 pool scale"] = pooled
    return counts


def _fc(fc: Instruction, config: AcceleratorConfig, name: str, act8: bool) -> LayerCounts:
    dest = FcDest(fc["dest"])
    inputs, outputs = fc["inputs"], fc["outputs"]
    groups = ceil_div(outputs, config.cols)
    depth = fc["steps"] * config.fc_inputs
    elementwise = {"scalar multiply-add and clamp": outputs}
    if dest is FcDest.SCALE:
        elementwise |= _fold(outputs)
    unit = {FcDest.HIDDEN: "se-hidden", FcDest.SCALE: "se-scale", FcDest.LOGITS: "dense"}
    return LayerCounts(
        layer=fc["layer"],
        name=name,
        unit=unit[dest],
        macs_class=f"{8 if fc['wide'] else 4}x{8 if act8 else 4}",
        useful=inputs * outputs,
        k_padding=(depth - inputs) * outputs,
        channel_padding=depth * (groups * config.cols - outputs),
        issue=groups * fc["steps"],
        slots=config.mac_lanes,
        elementwise=elementwise,
        bytes={},
    )


def _fold(channels: int) -> dict[str, int]:
    return {"fold slopes and bias with the SE scale": 3 * channels}


def _kind(instruction: Instruction) -> str:
    ring = Ring(instruction["ring"])
    return BYTES_KINDS[ring]


def count(
    instructions: Iterable[Instruction], config: AcceleratorConfig, names: Mapping[int, str]
) -> list[LayerCounts]:
    """One entry for each CONV, FC, MEAN and AFFINE in schedule order, then one a layer of unit `load`.

    The latter hold the memory traffic (`schedule`: instructions; the image counts in layer 0).
    """
    traffic: dict[int, dict[str, int]] = {}
    result: list[LayerCounts] = []
    act8 = False
    for instruction in instructions:
        op, layer = Op(instruction["op"]), instruction["layer"]
        name = names.get(layer, f"layer {layer}")
        kinds = traffic.setdefault(layer, {"schedule": 0})
        kinds["schedule"] += INSTRUCTION_BYTES
        if op is Op.LOAD:
            kind = _kind(instruction)
            kinds[kind] = kinds.get(kind, 0) + instruction["beats"] * config.memory_bytes
        elif op is Op.CONV:
            result.append(_conv(instruction, config, name))
            if spilled_groups(instruction):
                beats = spilled_groups(instruction) * group_beats(instruction, config)
                kinds["spill_written"] = beats * config.memory_bytes
        elif op is Op.FC:
            wide_input = act8 and not instruction["hidden"]
            result.append(_fc(instruction, config, name, wide_input))
        elif op is Op.MEAN:
            act8 = instruction["hi"] > NIBBLE_HIGH
            work = {"mean multiply-add and clamp": instruction["count"]}
            result.append(
                LayerCounts(layer=layer, name=name, unit="mean", elementwise=work, bytes={})
            )
        elif op is Op.AFFINE:
            result.append(
                LayerCounts(
                    layer=layer, name=name, unit="affine",
                    elementwise=_fold(instruction["count"]), bytes={},
                )
            )  # fmt: skip
    result += [
        LayerCounts(
            layer=layer, name=names.get(layer, f"layer {layer}"), unit="load",
            elementwise={}, bytes=kinds,
        )
        for layer, kinds in sorted(traffic.items())
    ]  # fmt: skip
    return result
