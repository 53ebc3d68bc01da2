"""The integer arithmetic against Python integers, and the signature against zlib."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from fractions import Fraction
from math import floor
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hwflow import numerics
from hwflow.numerics import ScalarParams, VectorParams

LIBRARIES: list[Callable[[Any], Any]] = [np.asarray, jnp.asarray]
S16 = st.integers(-(1 << 15), (1 << 15) - 1)
SHIFT = st.integers(0, 30)


def i32(*values: int) -> npt.NDArray[np.int32]:
    return np.array(values, np.int32)


def half_up(value: Fraction) -> int:
    return floor(value + Fraction(1, 2))


def clamp(value: int, bits: int) -> int:
    return max(-(1 << (bits - 1)), min((1 << (bits - 1)) - 1, value))


@given(x=st.integers(-(1 << 30), (1 << 30) - 1), k=SHIFT)
def test_rsr_rounds_half_up(x: int, k: int) -> None:
    wanted = half_up(Fraction(x, 1 << k))
    assert numerics.rsr(i32(x), k) == wanted
    assert numerics.rsr(i32(x), i32(k)) == wanted


def test_rsr_sends_halves_towards_plus_infinity() -> None:
    found = numerics.rsr(i32(-3, -2, -1, 0, 1, 2, 3), 1)
    assert found.tolist() == [-1, -1, 0, 0, 1, 1, 2]
    assert numerics.rsr(i32(-7, 7), 0).tolist() == [-7, 7]


@pytest.mark.parametrize("library", LIBRARIES)
@given(x=st.integers(-(1 << 31), (1 << 31) - 1), bits=st.sampled_from([4, 8, 16, 18, 24]))
@settings(max_examples=30)
def test_saturate_clamps(library: Callable[[Any], Any], x: int, bits: int) -> None:
    assert int(numerics.saturate(library(i32(x)), bits)[0]) == clamp(x, bits)


@given(
    x=st.integers(-(1 << 22), 1 << 22),
    acc_shift=st.integers(8, 20),
    alpha=S16,
    beta=st.integers(-(1 << 30), (1 << 30) - 1),
    shift=SHIFT,
    limits=st.tuples(st.integers(-(1 << 23), 0), st.integers(0, 1 << 23)),
)
def test_scalar(
    x: int, acc_shift: int, alpha: int, beta: int, shift: int, limits: tuple[int, int]
) -> None:
    constants = ScalarParams(
        acc_shift=acc_shift,
        alpha=i32(alpha),
        beta=i32(beta),
        shift=i32(shift),
        lo=limits[0],
        hi=limits[1],
    )
    moved = half_up(Fraction(x, 1 << acc_shift))
    wanted = min(max((alpha * moved + beta) >> shift, limits[0]), limits[1])
    assert numerics.scalar(i32(x), constants)[0] == wanted


@st.composite
def vector_constants(draw: st.DrawFn) -> VectorParams:
    def field(lo: int, hi: int) -> npt.NDArray[np.int32]:
        return i32(draw(st.integers(lo, hi)))

    slope = numerics.SLOPE_LIMIT
    return VectorParams(
        acc_shift=draw(st.integers(0, 8)),
        alpha=field(-(1 << 15), (1 << 15) - 1),
        alpha_shift=field(10, 30),
        beta=field(-(1 << 20), 1 << 20),
        bias_x=field(-(1 << 20), 1 << 20),
        out_shift=field(0, 30),
        pos=field(-slope, slope),
        neg=field(-slope, slope),
        bias_y=field(-(1 << 15), (1 << 15) - 1),
        bias_y_shift=field(8, 30),
        offset=field(-(1 << 20), 1 << 20),
        out_bits=draw(st.integers(8, 16)),
    )


@pytest.mark.parametrize("library", LIBRARIES)
@given(
    c=vector_constants(),
    total=S16,
    r=S16,
    r1=S16,
    shifts=st.tuples(st.integers(0, 5), st.integers(0, 5)),
    s=st.integers(0, numerics.SE_ONE),
)
def test_vector_arithmetic(
    library: Callable[[Any], Any],
    c: VectorParams,
    total: int,
    r: int,
    r1: int,
    shifts: tuple[int, int],
    s: int,
) -> None:
    values = {
        name: int(getattr(c, name)[0])
        for name in VectorParams.__dataclass_fields__
        if name not in ("acc_shift", "out_bits")
    }
    scaled = values["alpha"] * half_up(Fraction(total, 1 << c.acc_shift))
    v = half_up(Fraction(scaled, 1 << values["alpha_shift"])) + values["beta"]
    v += r * 2 ** shifts[0] + r1 * 2 ** shifts[1]
    wide_t = v - values["bias_x"]
    t = clamp(wide_t, 18)
    slope = values["pos"] if t >= 0 else values["neg"]
    m = half_up(Fraction(slope * s, 1 << 17))
    q = values["offset"] - half_up(Fraction(values["bias_y"] * s, 1 << values["bias_y_shift"]))
    wide_y = half_up(Fraction(m * t, 1 << values["out_shift"])) + q

    def array(value: int) -> Any:
        return library(i32(value))

    found_v = numerics.vector_sum(array(total), c, array(r), shifts[0], array(r1), shifts[1])
    found = numerics.vector_output(found_v, c, numerics.affine_pair(c, array(s)))
    assert int(found_v[0]) == v
    assert int(found.y[0]) == clamp(wide_y, c.out_bits)
    assert bool(found.t_saturated[0]) == (t != wide_t)
    assert bool(found.y_saturated[0]) == (clamp(wide_y, c.out_bits) != wide_y)


def test_extreme_slopes_and_t_fit_int32() -> None:
    c = VectorParams(
        acc_shift=0,
        alpha=i32(1, 1),
        alpha_shift=i32(0, 0),
        beta=i32(0, 0),
        bias_x=i32(-(1 << 23), (1 << 23) - 1),
        out_shift=i32(30, 30),
        pos=i32(32764, 32764),
        neg=i32(-32764, -32764),
        bias_y=i32(-32768, 32767),
        bias_y_shift=i32(30, 30),
        offset=i32(0, 0),
        out_bits=16,
    )
    pair = numerics.unit_pair(c)
    assert pair.p.tolist() == [8191, 8191]
    found = numerics.vector_output(i32((1 << 23) - 1, -(1 << 23)), c, pair)
    assert found.y.tolist() == [2, 0] and found.t_saturated.tolist() == [True, True]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(("cin", "cout"), [(8, 4), (12, 4), (13, 4), (7, 5), (26, 3)])
def test_channel_mean(library: Callable[[Any], Any], cin: int, cout: int) -> None:
    rng = np.random.default_rng(cin)
    x = rng.integers(-32768, 32768, (3, cin)).astype(np.int32)
    g = cin // cout
    factor = half_up(Fraction(1 << 15, g))
    found = np.asarray(numerics.channel_mean(library(x), cout))
    for row, values in zip(found, x, strict=True):
        sums = [int(values[o * g : o * g + g].sum()) for o in range(cout)]
        assert row.tolist() == [half_up(Fraction(total * factor, 1 << 15)) for total in sums]


def test_channel_mean_of_a_power_of_two_is_a_rounded_shift() -> None:
    x = np.arange(-64, 64, dtype=np.int32).reshape(-1, 4)
    assert numerics.channel_mean(x, 1)[:, 0].tolist() == numerics.rsr(x.sum(1), 2).tolist()


def test_a_mean_of_three_reaches_one_beyond_s16() -> None:
    low = np.full((1, 3), -32768, np.int32)
    assert numerics.channel_mean(low, 1)[0, 0] == -32769
    assert numerics.channel_mean(-low - 1, 1)[0, 0] == 32768
    assert numerics.pool_mean(9 * low[0, :1], 16)[0] == -32768


@pytest.mark.parametrize("library", LIBRARIES)
@given(
    shape=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    seed=st.integers(0, 99),
    bits=st.integers(8, 16),
)
@settings(max_examples=20, deadline=None)
def test_average_pool(
    library: Callable[[Any], Any], shape: tuple[int, int], seed: int, bits: int
) -> None:
    rng = np.random.default_rng(seed)
    largest = 1 << (bits - 1)
    x = rng.integers(-largest, largest, (*shape, 2)).astype(np.int32)
    found = np.asarray(numerics.average_pool(library(x), bits))
    out = [-(-n // 2) for n in shape]
    assert found.shape == (*out, 2)
    before = [max((o - 1) * 2 + 3 - n, 0) // 2 for o, n in zip(out, shape, strict=True)]
    for i, j, c in np.ndindex(*found.shape):
        total = 0
        for y in range(2 * i - before[0], 2 * i - before[0] + 3):
            for z in range(2 * j - before[1], 2 * j - before[1] + 3):
                if 0 <= y < shape[0] and 0 <= z < shape[1]:
                    total += int(x[y, z, c])
        mean = half_up(Fraction(total * 3641, 1 << 15))
        assert found[i, j, c] == clamp(mean, bits)


def test_widening() -> None:
    x = i32(1, 2, 3).reshape(1, 1, 3)
    assert numerics.zero_extend(x, 5).ravel().tolist() == [1, 2, 3, 0, 0]
    assert numerics.tile_channels(x, 8).ravel().tolist() == [1, 2, 3, 1, 2, 3, 1, 2]
    assert numerics.tile_channels(x, 3).ravel().tolist() == [1, 2, 3]


@pytest.mark.parametrize(("height", "width", "c", "s"), [(4, 8, 3, 4), (6, 4, 1, 2), (3, 2, 2, 1)])
def test_space_to_depth(height: int, width: int, c: int, s: int) -> None:
    x = np.arange(2 * height * width * c).reshape(2, height, width, c)
    found = numerics.space_to_depth(x, s)
    assert found.shape == (2, height // s, width // s, s * s * c)
    for n, i, j, dy, dx, ch in np.ndindex(2, height // s, width // s, s, s, c):
        assert found[n, i, j, (dy * s + dx) * c + ch] == x[n, i * s + dy, j * s + dx, ch]


def test_space_to_depth_refuses_a_remainder() -> None:
    with pytest.raises(ValueError, match="not a multiple of stride 4"):
        numerics.space_to_depth(np.zeros((1, 6, 8, 1)), 4)


def test_map_pixels_uses_each_channels_column() -> None:
    table = np.stack([np.arange(256) - 128, 127 - np.arange(256)], axis=1).astype(np.int8)
    image = np.array([[[0, 0], [255, 1]]], np.uint8)
    assert numerics.map_pixels(image, table).tolist() == [[[-128, 127], [127, 126]]]


TENSORS = hnp.arrays(
    np.int16,
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 9)),
    elements=S16,
)


@given(tensor=TENSORS)
def test_signature_is_a_sum_of_zlib_crcs(tensor: npt.NDArray[np.int16]) -> None:
    height, width, channels = tensor.shape
    groups = -(-channels // 4)
    total = 0
    for pixel, values in enumerate(tensor.reshape(height * width, channels).tolist()):
        for group in range(groups):
            chunk = values[4 * group : 4 * group + 4]
            words = chunk + [0] * (4 - len(chunk))
            message = (pixel * groups + group).to_bytes(4, "little")
            message += b"".join(word.to_bytes(2, "little", signed=True) for word in words)
            message += bytes([sum((word >= 0) << b for b, word in enumerate(words))])
            total += zlib.crc32(message)
    assert numerics.signature(tensor) == total % (1 << 32)


def test_signature_of_s8_is_that_of_the_sign_extended_tensor() -> None:
    tensor = np.random.default_rng(0).integers(-128, 128, (3, 2, 5)).astype(np.int8)
    assert numerics.signature(tensor) == numerics.signature(tensor.astype(np.int32))


def test_signature_sees_swapped_words() -> None:
    tensor = np.arange(16, dtype=np.int16).reshape(2, 2, 4)
    swapped = tensor[::-1].copy()
    assert numerics.signature(tensor) != numerics.signature(swapped)


@given(values=st.lists(st.integers(-(1 << 23), (1 << 23) - 1), min_size=1, max_size=12))
def test_logits_signature(values: list[int]) -> None:
    messages = (
        index.to_bytes(4, "little") + value.to_bytes(4, "little", signed=True) + b"\0"
        for index, value in enumerate(values)
    )
    wanted = sum(map(zlib.crc32, messages)) % (1 << 32)
    assert numerics.logits_signature(np.array(values, np.int32)) == wanted
