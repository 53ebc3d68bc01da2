"""PokeConv: binary convolution, shortcuts, DPReLU, squeeze-and-excite and two batch norms."""

from __future__ import annotations

import flax.linen as nn
import jax

from models.config import PokeBNNConfig, PokeConvSpec
from models.float.batch_norm import BatchNorm
from models.float.binary_conv import BinaryConv
from models.float.dprelu import DPReLU
from models.float.mode import Mode, barrier
from models.float.reshape_add import reshape_add
from models.float.se import squeeze_excite


def poke_conv(
    module: nn.Module,
    spec: PokeConvSpec,
    config: PokeBNNConfig,
    mode: Mode,
    x: jax.Array,
    r1: jax.Array | None,
) -> jax.Array:
    """Output (N, *spec.out_shape) of one PokeConv; `module` is the compact module that owns it.

    Sows the SE scale as `intermediates/se-<name>` and the output as `intermediates/out-<name>`.
    """
    y = BinaryConv(
        mode,
        spec.out_shape[2],
        spec.kernel,
        spec.stride,
        config.binary_clip_bound,
        name=spec.conv_name,
    )(x)
    y = BatchNorm(mode, zero_scale=spec.j == 3, name=spec.bn_name)(y)
    y = reshape_add(y, x, "zero_pad")
    if r1 is not None:
        y = reshape_add(y, r1, "tile")
    y = barrier(y)
    y = DPReLU(mode, name=spec.dprelu_name)(y)
    s = squeeze_excite(x, spec, mode, config.bounds == "per_channel")
    y = barrier(y * s)
    y = barrier(BatchNorm(mode, name=spec.bn2_name)(y))
    module.sow("intermediates", f"se-{spec.name}", s)
    module.sow("intermediates", f"out-{spec.name}", y)
    return y


class PokeConvBlock(nn.Module):
    """A PokeConv on its own: (x, r1 or None) -> output."""

    spec: PokeConvSpec
    config: PokeBNNConfig
    mode: Mode

    @nn.compact
    def __call__(self, x: jax.Array, r1: jax.Array | None) -> jax.Array:
        """Output (N, *spec.out_shape) of x (N, *spec.in_shape) and r1 (N, *spec.r1_shape)."""
        return poke_conv(self, self.spec, self.config, self.mode, x, r1)
