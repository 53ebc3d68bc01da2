"""Choice of every tensor's power of two from calibrated ranges and the bounds of the contract."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from hwflow import numerics
from hwflow.errors import FlowError
from models.config import PokeBNNConfig, PokeConvSpec
from models.integer import checks
from models.integer.build import Exponents
from models.integer.calibrate import Ranges
from models.integer.fixed_point import Folded

HEADROOM = 1.125
"""Ratio of the range that is kept free beyond the largest calibrated value."""
LARGEST_EXPONENT = 30
MAX_SHORTCUT_SHIFT = 6
"""Largest distance of v's grid from a shortcut's: both shortcuts then take half of v's range."""
T_MAX = (1 << (numerics.T_BITS - 1)) - 1


def exponent_below(limit: float, largest: float) -> int:
    """The largest exponent f <= 30 with largest * 2**f <= limit."""
    if largest <= 0:
        return LARGEST_EXPONENT
    return min(math.floor(math.log2(limit / largest)), LARGEST_EXPONENT)


def v_limit(folded: Folded, t_largest: float, shortcuts: int) -> int:
    """Largest exponent of v for which v fits s24 whatever the input, and calibrated t fits s18.

    shortcuts: part of v's range, in steps of v, that is left to the shortcuts.
    """
    worst = float(np.max(np.abs(folded.gain) * folded.sum_max + np.abs(folded.beta)))
    f_v = min(
        exponent_below(checks.S24 - shortcuts, worst * 1.001),
        exponent_below(checks.S24, float(np.max(np.abs(folded.bias_x)))),
    )
    return min(f_v, exponent_below(T_MAX, t_largest * HEADROOM))


def init_v_exponent(folded: Folded) -> int:
    """Exponent of v in PokeInit: t never saturates, whatever the image."""
    return exponent_below(T_MAX, float(np.max(folded.reach())) * 1.001)


def range_limit(largest: float, bits: int) -> int:
    """Largest exponent for which the calibrated values fit `bits` bits."""
    return exponent_below(checks.stored_max(bits) - 1, largest * HEADROOM)


def output_limit(folded: Folded, largest: float, f_v: int, bits: int) -> int:
    """Largest exponent of a stored tensor of `bits` bits: calibrated values, offsets and slopes fit."""
    offsets = float(np.max(np.abs(folded.offset) + np.abs(folded.bias_y)))
    slope = 4.0 * float(np.max([np.abs(folded.pos), np.abs(folded.neg)]))
    return min(
        range_limit(largest, bits),
        exponent_below(checks.S24, offsets * 1.001),
        f_v + exponent_below(numerics.SLOPE_LIMIT, slope * 1.001),
    )


def choose(
    config: PokeBNNConfig,
    second_init: Folded,
    folded: Mapping[str, Folded],
    ranges: Ranges,
    bits: int,
) -> tuple[int, dict[str, Exponents]]:
    """(exponent of PokeInit's output, exponents of every PokeConv by name).

    A tensor is as fine as its own range and its readers allow: v's grid must not be coarser than
    that of either shortcut. bits: width of the stored elements.
    """
    specs = config.poke_convs()
    most_shortcuts = 2 * checks.shortcut_max(bits) << MAX_SHORTCUT_SHIFT
    caps = {s.name: v_limit(folded[s.name], ranges.t[s.name], most_shortcuts) for s in specs}

    def readers(position: int) -> list[PokeConvSpec]:
        """PokeConvs that read the input of specs[position]: the layer, and its block's third."""
        spec = specs[position]
        return [spec, specs[position + 2]] if spec.j == 1 else [spec]

    def stored(position: int, own: int) -> int:
        """Exponent of the input of specs[position], given what its producer allows."""
        if position == len(specs):
            return own
        limit = min(own, *(caps[reader.name] for reader in readers(position)))
        if specs[position].j == 1:
            last = specs[position + 1]
            own_last = range_limit(ranges.output[last.name], bits)
            limit = min(limit, own_last + MAX_SHORTCUT_SHIFT)
        return limit

    init_v = init_v_exponent(second_init)
    f_init = block = current = stored(0, output_limit(second_init, ranges.poke_init, init_v, bits))
    chosen: dict[str, Exponents] = {}
    for position, spec in enumerate(specs):
        layer = folded[spec.name]
        if spec.j == 1:
            block = current
        used = (current, block) if spec.r1_shape is not None else (current,)
        f_v = _v_exponent(spec, layer, ranges.t[spec.name], used, bits)
        output = output_limit(layer, ranges.output[spec.name], f_v, bits)
        if spec.j == 2:
            output = min(output, block + MAX_SHORTCUT_SHIFT)
        output = stored(position + 1, output)
        chosen[spec.name] = Exponents(block=block, input=current, v=f_v, output=output)
        current = output
    return f_init, chosen


def _v_exponent(
    spec: PokeConvSpec, folded: Folded, t_largest: float, used: tuple[int, ...], bits: int
) -> int:
    """The finest grid of v for shortcuts with the exponents `used`."""
    for f_v in range(min(used) + MAX_SHORTCUT_SHIFT, max(used) - 1, -1):
        shortcuts = sum(checks.shortcut_max(bits) << (f_v - f) for f in used) + (1 << 4)
        if f_v <= v_limit(folded, t_largest, shortcuts):
            return f_v
    raise FlowError(
        f"{spec.name}: no power of two for v; the ranges of its shortcuts and of its convolution "
        "are too far apart, retrain or recalibrate"
    )
