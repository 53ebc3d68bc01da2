"""The arithmetic of docs/numerics.md as expressions of ONNX operators on int32.

Tensors are (N, C, H, W) or (N, C). Every function returns the name of its result and has a
counterpart of the same name in `hwflow.numerics`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hwflow import numerics
from hwflow.numerics import ScalarParams, VectorParams
from hwflow.onnx.scope import Scope

Ints = npt.NDArray[Any]


def column(values: Ints) -> Ints:
    """Constants of channels (C) as (C, 1, 1), to go with (N, C, H, W)."""
    return values.reshape(-1, 1, 1)


def shift_right(scope: Scope, name: str, x: str, k: Ints, *, rounded: bool) -> str:
    """Arithmetic shift: floor(x / 2**k), or rounded `rsr`, floor(x / 2**k + 1/2).

    ONNX shifts unsigned integers only, and its Div truncates. Mod with fmod = 0 has the divisor's
    sign: x - Mod(x, d) is the multiple of d at or below x, which Div divides without a rest.
    k: of x's type, at most 30 (int32) or 62 (int64); exact for every x, and where rounded for
    every x for which x + 2**(k-1) fits. Nothing is added for k = 0.
    """
    if not k.any():
        return x
    inner, divisor = scope.inner(name), np.left_shift(np.ones_like(k), k)
    d = inner.constant("divisor", divisor, "2**k")
    if rounded:
        x = inner.op("Add", "with_half", x, inner.constant("half", divisor // 2, "2**(k-1)"))
    rest = inner.op("Mod", "rest", x, d, fmod=0)
    whole = inner.op("Sub", "whole", x, rest)
    how = "floor(x / 2**k + 1/2)" if rounded else "floor(x / 2**k)"
    return scope.op("Div", name, whole, d, doc=f"arithmetic shift, {how}")


def clip(scope: Scope, name: str, x: str, lo: int, hi: int, doc: str = "") -> str:
    """Clamps x to lo..hi."""
    return scope.op("Clip", name, x, scope.number(lo), scope.number(hi), doc=doc)


def scalar(scope: Scope, name: str, x: str, c: ScalarParams, doc: str) -> str:
    """clamp((alpha * rsr(x, acc_shift) + beta) >> shift, lo, hi) of x (N, n)."""
    inner = scope.inner(name)
    acc_shift = np.array(c.acc_shift, np.int32)
    x = shift_right(inner, "x_shifted", x, acc_shift, rounded=True)
    x = inner.op("Mul", "scaled", x, inner.constant("alpha", c.alpha))
    x = inner.op("Add", "moved", x, inner.constant("beta", c.beta))
    x = shift_right(inner, "shifted", x, c.shift, rounded=False)
    return clip(scope, name, x, c.lo, c.hi, doc)


def vector_sum(
    scope: Scope, total: str, c: VectorParams, shortcuts: Sequence[tuple[str, int]]
) -> str:
    """The sum v of the accumulator `total` and of (shortcut, its shift to the left)."""
    acc_shift = np.array(c.acc_shift, np.int32)
    x = shift_right(scope, "S_shifted", total, acc_shift, rounded=True)
    x = scope.op("Mul", "S_scaled", x, scope.constant("alpha", column(c.alpha)))
    x = shift_right(scope, "S_rounded", x, column(c.alpha_shift), rounded=True)
    v = scope.op("Add", "v_convolution", x, scope.constant("beta", column(c.beta)))
    for name, (r, shift) in zip(("local", "long"), shortcuts, strict=False):
        if shift:
            factor = scope.number(1 << shift)
            r = scope.op("Mul", f"{name}_aligned", r, factor, doc=f"shortcut << {shift}")
        v = scope.op("Add", f"v_{name}", v, r, doc=f"v with the {name} shortcut")
    return v


def affine_pair(scope: Scope, s: str, c: VectorParams) -> tuple[str, str, str]:
    """(p, n, q) from the scale s, (N, C, 1, 1) or (C, 1, 1)."""
    slope_shift = np.array(numerics.SLOPE_SHIFT, np.int32)

    def product(name: str, values: Ints) -> str:
        return scope.op("Mul", f"{name}_scaled", s, scope.constant(name, column(values)))

    p = shift_right(scope, "p", product("pos", c.pos), slope_shift, rounded=True)
    n = shift_right(scope, "n", product("neg", c.neg), slope_shift, rounded=True)
    moved = product("bias_y", c.bias_y)
    moved = shift_right(scope, "bias_y_shifted", moved, column(c.bias_y_shift), rounded=True)
    q = scope.op("Sub", "q", scope.constant("offset", column(c.offset)), moved)
    return p, n, q


def vector_output(
    scope: Scope, v: str, c: VectorParams, pair: tuple[str, str, str], doc: str
) -> str:
    """Output y = sat(rsr(m*t, out_shift) + q) with t = sat18(v - bias_x), m = p if t >= 0 else n."""
    p, n, q = pair
    wide_t = scope.op("Sub", "t_wide", v, scope.constant("bias_x", column(c.bias_x)))
    t = clip(scope, "t", wide_t, *numerics.signed_range(numerics.T_BITS), "saturated to s18")
    positive = scope.op("GreaterOrEqual", "t_positive", t, scope.number(0))
    m = scope.op("Where", "m", positive, p, n, doc="DPReLU's slope with the SE's scale")
    x = scope.op("Mul", "mt", m, t)
    x = shift_right(scope, "mt_shifted", x, column(c.out_shift), rounded=True)
    x = scope.op("Add", "y_wide", x, q)
    return clip(scope, "y", x, *numerics.signed_range(c.out_bits), doc)


def channel_mean(
    scope: Scope, name: str, x: str, cin: int, cout: int, size: tuple[int, int]
) -> str:
    """Means of g = cin // cout consecutive channels of (N, cin, *size)."""
    inner, g = scope.inner(name), cin // cout
    if g * cout < cin:
        x = _slice(inner, "used", x, 1, 0, g * cout, 1)
    shape = inner.constant("shape", np.array([0, cout, g, *size], np.int64))
    x = inner.op("Reshape", "groups", x, shape)
    x = inner.op("ReduceSum", "sum", x, inner.axes(2), keepdims=0)
    x = inner.op("Mul", "scaled", x, inner.number(numerics.reciprocal(g)))
    shift = np.array(numerics.RECIPROCAL_SHIFT, np.int32)
    return shift_right(scope, name, x, shift, rounded=True)


