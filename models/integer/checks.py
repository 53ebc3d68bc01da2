"""Proof of docs/numerics.md from the parameters: shapes, field widths and every intermediate.

Bounds are worst cases over all inputs, computed in int64 from the actual weights.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hwflow import numerics
from hwflow.errors import FlowError

if TYPE_CHECKING:
    from models.integer import params

Wide = npt.NDArray[np.int64]
S16, S24, S32 = (1 << 15) - 1, (1 << 23) - 1, (1 << 31) - 1
S8_BITS, S8_MAX = 8, 128
MAX_PIXELS = (1 << 16) - 1
"""An int32 holds the sum of this many s16 values."""
HIDDEN_MAX = 15
SE_ACT_BITS = (4, 8)
"""Widths a squeeze-and-excite's mean can have."""
SE_WEIGHT_BITS = (4, 8)
"""Widths its weights can have."""


def stored_max(bits: int) -> int:
    """Largest magnitude of a stored element of `bits` bits."""
    return 1 << (bits - 1)


def shortcut_max(bits: int) -> int:
    """Largest of a shortcut: a mean of g values may round one beyond where round(2**15/g) * g > 2**15."""
    return stored_max(bits) + 1


def _fail(layer: str, quantity: str, found: object, expected: object) -> None:
    raise FlowError(f"{layer}: {quantity} is {found}, expected {expected}; export again")


def _equal(layer: str, quantity: str, found: object, expected: object) -> None:
    if found != expected:
        _fail(layer, quantity, found, expected)


def _within(layer: str, quantity: str, values: npt.ArrayLike, lo: int, hi: int) -> None:
    array = np.asarray(values)
    if array.size and (array.min() < lo or array.max() > hi):
        worst = array.min() if array.min() < lo else array.max()
        _fail(layer, quantity, int(worst), f"{lo}..{hi}")


def _array(layer: str, name: str, array: npt.NDArray[Any], dtype: str, *shape: int) -> None:
    if array.dtype.name != dtype or array.shape != shape:
        _fail(layer, name, f"{array.dtype.name}{list(array.shape)}", f"{dtype}{list(shape)}")


def _halved(x: Wide, shift: npt.ArrayLike) -> Wide:
    """`rsr` in int64."""
    k = np.asarray(shift, np.int64)
    return (x + ((1 << k) >> 1)) >> k


def check_scalar(layer: str, c: params.ScalarParams, lowest: Wide, highest: Wide, n: int) -> None:
    """`scalar` on accumulators lowest..highest (int64[n] or [1])."""
    for name in ("alpha", "beta", "shift"):
        _array(layer, name, getattr(c, name), "int32", n)
    _within(layer, "acc_shift", c.acc_shift, 0, numerics.MAX_SHIFT)
    _within(layer, "shift", c.shift, 0, numerics.MAX_SHIFT)
    _within(layer, "alpha", c.alpha, -S16 - 1, S16)
    if c.lo > c.hi:
        _fail(layer, "lo", c.lo, f"<= hi = {c.hi}")
    half = (1 << c.acc_shift) >> 1
    _within(layer, "rounded accumulator", [lowest.min(), highest.max() + half], -S32 - 1, S32)
    ends = np.stack([_halved(lowest, c.acc_shift), _halved(highest, c.acc_shift)])
    _within(layer, "shifted accumulator", ends, -S16 - 1, S16)
    product = np.abs(ends).max(axis=0) * np.abs(c.alpha.astype(np.int64))
    total = product + np.abs(c.beta.astype(np.int64))
    _within(layer, "|alpha*x'| + |beta|", total, 0, S32)


def check_mean(
    layer: str,
    c: params.ScalarParams,
    shape: params.Shape,
    bits: int,
    limit: int,
    channels: int = 1,
) -> None:
    """The mean over a map of `shape` of `bits` bits, to -limit..limit; constants of `channels`."""
    pixels = shape[0] * shape[1]
    _within(layer, "pixels of the mean", pixels, 1, MAX_PIXELS)
    _equal(layer, "acc_shift", c.acc_shift, mean_shift(pixels, bits))
    _equal(layer, "range", (c.lo, c.hi), (-limit, limit))
    ends = np.array([pixels], np.int64)
    lo, hi = numerics.signed_range(bits)
    check_scalar(layer, c, lo * ends, hi * ends, channels)


def mean_shift(pixels: int, bits: int) -> int:
    """The shift that brings any sum of `pixels` values of `bits` bits into s16: ceil(log2(pixels)) for s16 values."""
    return max(math.ceil(math.log2(pixels)) - (numerics.STORED_BITS - bits), 0)


