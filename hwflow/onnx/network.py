"""Conversion of an `IntegerNetwork`: image uint8 (N, H, W, c) in, logits int32 (N, classes) out.

Inside, tensors are (N, C, H, W). docs/interchange.md has the mapping.
"""

from __future__ import annotations

import importlib.metadata
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto, TensorProto, helper

from hwflow import numerics
from hwflow.onnx import arithmetic
from hwflow.onnx.scope import Scope
from models.integer.params import (
    DenseParams,
    InitConvParams,
    IntegerNetwork,
    PokeConvParams,
    SEParams,
)

OPSET = 17
"""Version of the standard operators."""
IR_VERSION = 8
"""Version of the file format; the first that is made for this operator set."""
ZERO_POINT = 128
"""What stands for 0 in operands of 8-bit convolutions: stored as uint8, value + 128."""
IMAGE, LOGITS, FEATURES = "image", "logits", "features"
Ints = npt.NDArray[Any]


def value_names(network: IntegerNetwork) -> tuple[str, ...]:
    """Names of every layer's stored values, in execution order, the logits last.

    (N, C, H, W): `LAYER/y`. (N, C): a squeeze-and-excite's `LAYER/mean`, `LAYER/hidden` and
    `LAYER/scale`, and `features`.
    """
    init = [f"{conv.name}/y" for conv in network.init]
    convs = [
        f"{conv.name}/{value}"
        for conv in network.convs
        for value in ("mean", "hidden", "scale", "y")
    ]
    return (*init, *convs, FEATURES, LOGITS)


def build_model(network: IntegerNetwork, *, layers: bool = False) -> ModelProto:
    """The network as a checked ONNX model; the same network gives the same model.

    layers: every value of `value_names` is an output, not only the logits.
    """
    graph = Scope()
    x = _input(graph, network)
    for conv in network.init:
        x = _init_conv(graph.inner(conv.name), conv, x)
    size = network.init[1].out_shape
    block, start, start_shape = None, x, size
    for conv in network.convs:
        if conv.block != block:
            block, start, start_shape = conv.block, x, conv.in_shape
        x = _poke_conv(graph.inner(conv.name), conv, x, start, start_shape)
    logits = _dense(graph, network.dense, x)
    shape = ["N", *network.image_shape]
    image = helper.make_tensor_value_info(
        IMAGE, TensorProto.UINT8, shape, "pixels 0..255: batch, rows, columns, channels"
    )
    output = helper.make_tensor_value_info(
        logits, TensorProto.INT32, ["N", network.classes], _logits_doc(network.dense)
    )
    proto = helper.make_graph(
        graph.nodes, network.name, [image], [output], list(graph.initialisers.values())
    )
    version = importlib.metadata.version("hwflow")
    model = helper.make_model(
        proto,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="hwflow",
        producer_version=version,
        doc_string=f"integer network {network.name}, every value exact; docs/interchange.md",
    )
    helper.set_model_props(
        model,
        {
            "hwflow.network": network.name,
            "hwflow.network_sha256": network.content_hash(),
            "hwflow.version": version,
        },
    )
    return _finished(model, network, layers)


def serialise(model: ModelProto) -> bytes:
    """The file's bytes, the same for the same model."""
    return model.SerializeToString(deterministic=True)


def add_outputs(model: ModelProto, names: tuple[str, ...]) -> None:
    """Makes values with known shapes outputs, in front of those there are."""
    known = {value.name: value for value in model.graph.value_info}
    there = list(model.graph.output)
    del model.graph.output[:]
    model.graph.output.extend(known[name] for name in names if name in known)
    model.graph.output.extend(there)
    left = [value for name, value in known.items() if name not in names]
    del model.graph.value_info[:]
    model.graph.value_info.extend(left)


def _finished(model: ModelProto, network: IntegerNetwork, layers: bool) -> ModelProto:
    """The model with the shape of every value, checked."""
    model = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    meanings = _stored_docs(network)
    for value in model.graph.value_info:
        value.doc_string = meanings.get(value.name, "")
    if layers:
        add_outputs(model, value_names(network))
    onnx.checker.check_model(model, full_check=True)
    return model


