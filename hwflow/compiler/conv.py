"""CONV instructions from the network's layers and their tensors."""

from __future__ import annotations

from hwflow import numerics
from hwflow.compiler.plan import LayerPlan
from hwflow.config import AcceleratorConfig
from hwflow.errors import FlowError
from hwflow.isa import Op, Residual, Store
from hwflow.memories import Memory, Tensor, ceil_div
from models.integer.params import InitConvParams, PokeConvParams

MAX_GROUP_SHIFT = 3

Instruction = dict[str, int]

_RESIDUAL = {Memory.MAIN: Residual.MAIN, Memory.SIDE: Residual.SIDE, Memory.POOL: Residual.POOL}
_STORE = {
    Memory.MAIN: Store.MAIN,
    Memory.SIDE: Store.SIDE,
    Memory.BYTE: Store.BYTES,
    Memory.POOL: Store.POOL,
}


def _operand(prefix: str, tensor: Tensor | None, shift: int) -> Instruction:
    return {
        f"{prefix}_src": int(Residual.NONE if tensor is None else _RESIDUAL[tensor.memory]),
        f"{prefix}_base": 0 if tensor is None else tensor.base,
        f"{prefix}_groups": 0 if tensor is None else tensor.words,
        f"{prefix}_shift": 0 if tensor is None else shift,
    }


def _shortcuts(layer: LayerPlan, r_shift: int, r1_shift: int) -> Instruction:
    main = [t for t in (layer.r, layer.r1) if t is not None and t.memory is Memory.MAIN]
    return {
        **_operand("r", layer.r, r_shift),
        **_operand("r1", layer.r1, r1_shift),
        "main_pitch": main[0].pitch if main else 0,
    }


def _tiling(config: AcceleratorConfig, source: Tensor, output: Tensor, stride: int) -> Instruction:
    """Linear tiles where the input and output pixels have the same slots, else row-aligned ones."""
    linear = stride == 1 and source.width == output.width and source.height == output.height
    slots = output.height * output.width
    rows = config.rows
    return {
        "row_aligned": int(not linear),
        "tiles": ceil_div(slots, rows) if linear else output.height * ceil_div(output.width, rows),
        "row_div": rows // output.width if linear else 0,
        "row_mod": rows % output.width if linear else 0,
    }


def _outputs(config: AcceleratorConfig, layer: LayerPlan) -> Instruction:
    output, bits, mean, pool = layer.output, layer.bits, layer.mean, layer.pool
    size, stride = numerics.POOL_SIZE, numerics.POOL_STRIDE
    pool_top = numerics.same_padding(output.height, size, stride)[1]
    pool_left = numerics.same_padding(output.width, size, stride)[1]
    groups = ceil_div(layer.channels, config.cols)
    store = Store.MEANS if layer.store_shift else _STORE[output.memory]
    return {
        "groups": groups,
        "last_cols": layer.channels - (groups - 1) * config.cols,
        "store": int(store if output.stored else Store.NONE),
        "store_shift": layer.store_shift,
        "store_base": output.base,
        "store_pitch": output.pitch,
        "spill_address": output.spill if output.spilled else 0,
        "bits_en": int(bits is not None),
        "bits_base": bits.base if bits else 0,
        "bits_words": bits.words if bits else 0,
        "mean_en": int(mean is not None),
        "mean_shift": layer.mean_shift if mean else 0,
        "mean_main": int(mean is not None and mean.memory is Memory.MAIN),
        "mean_base": mean.base if mean else 0,
        "mean_groups": mean.pitch if mean else 0,
        "pool_en": int(pool is not None),
        "pool_base": pool.base if pool else 0,
        "pool_top": pool_top if pool else 0,
        "pool_left": pool_left if pool else 0,
        "pool_h": pool.height if pool else 0,
        "pool_w": pool.width if pool else 0,
        "sums_en": 1,
        "interval": config.row_groups,
        "heads_en": int(layer.head_base is not None),
        "head_base": layer.head_base or 0,
        "r1_last": _last_columns(layer.r1, config),
        "r1_head_base": layer.r1_head_base or 0,
    }


def _last_columns(tensor: Tensor | None, config: AcceleratorConfig) -> int:
    """Valid channels of a residual tensor's last word, 0 without a tensor."""
    return 0 if tensor is None else tensor.channels - (tensor.words - 1) * config.cols


def _geometry(layer: LayerPlan, kernel: int, stride: int, pads: tuple[int, int]) -> Instruction:
    source, output = layer.source, layer.output
    return {
        "op": int(Op.CONV),
        "layer": layer.number,
        "in_h": source.height,
        "in_w": source.width,
        "out_h": output.height,
        "out_w": output.width,
        "kernel": kernel,
        "stride2": int(stride == 2),
        "pad_top": pads[0],
        "pad_left": pads[1],
        "src_base": source.base,
        "src_words": source.words,
    }


def poke_conv(conv: PokeConvParams, layer: LayerPlan, config: AcceleratorConfig) -> Instruction:
    """CONV of a PokeConv on the binary array."""
    height, width, cin = conv.in_shape
    pads = tuple(numerics.same_padding(n, conv.kernel, conv.stride)[1] for n in (height, width))
    words = ceil_div(cin, config.popcount_width)
    return {
        **_geometry(layer, conv.kernel, conv.stride, (pads[0], pads[1])),
        **_tiling(config, layer.source, layer.output, conv.stride),
        "mac": 0,
        "grouped": 0,
        "group_shift": 0,
        "words": words,
        "last_k": cin - (words - 1) * config.popcount_width,
        "weight_words": conv.kernel * conv.kernel * words,
        "acc_shift": conv.vector.acc_shift,
        **_shortcuts(layer, conv.r_shift, conv.r1_shift or 0),
        **_outputs(config, layer),
    }


def init_conv(conv: InitConvParams, layer: LayerPlan, config: AcceleratorConfig) -> Instruction:
    """CONV of one of PokeInit's convolutions on the MAC array.

    Raises:
        FlowError: channel groups that the MAC array cannot do.
    """
    height, width, cin = conv.in_shape
    shift = (conv.out_shape[2] // conv.groups).bit_length() - 1
    if conv.groups > 1 and (
        conv.groups != cin or conv.out_shape[2] != cin << shift or shift > MAX_GROUP_SHIFT
    ):
        raise FlowError(
            f"{conv.name}: {cin} channels in {conv.groups} groups giving {conv.out_shape[2]}; the "
            f"MAC array does 1 group, or one per input channel with 1, 2, 4 or 8 outputs each; "
            f"choose such groups"
        )
    pads = (0, 0)
    if conv.padding == "SAME":
        pads = (
            numerics.same_padding(height, conv.kernel, 1)[1],
            numerics.same_padding(width, conv.kernel, 1)[1],
        )
    grouped = conv.groups > 1
    words = 1 if grouped else ceil_div(cin, config.mac_depth)
    return {
        **_geometry(layer, conv.kernel, 1, pads),
        **_tiling(config, layer.source, layer.output, 1),
        "mac": 1,
        "grouped": int(grouped),
        "group_shift": shift if grouped else 0,
        "words": words,
        "last_k": 1 if grouped else cin - (words - 1) * config.mac_depth,
        "weight_words": ceil_div(conv.kernel * conv.kernel * words, config.rows),
        "acc_shift": conv.vector.acc_shift,
        **_shortcuts(layer, 0, 0),
        **_outputs(config, layer),
    }