def check_vector(
    layer: str, c: params.VectorParams, sum_max: Wide, shortcuts: int, channels: int
) -> None:
    """The vector arithmetic for |S| <= sum_max (int64[C]) and shifted shortcuts <= shortcuts."""
    per_channel = "alpha alpha_shift beta bias_x out_shift pos neg bias_y bias_y_shift offset"
    for name in per_channel.split():
        _array(layer, name, getattr(c, name), "int32", channels)
    _within(layer, "acc_shift", c.acc_shift, 0, numerics.MAX_SHIFT)
    for name in ("alpha_shift", "out_shift", "bias_y_shift"):
        _within(layer, name, getattr(c, name), 0, numerics.MAX_SHIFT)
    for name in ("alpha", "bias_y"):
        _within(layer, name, getattr(c, name), -S16 - 1, S16)
    for name in ("beta", "bias_x", "offset"):
        _within(layer, name, getattr(c, name), -S24 - 1, S24)
    for name in ("pos", "neg"):
        _within(layer, name, getattr(c, name), -numerics.SLOPE_LIMIT, numerics.SLOPE_LIMIT)
    _within(layer, "|S|", sum_max, 0, S24)
    shifted = _halved(sum_max, c.acc_shift)
    _within(layer, "shifted accumulator", shifted, 0, S16)
    scaled = _halved(np.abs(c.alpha.astype(np.int64)) * shifted, c.alpha_shift)
    v = scaled + np.abs(c.beta.astype(np.int64)) + shortcuts
    _within(layer, "|v|", v, 0, S24)
    moved = _halved(np.abs(c.bias_y.astype(np.int64)) * numerics.SE_ONE, c.bias_y_shift)
    _within(layer, "|q|", np.abs(c.offset.astype(np.int64)) + moved, 0, S24)


def check_se(
    layer: str, se: params.SEParams, cin: int, cout: int, in_shape: params.Shape, bits: int
) -> None:
    """Squeeze-and-excite of a map of in_shape, values of `bits` bits, for cout channels."""
    hidden = se.fc1_weights.shape[-1] if se.fc1_weights.ndim == 2 else 0
    _within(layer, "hidden channels", hidden, 1, 1 << 16)
    if se.weight_bits not in SE_WEIGHT_BITS:
        _fail(layer, "weight_bits", se.weight_bits, " or ".join(map(str, SE_WEIGHT_BITS)))
    if se.act_bits not in SE_ACT_BITS:
        _fail(layer, "act_bits", se.act_bits, " or ".join(map(str, SE_ACT_BITS)))
    _array(layer, "fc1_weights", se.fc1_weights, "int8", cin, hidden)
    _array(layer, "fc2_weights", se.fc2_weights, "int8", hidden, cout)
    lo, hi = numerics.signed_range(se.weight_bits)
    _within(layer, "fc1_weights", se.fc1_weights, lo, hi)
    _within(layer, "fc2_weights", se.fc2_weights, lo, hi)
    limit = (1 << (se.act_bits - 1)) - 1
    channels = 1 if len(se.mean.alpha) == 1 else cin
    check_mean(f"{layer} mean", se.mean, in_shape, bits, limit, channels)
    first = limit * np.abs(se.fc1_weights.astype(np.int64)).sum(axis=0)
    _within(f"{layer} fc1", "|accumulator|", first, 0, S32)
    _equal(f"{layer} fc1", "range", (se.fc1.lo, se.fc1.hi), (0, HIDDEN_MAX))
    check_scalar(f"{layer} fc1", se.fc1, -first, first, hidden)
    wide = se.fc2_weights.astype(np.int64)
    highest = HIDDEN_MAX * np.maximum(wide, 0).sum(axis=0)
    lowest = HIDDEN_MAX * np.minimum(wide, 0).sum(axis=0)
    _within(f"{layer} fc2", "accumulator", [lowest, highest], -S32 - 1, S32)
    _equal(f"{layer} fc2", "range", (se.fc2.lo, se.fc2.hi), (0, numerics.SE_ONE))
    check_scalar(f"{layer} fc2", se.fc2, lowest, highest, cout)


