"""Instructions of the scalar engine: MEAN, FC, AFFINE, END."""

from __future__ import annotations

from hwflow.compiler.conv import Instruction
from hwflow.config import AcceleratorConfig
from hwflow.isa import FcDest, Op
from hwflow.memories import ceil_div
from models.integer.params import ScalarParams


def mean(layer: int, count: int, params: ScalarParams) -> Instruction:
    """MEAN of `count` channels of the previous layer's sums into vector memory A.

    Constants of single channels come as records.
    """
    records = len(params.alpha) > 1
    return {
        "op": int(Op.MEAN),
        "layer": layer,
        "count": count,
        "acc_shift": params.acc_shift,
        "alpha": 0 if records else int(params.alpha[0]),
        "beta": 0 if records else int(params.beta[0]),
        "shift": 0 if records else int(params.shift[0]),
        "records": int(records),
        "lo": params.lo,
        "hi": params.hi,
    }


def barrier(layer: int, count: int) -> Instruction:
    """A MEAN of zeros: holds the scalar queue until the previous layer used its constants."""
    fields = ("acc_shift", "alpha", "beta", "shift", "lo", "hi", "records")
    instruction = {"op": int(Op.MEAN), "layer": layer, "count": count}
    return instruction | dict.fromkeys(fields, 0)


def fully_connected(
    layer: int, dest: FcDest, shape: tuple[int, int], params: ScalarParams, wide: bool,
    config: AcceleratorConfig,
) -> Instruction:  # fmt: skip
    """FC of (inputs, outputs): the second SE layer reads vector memory B, others A."""
    inputs, outputs = shape
    return {
        "op": int(Op.FC),
        "layer": layer,
        "hidden": int(dest is FcDest.SCALE),
        "inputs": inputs,
        "steps": ceil_div(inputs, config.fc_inputs),
        "outputs": outputs,
        "acc_shift": params.acc_shift,
        "lo": params.lo,
        "hi": params.hi,
        "dest": int(dest),
        "wide": int(wide),
    }


def affine(layer: int, count: int) -> Instruction:
    """AFFINE: constants of `count` channels with the scale 1.0."""
    return {"op": int(Op.AFFINE), "layer": layer, "count": count}


def end(layer: int) -> Instruction:
    """END of the frame."""
    return {"op": int(Op.END), "layer": layer}
