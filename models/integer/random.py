"""Random integer networks of any geometry, for everything below the float model.

Layers are drawn one after the other and scaled on what they compute for a few images, so
that signs are about balanced and few values saturate. Planted: negative, tiny and zero scales,
slopes of both signs, channels that are exactly 0 everywhere (their sign bit is +1).
docs/random-networks.md has the distributions and the limits that a network is held to.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

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
    depth_weights,
    first_init_params,
    mean_params,
    second_init_params,
)
from models.integer.checks import S8_MAX, stored_max
from models.integer.fixed_point import Folded, Reals
from models.integer.layers import LayerTrace
from models.integer.params import DenseParams, InitConvParams, IntegerNetwork, PokeConvParams
from models.integer.random_report import LayerReport, NetworkReport, layer_report, network_report
from models.synthetic import photo_images

SAMPLE_IMAGES = 8
CHECK_IMAGES = 4
"""Images a drawn network is reported on: others than it was scaled on."""
STATISTICS_PIXELS = 2048
"""About how many pixels of a map a layer's statistics are taken from."""
STORED_DEVIATION = 1 / 16
"""Standard deviation aimed at for a stored tensor, in parts of its type's range."""
S8_DEVIATION = 40.0
START_EXPONENT = 10
MAX_SHORTCUT_SHIFT = 3
INIT_V_SCALE = 2.0**12
LOGIT_EXPONENT = 14
TINY = 1e-3
Int8 = npt.NDArray[np.int8]
Ints = npt.NDArray[np.int32]
Wide = npt.NDArray[np.int64]


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
    bounds: Literal["per_tensor", "per_channel"] = "per_tensor",
) -> PokeBNNConfig:
    """A small architecture; stages are (blocks, width F >= 8, stride of the first block).

    bounds: per channel gives every channel of an SE's mean its own constants, and 8-bit weights.
    """
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
        bounds=bounds,
    )