def zero_extend(scope: Scope, name: str, x: str, channels: int) -> str:
    """`channels` channels of zeros appended."""
    pads = np.array([0, 0, 0, 0, 0, channels, 0, 0], np.int64)
    return scope.op("Pad", name, x, scope.constant(f"{name}/pads", pads))


def tile_channels(scope: Scope, name: str, x: str, cin: int, cout: int) -> str:
    """Output channel o reads channel o mod cin."""
    whole, rest = divmod(cout, cin)
    if not rest and whole == 1:
        return x
    last = [_slice(scope.inner(name), "rest", x, 1, 0, rest, 1)] if rest else []
    return scope.op("Concat", name, *[x] * whole, *last, axis=1)


def average_pool(scope: Scope, name: str, x: str, size: tuple[int, int], bits: int) -> str:
    """3x3 mean with stride 2 and SAME padding of (N, C, *size) of `bits` bits, always divided by 9."""
    inner = scope.inner(name)
    stride, window = numerics.POOL_STRIDE, numerics.POOL_SIZE
    (out_h, *pad_h), (out_w, *pad_w) = (numerics.same_padding(n, window, stride) for n in size)
    pads = np.array([0, 0, pad_h[0], pad_w[0], 0, 0, pad_h[1], pad_w[1]], np.int64)
    x = inner.op("Pad", "padded", x, inner.constant("pads", pads))
    for axis, along, out in ((2, "rows", out_h), (3, "columns", out_w)):
        end = stride * (out - 1) + 1
        taps = [_slice(inner, f"{along}_{i}", x, axis, i, end + i, stride) for i in range(window)]
        x = inner.op("Add", f"{along}_0_1", taps[0], taps[1])
        x = inner.op("Add", along, x, taps[2], doc=f"sum of three {along}")
    x = inner.op("Mul", "scaled", x, inner.number(numerics.POOL_RECIPROCAL))
    x = shift_right(inner, "ninth", x, np.array(numerics.RECIPROCAL_SHIFT, np.int32), rounded=True)
    lo, hi = numerics.signed_range(bits)
    return clip(scope, name, x, lo, hi, "3x3 mean, stride 2, always divided by 9")


def _slice(scope: Scope, name: str, x: str, axis: int, start: int, end: int, step: int) -> str:
    def number(value: int) -> str:
        return scope.axes(value)

    return scope.op("Slice", name, x, number(start), number(end), number(axis), number(step))
