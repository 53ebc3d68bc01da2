"""How far the integer network is from the float one: per layer with forced block inputs, and top-1.

Every block starts from the float network's own input of that block, rounded to the integer grid,
so errors do not add up over blocks; within a block its three PokeConvs follow one another.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from hwflow import numerics
from models.config import PokeBNNConfig
from models.float import Mode
from models.float.forward import ForwardResult, apply, forward
from models.integer import network as integer
from models.integer.layers import LayerTrace
from models.integer.params import IntegerNetwork

BATCH = 64
Images = npt.NDArray[np.uint8]
Progress = Callable[[int, int], None]
EXACT_DB = math.inf
"""Signal-to-noise ratio of two equal tensors."""


@dataclass(frozen=True, kw_only=True)
class LayerComparison:
    """One layer's stored output against the float network's, over all images.

    exponent, v_exponent: of the output and of v (None for PokeInit's v). t_saturated,
    y_saturated: elements. snr_db: power of the float output over power of the difference.
    flipped: share of elements whose sign bit differs.
    """

    name: str
    block: int | None
    exponent: int
    v_exponent: int | None
    values: int
    t_saturated: int
    y_saturated: int
    snr_db: float
    flipped: float


@dataclass(frozen=True, kw_only=True)
class NetworkComparison:
    """layers in order, PokeInit first; top-1 of both networks on the same images, when labelled.

    agreement: share of images on which both choose the same class.
    """

    layers: tuple[LayerComparison, ...]
    images: int
    agreement: float
    float_top1: float | None
    integer_top1: float | None

    def blocks(self) -> tuple[LayerComparison, ...]:
        """PokeInit and the last layer of every block."""
        last = {layer.block: layer for layer in self.layers}
        return tuple(last.values())

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready dictionary; an infinite signal-to-noise ratio becomes None."""
        values = dataclasses.asdict(self)
        for layer in values["layers"]:
            layer["snr_db"] = layer["snr_db"] if math.isfinite(layer["snr_db"]) else None
        return values


class _Tally:
    """Sums over batches for one layer."""

    def __init__(self) -> None:
        self.values = self.t_saturated = self.y_saturated = self.flipped = 0
        self.signal = self.noise = 0.0

    def add(self, wanted: npt.NDArray[np.float32], found: LayerTrace, exponent: int) -> None:
        y = np.asarray(found.y)
        error = wanted - y * 2.0**-exponent
        self.values += y.size
        self.t_saturated += int(np.sum(found.t_saturated))
        self.y_saturated += int(np.sum(found.y_saturated))
        self.flipped += int(np.count_nonzero((wanted >= 0) != (y >= 0)))
        self.signal += float(np.sum(np.square(wanted, dtype=np.float64)))
        self.noise += float(np.sum(np.square(error, dtype=np.float64)))

    def result(
        self, name: str, block: int | None, exponent: int, v_exponent: int | None
    ) -> LayerComparison:
        ratio = self.signal / self.noise if self.noise else EXACT_DB
        return LayerComparison(
            name=name,
            block=block,
            exponent=exponent,
            v_exponent=v_exponent,
            values=self.values,
            t_saturated=self.t_saturated,
            y_saturated=self.y_saturated,
            snr_db=10 * math.log10(ratio) if ratio > 0 else -math.inf,
            flipped=self.flipped / self.values,
        )


def to_grid(x: npt.NDArray[np.float32], exponent: int, bits: int) -> npt.NDArray[np.int32]:
    """Rounds x half up to a stored tensor with `exponent`, saturated to `bits` bits; signs stay.

    A negative value below half a step becomes -1 step: as 0 it would be binarised to +1.
    """
    grid = np.floor(x.astype(np.float64) * 2.0**exponent + 0.5)
    grid = np.where(x < 0, np.minimum(grid, -1), grid)
    return np.clip(grid, *numerics.signed_range(bits)).astype(np.int32)


def compare_layers(
    network: IntegerNetwork, runs: Iterable[tuple[Images, ForwardResult]]
) -> tuple[LayerComparison, ...]:
    """Every layer against what the float network computed for some batches of images."""
    tallies = {name: _Tally() for name in ["PokeInit", *(conv.name for conv in network.convs)]}
    for images, wanted in runs:
        first = integer.trace(network, images).init[1]
        tallies["PokeInit"].add(wanted.poke_init, first, network.convs[0].in_exponent)
        _add_convs(network, wanted, tallies)
    results = [tallies["PokeInit"].result("PokeInit", None, network.convs[0].in_exponent, None)]
    for conv in network.convs:
        tally = tallies[conv.name]
        results.append(tally.result(conv.name, conv.block, conv.out_exponent, conv.v_exponent))
    return tuple(results)


def _add_convs(network: IntegerNetwork, wanted: ForwardResult, tallies: dict[str, _Tally]) -> None:
    y: Any = None
    block_input: Any = None
    block = None
    for conv in network.convs:
        expected = wanted.poke_convs[conv.name]
        if conv.block != block:
            block = conv.block
            y = block_input = jax.device_put(
                to_grid(expected.r, conv.in_exponent, network.residual_bits)
            )
        found = integer.conv_trace(conv, y, block_input)
        tallies[conv.name].add(expected.output, found, conv.out_exponent)
        y = found.y


def float_logits(
    config: PokeBNNConfig,
    variables: Mapping[str, Any],
    images: Images,
    progress: Progress | None = None,
) -> npt.NDArray[np.float32]:
    """Logits (N, classes) of the float network in float32."""
    results: list[npt.NDArray[np.float32]] = []
    for start in range(0, len(images), BATCH):
        batch = images[start : start + BATCH]
        missing = BATCH - len(batch)
        padded = np.concatenate([batch, np.zeros((missing, *batch.shape[1:]), np.uint8)])
        found = apply(config, Mode(dtype=jnp.float32), variables, jnp.asarray(padded))
        results.append(np.asarray(found)[: len(batch)])
        if progress:
            progress(start + len(batch), len(images))
    return np.concatenate(results)


def compare_networks(
    network: IntegerNetwork,
    config: PokeBNNConfig,
    variables: Mapping[str, Any],
    images: Images,
    labels: npt.NDArray[np.integer] | None,
    *,
    layer_images: int = BATCH,
    progress: Progress | None = None,
) -> NetworkComparison:
    """Layers on the first layer_images images (one batch), top-1 of both networks on all.

    progress is called with (images done, of how many); every image counts once for each network.
    """
    total = 2 * len(images)

    def second(done: int, count: int) -> None:
        if progress:
            progress(count + done, total)

    def first(done: int, _: int) -> None:
        if progress:
            progress(done, total)

    wanted = float_logits(config, variables, images, first).argmax(axis=1)
    found = integer.logits(network, images, progress=second).argmax(axis=1)
    some = images[:layer_images]
    return NetworkComparison(
        layers=compare_layers(network, [(some, forward(config, variables, some, jnp.float32))]),
        images=len(images),
        agreement=float(np.mean(wanted == found)),
        float_top1=None if labels is None else float(np.mean(wanted == labels)),
        integer_top1=None if labels is None else float(np.mean(found == labels)),
    )