def check_init(network: params.IntegerNetwork) -> None:
    """The input table and both PokeInit convolutions."""
    height, width, c = network.image_shape
    s = network.init_stride
    _within("image", "shape", network.image_shape, 1, 1 << 15)
    _within("image", "init_stride", s, 1, min(height, width))
    _equal("image", "height and width modulo init_stride", (height % s, width % s), (0, 0))
    _array("image", "input_table", network.input_table, "int8", 256, c)
    shape: params.Shape = (height // s, width // s, s * s * c)
    widths = (S8_BITS, network.residual_bits)
    allowed = numerics.RESIDUAL_BITS
    _within("network", "residual_bits", network.residual_bits, allowed.start, allowed[-1])
    for conv, padding, bits in zip(network.init, ("VALID", "SAME"), widths, strict=True):
        layer, cout = conv.name, conv.out_shape[2]
        _equal(layer, "padding", conv.padding, padding)
        _equal(layer, "in_shape", conv.in_shape, shape)
        lost = conv.kernel - 1 if padding == "VALID" else 0
        _equal(layer, "out_shape", conv.out_shape, (shape[0] - lost, shape[1] - lost, cout))
        _within(layer, "out_shape", conv.out_shape, 1, 1 << 16)
        _within(layer, "groups", conv.groups, 1, shape[2])
        rest = (shape[2] % conv.groups, cout % conv.groups)
        _equal(layer, "channels modulo groups", rest, (0, 0))
        taps = (conv.kernel, conv.kernel, shape[2] // conv.groups, cout)
        _array(layer, "weights", conv.weights, "int8", *taps)
        _equal(layer, "out_bits", conv.vector.out_bits, bits)
        sums = S8_MAX * np.abs(conv.weights.astype(np.int64)).sum(axis=(0, 1, 2))
        check_vector(layer, conv.vector, sums, 0, cout)
        shape = conv.out_shape


def check_conv(
    conv: params.PokeConvParams,
    previous: params.PokeConvParams | None,
    start: params.PokeConvParams,
    bits: int,
) -> None:
    """One PokeConv after `previous`, in the block whose first convolution is `start`, values of `bits` bits."""
    layer, k, (height, width, cin) = conv.name, conv.kernel, conv.in_shape
    cout = conv.out_shape[2]
    if conv.stride not in (1, 2):
        _fail(layer, "stride", conv.stride, "1 or 2")
    if k < 1 or k % 2 == 0:
        _fail(layer, "kernel", k, "an odd number")
    if previous is not None:
        _equal(layer, "in_shape", conv.in_shape, previous.out_shape)
        _equal(layer, "in_exponent", conv.in_exponent, previous.out_exponent)
    size = tuple(numerics.same_padding(n, k, conv.stride)[0] for n in (height, width))
    _equal(layer, "out_shape", conv.out_shape, (*size, cout))
    _within(layer, "out_shape", conv.out_shape, 1, 1 << 16)
    _array(layer, "weights", conv.weights, "bool", k, k, cin, cout)
    local = "mean" if cin > cout else "pad" if cin < cout else "identity"
    _equal(layer, "local", conv.local, local)
    _equal(layer, "local_group", conv.local_group, max(cin // cout, 1))
    _equal(layer, "pool_local", conv.pool_local, size != (height, width))
    _within(layer, "r_shift", conv.r_shift, 0, 23)
    _equal(layer, "r_shift", conv.r_shift, conv.v_exponent - conv.in_exponent)
    shortcuts = shortcut_max(bits) << conv.r_shift
    if conv.r1_shift is None or conv.long_channels is None:
        _equal(layer, "long shortcut", (conv.r1_shift, conv.long_channels), (None, None))
        _equal(layer, "pool_long", conv.pool_long, False)
    else:
        _equal(layer, "long_channels", conv.long_channels, start.in_shape[2])
        _equal(layer, "pool_long", conv.pool_long, size != start.in_shape[:2])
        _within(layer, "r1_shift", conv.r1_shift, 0, 23)
        _equal(layer, "r1_shift", conv.r1_shift, conv.v_exponent - start.in_exponent)
        shortcuts += shortcut_max(bits) << conv.r1_shift
        if conv.pool_long:
            halves = tuple(numerics.same_padding(n, 3, 2)[0] for n in start.in_shape[:2])
            _equal(layer, "size of the pooled long shortcut", halves, size)
    _equal(layer, "out_bits", conv.vector.out_bits, bits)
    sums = np.full(cout, k * k * cin, np.int64)
    check_vector(layer, conv.vector, sums, shortcuts, cout)
    check_se(f"{layer} SE", conv.se, cin, cout, conv.in_shape, bits)


def check_dense(network: params.IntegerNetwork) -> None:
    """The last mean and the dense layer."""
    dense, shape = network.dense, network.convs[-1].out_shape
    _within("dense", "classes", network.classes, 2, 1 << 16)
    check_mean("dense mean", dense.mean, shape, network.residual_bits, 127)
    _array("dense", "weights", dense.weights, "int8", shape[2], network.classes)
    sums = 127 * np.abs(dense.weights.astype(np.int64)).sum(axis=0)
    _within("dense", "|accumulator|", sums, 0, S32)
    _equal("dense", "range", (dense.logits.lo, dense.logits.hi), numerics.signed_range(24))
    check_scalar("dense", dense.logits, -sums, sums, network.classes)


def validate_network(network: params.IntegerNetwork) -> None:
    """Raises FlowError with the first layer, quantity and bound that is not met."""
    check_init(network)
    _within("network", "number of PokeConvs", len(network.convs), 1, 1 << 12)
    _equal(network.convs[0].name, "in_shape", network.convs[0].in_shape, network.init[1].out_shape)
    previous: params.PokeConvParams | None = None
    start = network.convs[0]
    for conv in network.convs:
        if previous is None or conv.block != previous.block:
            start = conv
        check_conv(conv, previous, start, network.residual_bits)
        previous = conv
    check_dense(network)
