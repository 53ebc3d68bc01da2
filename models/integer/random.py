"""Random integer networks of any small geometry, for tests of everything below the float model.

Layers are drawn one after the other and scaled on what they compute for a few random images, so
that signs are about balanced and few values saturate. Planted: negative, tiny and zero scales,
slopes of both signs, channels that are exactly 0 everywhere (their sign bit is +1).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hwflow import numerics
from models.config import PokeBNNConfig, PokeConvSpec, StageConfig
from models.integer import layers
from models.integer.build import (
    POSITIVE_STEPS,
    Exponents,
    RealSE,
    column_sum_max,
    conv_params,
    dense_params,
    init_params,
)
from models.integer.fixed_point import Folded, Reals
from models.integer.params import IntegerNetwork

SAMPLE_IMAGES = 8
STORED_DEVIATION = 2048.0
"""Standard deviation aimed at for a stored s16 tensor."""
S8_DEVIATION = 40.0
START_EXPONENT = 10
MAX_SHORTCUT_SHIFT = 3
TINY = 1e-3
Generator = np.random.Generator
Ints = npt.NDArray[np.int32]


def small_config(
    *,
    image: tuple[int, int, int] = (12, 12, 1),
    init_kernel: int = 4,
    init_stride: int = 2,
    init_channels: int = 8,
    init_out: int = 16,
    stages: tuple[tuple[int, int, int], ...] = ((1, 8, 1), (1, 16, 2)),
    classes: int = 10,
    name: str = "random",
) -> PokeBNNConfig:
    """A small architecture; stages are (blocks, width F >= 8, stride of the first block)."""
    return PokeBNNConfig(
        name=name,
        image_size=image[:2],
        image_channels=image[2],
        classes=classes,
        width=1.0,
        stages=tuple(StageConfig(blocks=b, base_width=f, stride=s) for b, f, s in stages),
        init_kernel=init_kernel,
        init_stride=init_stride,
        init_channels=init_channels,
        init_out=init_out,
        mean=(0.5,) * image[2],
        std=(0.25,) * image[2],
    )


def random_images(seed: int, count: int, shape: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    """uint8 (count, *shape): noise with a random level and contrast per image and channel."""
    rng = np.random.default_rng([seed, 1])
    level = rng.uniform(60, 200, (count, 1, 1, shape[2]))
    contrast = rng.uniform(10, 90, (count, 1, 1, shape[2]))
    noise = rng.standard_normal((count, *shape))
    return np.clip(level + contrast * noise, 0, 255).astype(np.uint8)


def random_network(seed: int, config: PokeBNNConfig | None = None) -> IntegerNetwork:
    """A validated network of the architecture `config` (`small_config()` by default).

    The same seed and configuration give the same network. FlowError when the architecture has no
    integer form (kernel or image size not a multiple of init_stride).
    """
    return _Builder(seed, config or small_config()).build()


class _Builder:
    """Draws a network layer by layer and follows the sample images through it."""

    def __init__(self, seed: int, config: PokeBNNConfig) -> None:
        self._rng = np.random.default_rng([seed, 0])
        self._config = config
        self._images = random_images(seed, SAMPLE_IMAGES, config.image_shape)

    def build(self) -> IntegerNetwork:
        rng, config = self._rng, self._config
        table = self._input_table()
        x = numerics.map_pixels(self._images, table)
        x = numerics.space_to_depth(x, config.init_stride)
        init, y = self._init(x)
        convs = []
        exponent = block_exponent = START_EXPONENT
        block_input = y
        for spec in config.poke_convs():
            if spec.j == 1:
                block_input, block_exponent = y, exponent
            lowest = min(exponent, block_exponent) if spec.r1_shape else exponent
            highest = max(exponent, block_exponent) if spec.r1_shape else exponent
            guard = int(rng.integers(0, max(MAX_SHORTCUT_SHIFT - (highest - lowest), 0) + 1))
            output = exponent + int(rng.integers(-1, 2))
            exponents = Exponents(
                block=block_exponent, input=exponent, v=highest + guard, output=output
            )
            conv, y = self._conv(spec, exponents, y, block_input)
            convs.append(conv)
            exponent = output
        features = y.mean(axis=(1, 2)) / 2.0**exponent
        weights = self._int_weights((y.shape[-1], config.classes), 127)
        gain = rng.uniform(0.5, 2, config.classes) / column_sum_max(weights, 16)
        dense = dense_params(
            shape=config.poke_convs()[-1].out_shape,
            exponent=exponent,
            bound=2.5 * _deviation(features),
            weights=weights,
            gain=gain,
            bias=rng.normal(0, 0.1, config.classes),
            logit_exponent=14,
        )
        network = IntegerNetwork(
            name=config.name,
            image_shape=config.image_shape,
            input_table=table,
            init_stride=config.init_stride,
            init=init,
            convs=tuple(convs),
            dense=dense,
            classes=config.classes,
        )
        network.validate()
        return network

    def _input_table(self) -> npt.NDArray[np.int8]:
        pixels = np.arange(256.0)[:, None]
        gain = self._rng.uniform(0.7, 1.1, self._config.image_channels)
        centre = self._rng.uniform(100, 150, self._config.image_channels)
        return np.clip(np.floor((pixels - centre) * gain + 0.5), -127, 127).astype(np.int8)

    def _int_weights(self, shape: tuple[int, ...], limit: int) -> npt.NDArray[np.int8]:
        scaled = self._rng.normal(0, limit / 2.5, shape)
        return np.clip(np.floor(scaled + 0.5), -limit, limit).astype(np.int8)

    def _init(self, x: npt.NDArray[np.int8]):  # noqa: ANN202
        config = self._config
        shape1 = (config.init_kernel, config.init_kernel, config.image_channels)
        weights = (
            self._int_weights((*shape1, config.init_channels), 127),
            self._int_weights((3, 3, 1, config.init_out), 127),
        )
        # Two passes: the second convolution is scaled on what the first one stores.
        neutral = self._folded(np.ones(config.init_out), np.ones(config.init_out))
        raise NotImplementedError
