"""Real constants to the integer constants of docs/numerics.md, with mantissas as wide as fit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from hwflow import numerics
from hwflow.errors import FlowError
from models.integer import checks
from models.integer.params import ScalarParams, VectorParams

Reals = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]


def round_half_up(x: Reals) -> npt.NDArray[np.int64]:
    """floor(x + 1/2)."""
    return np.floor(x + 0.5).astype(np.int64)


def to_field(layer: str, name: str, x: Reals, bits: int) -> Ints:
    """Rounds x to an integer field of `bits` bits; FlowError when it does not fit."""
    lo, hi = numerics.signed_range(bits)
    if not np.all(np.isfinite(x)):
        raise FlowError(f"{layer}: {name} is not finite; the float network is unusable")
    rounded = round_half_up(x)
    if rounded.min() < lo or rounded.max() > hi:
        worst = x[np.argmax(np.abs(x))]
        raise FlowError(f"{layer}: {name} is {worst:.6g} on its grid, expected {lo}..{hi}")
    return rounded.astype(np.int32)


def mantissas(
    layer: str, name: str, values: tuple[Reals, ...], limit: int
) -> tuple[tuple[Ints, ...], Ints]:
    """Rounded values * 2**shift, and the shift, per channel: the largest that keeps all <= limit.

    The values of one channel share the shift, 0..30. FlowError when shift 0 is too much already.
    """
    largest = np.max(np.abs(values), axis=0)
    if not np.all(np.isfinite(largest)) or np.any(round_half_up(largest) > limit):
        raise FlowError(f"{layer}: {name} reaches {largest.max():.6g}, expected at most {limit}")
    shift = np.zeros(largest.shape, np.int64)
    for candidate in range(1, numerics.MAX_SHIFT + 1):
        shift[round_half_up(largest * 2.0**candidate) <= limit] = candidate
    scaled = tuple(round_half_up(v * 2.0**shift).astype(np.int32) for v in values)
    return scaled, shift.astype(np.int32)


def acc_shift_for(largest: int) -> int:
    """The smallest shift that brings |accumulator| <= largest into s16."""
    shift = 0
    while (largest + ((1 << shift) >> 1)) >> shift > checks.S16:
        shift += 1
    return shift


@dataclass(frozen=True, kw_only=True)
class ScalarTarget:
    """Result wanted of `scalar`: clamp(gain * x + offset, lo, hi), to nearest or floored.

    gain, offset: float64[n]. acc_max: largest |x|, of any channel.
    """

    gain: Reals
    offset: Reals
    acc_max: int
    lo: int
    hi: int
    nearest: bool

    def params(self, layer: str, acc_shift: int | None = None) -> ScalarParams:
        """The integer constants; acc_shift is the smallest that fits unless it is given."""
        chosen = acc_shift_for(self.acc_max) if acc_shift is None else acc_shift
        x_max = float((self.acc_max + ((1 << chosen) >> 1)) >> chosen) + 1
        gain = self.gain * 2.0**chosen
        offset = self.offset + (0.5 if self.nearest else 0.0)
        reach = np.abs(gain) * x_max + np.abs(offset) + x_max
        if not np.all(np.isfinite(reach)) or np.any(reach >= checks.S32 / 2):
            raise FlowError(f"{layer}: gain {np.abs(self.gain).max():.6g} is too large")
        shift = np.zeros(gain.shape, np.int64)
        for candidate in range(numerics.MAX_SHIFT + 1):
            alpha = np.abs(round_half_up(gain * 2.0**candidate))
            total = alpha * x_max + np.abs(offset) * 2.0**candidate + 1
            shift[(alpha <= checks.S16) & (total <= checks.S32)] = candidate
        return ScalarParams(
            acc_shift=chosen,
            alpha=to_field(layer, "alpha", gain * 2.0**shift, 16),
            beta=to_field(layer, "beta", offset * 2.0**shift, 32),
            shift=shift.astype(np.int32),
            lo=self.lo,
            hi=self.hi,
        )


@dataclass(frozen=True, kw_only=True)
class Folded:
    """A layer in real numbers, float64[C], batch norms folded.

    v = gain*S + beta + shortcuts; t = v - bias_x;
    y = s * ((pos if t >= 0 else neg) * t - bias_y) + offset. sum_max: largest |S| (int64[C]).
    """

    gain: Reals
    beta: Reals
    bias_x: Reals
    pos: Reals
    neg: Reals
    bias_y: Reals
    offset: Reals
    sum_max: npt.NDArray[np.int64]

    def reach(self) -> Reals:
        """Largest |t| over all inputs, without shortcuts, float64[C]."""
        sums = np.abs(self.gain) * self.sum_max.astype(np.float64)
        return sums + np.abs(self.beta) + np.abs(self.bias_x)

    def with_whole_offset(self, y_scale: Reals) -> Folded:
        """The same layer with offset a whole number of steps of y, as the integer form has it.

        The rest, up to half a step, which counts on the coarse grid of an s8 output, moves into
        bias_x: exact on the steeper branch of the DPReLU, where most of the signal is, and off by
        rest * (1 - ratio of slopes) on the other. Only for layers without SE.
        """
        whole = np.floor(self.offset * y_scale + 0.5) / y_scale
        steeper = np.where(np.abs(self.pos) >= np.abs(self.neg), self.pos, self.neg)
        rest = self.offset - whole
        # A branch so flat that the step is out of its reach cannot carry the rest.
        carried = np.abs(rest) < np.abs(steeper) * self.reach()
        shift = np.divide(rest, steeper, out=np.zeros_like(rest), where=carried)
        return replace(self, bias_x=self.bias_x - shift, offset=whole)

    def params(
        self, layer: str, v_scale: float, y_scale: Reals | float, out_bits: int
    ) -> VectorParams:
        """Integer constants for v_scale steps of v and y_scale steps of y in a real 1.0.

        y_scale is common to all channels or float64[C].
        """
        acc_shift = acc_shift_for(int(self.sum_max.max()))
        gain = self.gain * 2.0**acc_shift * v_scale
        (alpha,), alpha_shift = mantissas(layer, "alpha", (gain,), checks.S16)
        # p = pos*s >> 17 is a quarter of pos at s = 1.0
        slope = 4.0 * y_scale / v_scale
        slopes, out_shift = mantissas(
            layer, "slope", (self.pos * slope, self.neg * slope), numerics.SLOPE_LIMIT
        )
        moved = self.bias_y * y_scale / numerics.SE_ONE
        (bias_y,), bias_y_shift = mantissas(layer, "bias_y", (moved,), checks.S16)
        return VectorParams(
            acc_shift=acc_shift,
            alpha=alpha,
            alpha_shift=alpha_shift,
            beta=to_field(layer, "beta", self.beta * v_scale, numerics.WIDE_BITS),
            bias_x=to_field(layer, "bias_x", self.bias_x * v_scale, numerics.WIDE_BITS),
            out_shift=out_shift,
            pos=slopes[0],
            neg=slopes[1],
            bias_y=bias_y,
            bias_y_shift=bias_y_shift,
            offset=to_field(layer, "offset", self.offset * y_scale, numerics.WIDE_BITS),
            out_bits=out_bits,
        )