def _stored_docs(network: IntegerNetwork) -> dict[str, str]:
    first, second = network.init
    docs = {
        f"{first.name}/y": "stored s8",
        f"{second.name}/y": _stored_doc(network.convs[0].in_exponent, second.vector),
    }
    return docs | {f"{c.name}/y": _stored_doc(c.out_exponent, c.vector) for c in network.convs}


def _stored_doc(exponent: int, vector: numerics.VectorParams) -> str:
    return f"stored s{vector.out_bits} X, its value is X * 2**-{exponent}"


def _logits_doc(dense: DenseParams) -> str:
    return f"s24 L, its value is L * 2**-{dense.logit_exponent}"


def _input(graph: Scope, network: IntegerNetwork) -> str:
    """Image to the first convolution's input, uint8 with zero point 128."""
    scope = graph.inner("input")
    channels = network.image_shape[2]
    x = scope.op("Transpose", "planes", IMAGE, perm=[0, 3, 1, 2])
    x = scope.op("Cast", "pixels", x, to=TensorProto.INT32)
    if channels > 1:
        x = scope.op("Mul", "rows", x, scope.number(channels))
        offsets = arithmetic.column(np.arange(channels, dtype=np.int32))
        x = scope.op("Add", "places", x, scope.constant("channels", offsets))
    doc = f"input_table + {ZERO_POINT}, place pixel * channels + channel"
    table = scope.constant("table", _with_zero_point(network.input_table).ravel(), doc)
    x = scope.op("Gather", "mapped", table, x, axis=0)
    if network.init_stride == 1:
        return x
    return scope.op("SpaceToDepth", "blocks", x, blocksize=network.init_stride)


def _with_zero_point(values: Ints) -> npt.NDArray[np.uint8]:
    return (values.astype(np.int32) + ZERO_POINT).astype(np.uint8)


def _kernel(weights: Ints) -> Ints:
    """(k, k, Cin, Cout) as ONNX's (Cout, Cin, k, k)."""
    return weights.transpose(3, 2, 0, 1)


def _pads(shape: tuple[int, int, int], kernel: int, stride: int) -> list[int]:
    """SAME padding as ONNX's (top, left, bottom, right)."""
    (_, *rows), (_, *columns) = (numerics.same_padding(n, kernel, stride) for n in shape[:2])
    return [rows[0], columns[0], rows[1], columns[1]]


def _init_conv(scope: Scope, conv: InitConvParams, x: str) -> str:
    """One PokeInit convolution; x: uint8 with zero point, or int32 of the layer before."""
    if conv.padding == "SAME":
        x = scope.op("Add", "x_moved", x, scope.number(ZERO_POINT))
        x = scope.op("Cast", "x_uint8", x, to=TensorProto.UINT8)
    zero = scope.common("zero_point", np.array(ZERO_POINT, np.uint8))
    weights = _with_zero_point(_kernel(conv.weights))
    total = scope.op(
        "ConvInteger",
        "S",
        x,
        scope.constant("weights", weights, f"s8 weight + {ZERO_POINT}; out, in, y, x"),
        zero,
        zero,
        doc="accumulator; a padded tap adds 0",
        group=conv.groups,
        kernel_shape=[conv.kernel, conv.kernel],
        pads=_pads(conv.in_shape, conv.kernel, 1) if conv.padding == "SAME" else [0, 0, 0, 0],
        strides=[1, 1],
    )
    v = arithmetic.vector_sum(scope, total, conv.vector, ())
    one = np.full(conv.vector.pos.shape, numerics.SE_ONE, np.int32)
    scale = scope.constant("scale", arithmetic.column(one), "1.0: no squeeze-and-excite")
    pair = arithmetic.affine_pair(scope, scale, conv.vector)
    doc = f"stored s{conv.vector.out_bits}"
    return arithmetic.vector_output(scope, v, conv.vector, pair, doc)


