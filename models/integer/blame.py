"""Which operation keeps the integer network from the float one: operations replaced one after the other.

The reference is the float network in bfloat16, the definition, with each block's input forced. The first convolutions
of a block are binarised again inside it, so one value that rounds to the other side of 0 there moves a whole pixel of
what follows: with the input of every PokeConv forced this is gone, with the SE's scale taken from the float network
its quantisers, too. The same network in float32, which rounds nothing, has the first effect as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from hwflow import numerics
from models.config import PokeBNNConfig
from models.float import Mode, PokeBNN
from models.integer import layers
from models.integer.compare import to_grid
from models.integer.params import IntegerNetwork, PokeConvParams

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]


class Fidelity(NamedTuple):
    """Signal-to-noise ratio in dB, and share of elements whose sign differs."""

    snr_db: float
    flipped: float


@dataclass(frozen=True, kw_only=True)
class BlockBlame:
    """A block's output against the float network's, its input forced.

    integer: as it is. float32: the float network in float32 instead. forced: the integer network, every PokeConv's
    input forced. float_se: that, with the float network's SE scales. layers: every PokeConv's output, its input
    forced, by name.
    """

    block: int
    integer: Fidelity
    float32: Fidelity
    forced: Fidelity
    float_se: Fidelity
    layers: Mapping[str, Fidelity]

    @property
    def operation(self) -> str:
        """What costs most: the operation whose replacement gains most dB."""
        gains = {
            "binarisation inside the block": self.forced.snr_db - self.integer.snr_db,
            "squeeze-and-excite": self.float_se.snr_db - self.forced.snr_db,
        }
        return max(gains, key=gains.__getitem__)


class _FloatBlock(NamedTuple):
    """Inputs, SE scales and outputs of a block's PokeConvs, by name."""

    inputs: dict[str, Floats]
    scales: dict[str, Floats]
    outputs: dict[str, Floats]


@partial(jax.jit, static_argnames=("config", "mode", "block"))
def _apply_block(
    config: PokeBNNConfig, mode: Mode, block: int, variables: Mapping[str, Any], x: jax.Array
) -> dict[str, Any]:
    model = PokeBNN(config, mode)
    kwargs: dict[str, Any] = {"start": block, "stop": block + 1, "mutable": ["intermediates"]}
    result: Any = model.apply(variables, x.astype(mode.dtype), **kwargs)
    return result[1]["intermediates"]


def _float_block(
    config: PokeBNNConfig, variables: Mapping[str, Any], block: int, x: Floats, dtype: Any
) -> _FloatBlock:
    kept = _apply_block(config, Mode(dtype=dtype), block, variables, jnp.asarray(x))
    found = _FloatBlock({}, {}, {})
    for spec in config.poke_convs():
        if spec.block == block:
            found.inputs[spec.name] = x
            found.scales[spec.name] = np.asarray(kept[f"se-{spec.name}"][0], np.float32)
            x = np.asarray(kept[f"out-{spec.name}"][0], np.float32)
            found.outputs[spec.name] = x
    return found


def _fidelity(wanted: Floats, found: npt.NDArray[Any]) -> Fidelity:
    noise = float(np.sum(np.square(wanted - found, dtype=np.float64)))
    signal = float(np.sum(np.square(wanted, dtype=np.float64)))
    ratio = 10 * math.log10(signal / noise) if noise and signal else math.inf
    return Fidelity(ratio, float(np.mean((wanted >= 0) != (found >= 0))))


def _with_scale(conv: PokeConvParams, x: Ints, block_input: Ints, scale: Floats) -> Ints:
    """The PokeConv's output for an SE scale (N, 1, 1, C) from elsewhere."""
    r, r1 = layers.local_shortcut(conv, x), layers.long_shortcut(conv, block_input)
    total = layers.binary_sum(conv, x)
    v = numerics.vector_sum(total, conv.vector, r, conv.r_shift, r1, conv.r1_shift or 0)
    s = np.floor(scale.astype(np.float64) * numerics.SE_ONE + 0.5).astype(np.int32)
    return numerics.vector_output(v, conv.vector, numerics.affine_pair(conv.vector, s)).y


def block_blame(
    network: IntegerNetwork,
    config: PokeBNNConfig,
    variables: Mapping[str, Any],
    block: int,
    x: Floats,
) -> BlockBlame:
    """One block on its input x, float32 (N, H, W, C) that hold bfloat16 values."""
    wanted = _float_block(config, variables, block, x, jnp.bfloat16)
    exact = _float_block(config, variables, block, x, jnp.float32)
    convs = [conv for conv in network.convs if conv.block == block]
    block_input = y = to_grid(x, convs[0].in_exponent, network.residual_bits)
    own: dict[str, Fidelity] = {}
    forced = found = y
    for conv in convs:
        here = to_grid(wanted.inputs[conv.name], conv.in_exponent, network.residual_bits)
        forced = layers.poke_conv(conv, here, block_input).y
        found = _with_scale(conv, here, block_input, wanted.scales[conv.name])
        y = layers.poke_conv(conv, y, block_input).y
        own[conv.name] = _fidelity(wanted.outputs[conv.name], forced * 2.0**-conv.out_exponent)
    last = convs[-1]
    output, step = wanted.outputs[last.name], 2.0**-last.out_exponent
    return BlockBlame(
        block=block,
        integer=_fidelity(output, y * step),
        float32=_fidelity(output, exact.outputs[last.name]),
        forced=_fidelity(output, forced * step),
        float_se=_fidelity(output, found * step),
        layers=own,
    )


def blame(
    network: IntegerNetwork,
    config: PokeBNNConfig,
    variables: Mapping[str, Any],
    inputs: Sequence[Floats],
    progress: Callable[[int, int], None] | None = None,
) -> tuple[BlockBlame, ...]:
    """Every block on its input. progress is called with (blocks done, of how many)."""
    result: list[BlockBlame] = []
    for block, x in enumerate(inputs):
        result.append(block_blame(network, config, variables, block, x))
        if progress:
            progress(block + 1, len(inputs))
    return tuple(result)
