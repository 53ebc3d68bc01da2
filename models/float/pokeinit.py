"""PokeInit: the 8-bit input layers."""

from __future__ import annotations

import jax

from models.config import PokeBNNConfig
from models.float.batch_norm import BatchNorm
from models.float.dprelu import DPReLU
from models.float.mode import Mode, barrier
from models.float.quant_layers import QuantConv

BITS = 8


def poke_init(config: PokeBNNConfig, mode: Mode, x: jax.Array) -> jax.Array:
    """(N, H, W, image channels) -> (N, *config.init_out_shape); called inside a compact module."""
    per_channel = config.bounds == "per_channel"
    y = QuantConv(
        mode=mode,
        features=config.init_channels,
        kernel=config.init_kernel,
        stride=config.init_stride,
        padding="VALID",
        bits=BITS,
        per_channel=per_channel,
        name="init_conv",
    )(x)
    y = BatchNorm(mode, name="init_bn")(y)
    y = barrier(DPReLU(mode, name="DPReLU_0")(y))
    y = QuantConv(
        mode=mode,
        features=config.init_out,
        kernel=3,
        stride=1,
        padding="SAME",
        bits=BITS,
        per_channel=per_channel,
        groups=config.init_channels,
        name="init_conv_group",
    )(y)
    y = BatchNorm(mode, name="init_bn_group")(y)
    return barrier(DPReLU(mode, name="DPReLU_1")(y))