def _poke_conv(
    scope: Scope, conv: PokeConvParams, x: str, start: str, start_shape: tuple[int, int, int]
) -> str:
    """One PokeConv of x; start: the block's input, of start_shape."""
    positive = scope.op("GreaterOrEqual", "x_positive", x, scope.number(0))
    plus, minus = (scope.common(f"sign_{n}", np.array(n, np.int8)) for n in (1, -1))
    signs = scope.op("Where", "signs", positive, plus, minus, doc="+1 or -1; that of 0 is +1")
    weights = np.where(_kernel(conv.weights), np.int8(1), np.int8(-1))
    total = scope.op(
        "ConvInteger",
        "S",
        signs,
        scope.constant("weights", weights, "+1 or -1; out, in, y, x"),
        doc="accumulator of the binary convolution; a padded tap adds 0, neither +1 nor -1",
        kernel_shape=[conv.kernel, conv.kernel],
        pads=_pads(conv.in_shape, conv.kernel, conv.stride),
        strides=[conv.stride, conv.stride],
    )
    scale = _squeeze_excite(scope, conv.se, x)
    shortcuts = [(_local(scope, conv, x), conv.r_shift)]
    if conv.r1_shift is not None:
        shortcuts.append((_long(scope, conv, start, start_shape), conv.r1_shift))
    v = arithmetic.vector_sum(scope, total, conv.vector, shortcuts)
    s = scope.op("Unsqueeze", "scale_planes", scale, scope.axes(2, 3))
    pair = arithmetic.affine_pair(scope, s, conv.vector)
    doc = _stored_doc(conv.out_exponent, conv.vector)
    return arithmetic.vector_output(scope, v, conv.vector, pair, doc)


def _pixel_sum(scope: Scope, x: str) -> str:
    doc = "exact sum over the pixels"
    return scope.op("ReduceSum", "sums", x, scope.axes(2, 3), doc=doc, keepdims=0)


def _matrix(scope: Scope, name: str, x: str, weights: Ints) -> str:
    """Product of int32 (N, K) with int8 (K, O): int32, exact."""
    inner = scope.inner(name)
    stored = inner.constant("weights", weights, "in, out")
    wide = inner.op("Cast", "weights_int32", stored, to=TensorProto.INT32)
    return inner.op("MatMul", "sum", x, wide)


def _squeeze_excite(scope: Scope, se: SEParams, x: str) -> str:
    sums = _pixel_sum(scope, x)
    mean = arithmetic.scalar(scope, "mean", sums, se.mean, f"SE's mean, s{se.act_bits}")
    total = _matrix(scope, "fc1", mean, se.fc1_weights)
    hidden = arithmetic.scalar(scope, "hidden", total, se.fc1, "SE's hidden values, u4")
    total = _matrix(scope, "fc2", hidden, se.fc2_weights)
    return arithmetic.scalar(scope, "scale", total, se.fc2, "SE's scale, u16, 1.0 = 2**15")


def _local(scope: Scope, conv: PokeConvParams, x: str) -> str:
    (height, width, cin), cout = conv.in_shape, conv.out_shape[2]
    if conv.local == "mean":
        x = arithmetic.channel_mean(scope, "local_mean", x, cin, cout, (height, width))
    elif conv.local == "pad":
        x = arithmetic.zero_extend(scope, "local_extended", x, cout - cin)
    if conv.pool_local:
        x = arithmetic.average_pool(scope, "local_pooled", x, (height, width), conv.vector.out_bits)
    return x


def _long(scope: Scope, conv: PokeConvParams, r1: str, shape: tuple[int, int, int]) -> str:
    (height, width, cin), cout = shape, conv.out_shape[2]
    if cin > cout:
        r1 = arithmetic.channel_mean(scope, "long_mean", r1, cin, cout, (height, width))
        cin = cout
    if conv.pool_long:
        r1 = arithmetic.average_pool(
            scope, "long_pooled", r1, (height, width), conv.vector.out_bits
        )
    return arithmetic.tile_channels(scope, "long_tiled", r1, cin, cout)


def _dense(graph: Scope, dense: DenseParams, x: str) -> str:
    scope = graph.inner("dense")
    sums = _pixel_sum(scope, x)
    features = arithmetic.scalar(graph, FEATURES, sums, dense.mean, "s8 means over the pixels")
    total = _matrix(graph, "dense", features, dense.weights)
    return arithmetic.scalar(graph, LOGITS, total, dense.logits, _logits_doc(dense))
