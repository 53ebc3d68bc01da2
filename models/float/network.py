"""The whole network, from a normalised image to logits."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from models.config import PokeBNNConfig
from models.float.mode import Mode
from models.float.pokeconv import poke_conv
from models.float.pokeinit import poke_init
from models.float.quant_layers import QuantDense

DENSE_BITS = 8
DENSE_NAME = "DenseAqt_0"


def normalise(images: jax.Array, config: PokeBNNConfig, mode: Mode) -> jax.Array:
    """uint8 (N, H, W, C) -> (x - 255*mean) / (255*std), computed in float32, the mode's type."""
    mean = 255.0 * jnp.asarray(config.mean, jnp.float32)
    std = 255.0 * jnp.asarray(config.std, jnp.float32)
    return ((images.astype(jnp.float32) - mean) / std).astype(mode.dtype)


class PokeBNN(nn.Module):
    """Logits (N, classes), in the mode's type, of normalised images (N, H, W, C).

    `start` skips to the given block: x is then the input of that block (0 is PokeInit's output;
    the number of blocks means the last block's output). `stop` returns the input of that block
    instead of logits. `intermediates` gets PokeInit's output as `poke_init` and, per PokeConv,
    what `poke_conv` sows.
    """

    config: PokeBNNConfig
    mode: Mode

    @nn.compact
    def __call__(
        self, x: jax.Array, start: int | None = None, stop: int | None = None
    ) -> jax.Array:
        """Runs blocks `start` up to, not including, `stop`."""
        if start is None:
            x = poke_init(self.config, self.mode, x)
            self.sow("intermediates", "poke_init", x)
        block_input = x
        for spec in self.config.poke_convs():
            if start is not None and spec.block < start:
                continue
            if spec.block == stop:
                return x
            if spec.j == 1:
                block_input = x
            r1 = block_input if spec.r1_shape is not None else None
            x = poke_conv(self, spec, self.config, self.mode, x, r1)
        if stop is not None:
            return x
        features = jnp.mean(x, axis=(1, 2))
        return QuantDense(
            mode=self.mode,
            features=self.config.classes,
            bits=DENSE_BITS,
            per_channel=self.config.bounds == "per_channel",
            name=DENSE_NAME,
        )(features)