def random_images(seed: int, count: int, shape: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    """uint8 (count, *shape): noise with a random level and contrast per image and channel."""
    rng = np.random.default_rng([seed, 1])
    level = rng.uniform(60, 200, (count, 1, 1, shape[2]))
    contrast = rng.uniform(10, 90, (count, 1, 1, shape[2]))
    noise = rng.standard_normal((count, *shape))
    return np.clip(level + contrast * noise, 0, 255).astype(np.uint8)


Images = npt.NDArray[np.uint8]
Progress = Callable[[int, int], None]
"""Called with (layers done, of how many)."""


def random_network(
    seed: int, config: PokeBNNConfig | None = None, residual_bits: int = numerics.STORED_BITS
) -> IntegerNetwork:
    """A validated network of the architecture `config` (`small_config()` by default).

    residual_bits: width of its stored elements. The same seed and configuration give the same
    network. FlowError when the architecture has no integer form (kernel or image size not a multiple of init_stride).
    """
    config = config or small_config()
    images = random_images(seed, SAMPLE_IMAGES, config.image_shape)
    return _Builder(seed, config, images, len(images), residual_bits).build()


def reported_network(
    seed: int,
    config: PokeBNNConfig,
    progress: Progress | None = None,
    residual_bits: int = numerics.STORED_BITS,
) -> tuple[IntegerNetwork, NetworkReport]:
    """A network scaled on photo-like images, and what it does with other such images.

    residual_bits: width of its stored elements.

    Raises:
        FlowError: as `random_network`.
    """
    count = SAMPLE_IMAGES + CHECK_IMAGES
    images = photo_images(seed, count, config.image_shape)
    builder = _Builder(seed, config, images, SAMPLE_IMAGES, residual_bits, progress)
    network = builder.build()
    return network, network_report(network, seed, builder.reports)


class _Builder:
    """Draws a network layer by layer and follows images through it.

    The first `samples` images scale the layers, the others are reported on.
    """

    def __init__(
        self,
        seed: int,
        config: PokeBNNConfig,
        images: Images,
        samples: int,
        bits: int,
        progress: Progress | None = None,
    ) -> None:
        self._rng = np.random.default_rng([seed, 0])
        self._config = config
        self._images = images
        self._samples = samples
        self._bits = bits
        self._aim = STORED_DEVIATION * stored_max(bits)
        self._progress = progress
        self.reports: list[LayerReport] = []

    def build(self) -> IntegerNetwork:
        """The whole network, validated."""
        config = self._config
        table = self._input_table()
        x = numerics.map_pixels(self._images, table)
        x = numerics.space_to_depth(x, config.init_stride)
        first, x = self._first(x)
        second, y = self._second(x)
        convs, y, exponent = self._convs(y)
        network = IntegerNetwork(
            name=config.name,
            image_shape=config.image_shape,
            input_table=table,
            init_stride=config.init_stride,
            init=(first, second),
            convs=convs,
            dense=self._dense(y[: self._samples], exponent),
            classes=config.classes,
        )
        network.validate()
        return network

    def _done(self, layer: InitConvParams | PokeConvParams, trace: LayerTrace) -> None:
        if self._samples < len(self._images):
            self.reports.append(layer_report(layer, trace, slice(self._samples, None)))
        if self._progress is not None:
            self._progress(len(self.reports), 2 + len(self._config.poke_convs()))

    def _input_table(self) -> Int8:
        pixels = np.arange(256.0)[:, None]
        gain = self._rng.uniform(0.7, 1.1, self._config.image_channels)
        centre = self._rng.uniform(100, 150, self._config.image_channels)
        return np.clip(np.floor((pixels - centre) * gain + 0.5), -127, 127).astype(np.int8)

    def _weights(self, shape: tuple[int, ...], limit: int) -> Int8:
        scaled = self._rng.normal(0, limit / 2.5, shape)
        return np.clip(np.floor(scaled + 0.5), -limit, limit).astype(np.int8)

    def _first(self, x: Int8) -> tuple[InitConvParams, Int8]:
        config = self._config
        k, c = config.init_kernel, config.image_channels
        weights = self._weights((k, k, c, config.init_channels), 127)
        total = layers.convolve(x, depth_weights(weights, config.init_stride), 1, "VALID")
        sum_max = S8_MAX * np.abs(weights.astype(np.int64)).sum(axis=(0, 1, 2))
        few = total[: self._samples]
        folded = self._folded(few, sum_max, np.zeros(()), np.ones(()), S8_DEVIATION)
        conv = first_init_params(config, weights, folded, INIT_V_SCALE, 1.0)
        trace = layers.init_conv(conv, x)
        self._done(conv, trace)
        return conv, trace.y.astype(np.int8)

    def _second(self, x: Int8) -> tuple[InitConvParams, Ints]:
        config = self._config
        weights = self._weights((3, 3, 1, config.init_out), 127)
        total = layers.convolve(x, layers.ungroup(weights, config.init_channels), 1, "SAME")
        sum_max = S8_MAX * np.abs(weights.astype(np.int64)).sum(axis=(0, 1, 2))
        few = total[: self._samples]
        folded = self._folded(few, sum_max, np.zeros(()), np.ones(()), self._aim)
        conv = second_init_params(config, weights, folded, INIT_V_SCALE, 1.0, self._bits)
        trace = layers.init_conv(conv, x)
        self._done(conv, trace)
        return conv, trace.y

    def _convs(self, y: Ints) -> tuple[tuple[PokeConvParams, ...], Ints, int]:
        convs: list[PokeConvParams] = []
        exponent = block_exponent = START_EXPONENT
        block_input = y
        for spec in self._config.poke_convs():
            if spec.j == 1:
                block_input, block_exponent = y, exponent
            used = (exponent, block_exponent) if spec.r1_shape else (exponent,)
            guard = self._rng.integers(0, max(MAX_SHORTCUT_SHIFT - max(used) + min(used), 0) + 1)
            exponents = Exponents(
                block=block_exponent,
                input=exponent,
                v=max(used) + int(guard),
                output=exponent + int(self._rng.integers(-1, 2)),
            )
            conv, trace = self._conv(spec, exponents, y, block_input)
            self._done(conv, trace)
            convs.append(conv)
            y = trace.y
            exponent = exponents.output
        return tuple(convs), y, exponent

    def _conv(
        self, spec: PokeConvSpec, exponents: Exponents, x: Ints, block_input: Ints
    ) -> tuple[PokeConvParams, LayerTrace]:
        cout, few = spec.out_shape[2], slice(0, self._samples)
        weights = self._rng.random((spec.kernel, spec.kernel, spec.in_shape[2], cout)) < 0.5
        se = self._se(spec, exponents.input, x[few])
        sum_max = np.full(cout, spec.kernel**2 * spec.in_shape[2])
        # A first assembly with placeholder constants gives the sum, the shortcuts and the scale.
        trial = conv_params(spec, exponents, weights, _placeholder(sum_max), se, self._bits)
        total = layers.binary_sum(trial, x)
        local = layers.local_shortcut(trial, x[few])
        shortcut = _spread(local) / 2.0**exponents.input
        r1 = layers.long_shortcut(trial, block_input[few])
        if r1 is not None:
            shortcut = shortcut + _spread(r1) / 2.0**exponents.block
        scale = layers.squeeze_excite(trial.se, layers.pixel_sum(x[few]))[2] / numerics.SE_ONE
        deviation = self._aim / 2.0**exponents.output
        folded = self._folded(total[few], sum_max, shortcut, scale[:, None, None, :], deviation)
        conv = conv_params(spec, exponents, weights, folded, se, self._bits)
        return conv, layers.conv_from_sum(conv, total, x, block_input)

    def _folded(
        self, total: Ints, sum_max: Wide, shortcut: Reals, scale: Reals, deviation: float
    ) -> Folded:
        """Constants that give the output about zero median and the standard deviation wanted."""
        rng, c = self._rng, total.shape[-1]
        total = _spread(total)
        size = _deviation(shortcut) if shortcut.ndim else 1.0
        gain = rng.lognormal(0, 0.4, c) * rng.choice([1, 1, -1], c) * size / _deviation(total, 1.0)
        gain[self._some(c)] *= TINY
        gain[self._some(c)] = 0
        beta, bias_x, bias_y = (rng.normal(0, part * size, c) for part in (0.4, 0.3, 0.2))
        pos = rng.uniform(0.5, 1.5, c) * rng.choice([1] * 6 + [-1], c)
        neg = rng.uniform(0.05, 0.7, c) * rng.choice([1, 1, 1, -1], c)
        t = gain * total + beta + shortcut - bias_x
        raw = scale * (np.where(t >= 0, pos, neg) * t - bias_y)
        factor = deviation / _deviation(raw)
        offset = rng.normal(0, 0.1 * deviation, c) - factor * np.median(raw, axis=(0, 1, 2))
        zero = self._some(c)
        for values in (pos, neg, bias_y, offset):
            values[zero] = 0
        return Folded(
            gain=gain,
            beta=beta,
            bias_x=bias_x,
            pos=factor * pos,
            neg=factor * neg,
            bias_y=factor * bias_y,
            offset=offset,
            sum_max=sum_max,
        )

    def _some(self, channels: int) -> npt.NDArray[np.int64]:
        """A few channels, at least one."""
        return self._rng.choice(channels, max(1, channels // 20), replace=False)

    def _se(self, spec: PokeConvSpec, exponent: int, x: Ints) -> RealSE:
        rng, hidden, cout = self._rng, spec.se_hidden, spec.out_shape[2]
        sums = layers.pixel_sum(x)
        pixels = spec.in_shape[0] * spec.in_shape[1]
        bound: float | Reals = 2.0 * _deviation(sums / (pixels * 2.0**exponent))
        weight_bits = 4
        if self._config.bounds == "per_channel":
            bound = bound * rng.uniform(0.3, 1.5, spec.in_shape[2])
            weight_bits = 8
        limit = (1 << (weight_bits - 1)) - 1
        weights = (
            self._weights((spec.in_shape[2], hidden), limit),
            self._weights((hidden, cout), limit),
        )
        constants = mean_params(spec.name, spec.in_shape, exponent, bound, 7, self._bits)
        mean = numerics.scalar(sums, constants)
        total = layers.dot(mean.astype(np.int8), weights[0])
        gain1 = (
            rng.uniform(3, 8, hidden) * rng.choice([1] * 9 + [-1], hidden) / _deviation(total, 1.0)
        )
        offset1 = rng.normal(5, 2, hidden)
        levels = np.clip(np.floor(gain1 * total + offset1), 0, POSITIVE_STEPS - 1)
        total = levels @ weights[1]
        gain2 = rng.uniform(0.1, 0.35, cout) / _deviation(total, 1.0)
        offset2 = rng.normal(0.6, 0.1, cout) - gain2 * total.mean(axis=0)
        return RealSE(
            bound=bound,
            act_bits=4,
            fc1_weights=weights[0],
            gain1=gain1,
            offset1=offset1,
            fc2_weights=weights[1],
            gain2=gain2,
            offset2=offset2,
            weight_bits=weight_bits,
        )

    def _dense(self, y: Ints, exponent: int) -> DenseParams:
        rng, classes = self._rng, self._config.classes
        weights = self._weights((y.shape[-1], classes), 127)
        return dense_params(
            shape=self._config.poke_convs()[-1].out_shape,
            exponent=exponent,
            bound=2.5 * _deviation(y.mean(axis=(1, 2)) / 2.0**exponent),
            weights=weights,
            gain=rng.uniform(10, 40, classes) / column_sum_max(weights, 127),
            bias=rng.normal(0, 0.3, classes),
            logit_exponent=LOGIT_EXPONENT,
            bits=self._bits,
        )


def _deviation(x: npt.NDArray[Any], least: float = TINY) -> float:
    """Standard deviation, at least `least`."""
    return max(float(np.std(x)), least)


def _spread(x: Ints) -> Ints:
    """Every s-th row and column of (N, H, W, C), so that about STATISTICS_PIXELS pixels are left."""
    step = max(1, round((math.prod(x.shape[:3]) / STATISTICS_PIXELS) ** 0.5))
    return x[:, ::step, ::step]


def _placeholder(sum_max: Wide) -> Folded:
    zero = np.zeros(sum_max.shape)
    return Folded(
        gain=zero,
        beta=zero,
        bias_x=zero,
        pos=zero,
        neg=zero,
        bias_y=zero,
        offset=zero,
        sum_max=sum_max,
    )
