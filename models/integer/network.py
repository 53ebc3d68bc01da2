"""Compiled, batched evaluation of the integer network: the reference for every stored bit.

Images of a batch do not meet, so the results are the same for every batch size.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import numpy.typing as npt

from hwflow import numerics
from hwflow.errors import FlowError
from models.integer import layers
from models.integer.layers import LayerTrace, Trace
from models.integer.params import (
    DenseParams,
    InitConvParams,
    IntegerNetwork,
    PokeConvParams,
    ScalarParams,
    SEParams,
    VectorParams,
)

__all__ = ["LayerTrace", "Trace", "conv_trace", "evaluate", "logits", "map_images", "trace"]

BATCH = 256
Images = npt.NDArray[np.uint8]

_ARRAYS: dict[type[Any], str] = {
    ScalarParams: "alpha beta shift",
    VectorParams: "alpha alpha_shift beta bias_x out_shift pos neg bias_y bias_y_shift offset",
    SEParams: "mean fc1_weights fc1 fc2_weights fc2",
    InitConvParams: "weights vector",
    PokeConvParams: "weights vector se",
    DenseParams: "mean weights logits",
    IntegerNetwork: "input_table init convs dense",
}
"""Fields that are arrays, or hold some; all others shape the compiled function."""

for _kind, _names in _ARRAYS.items():
    _data = _names.split()
    _meta = [name for name in _kind.__dataclass_fields__ if name not in _data]
    jax.tree_util.register_dataclass(_kind, data_fields=_data, meta_fields=_meta)

_trace = jax.jit(layers.forward)
conv_trace = jax.jit(layers.poke_conv)
"""`layers.poke_conv`, compiled."""


@jax.jit
def _logits(network: IntegerNetwork, x: jax.Array) -> jax.Array:
    return layers.forward(network, x).logits


def map_images(network: IntegerNetwork, images: Images) -> npt.NDArray[np.int8]:
    """uint8 (N, H, W, c) to the first convolution's input, int8 (N, H/s, W/s, s*s*c)."""
    if images.dtype != np.uint8 or images.shape[1:] != network.image_shape:
        raise FlowError(
            f"images are {images.dtype} {images.shape[1:]}; network {network.name} takes uint8 "
            f"{network.image_shape}"
        )
    mapped = numerics.map_pixels(images, network.input_table)
    return numerics.space_to_depth(mapped, network.init_stride)


def trace(network: IntegerNetwork, images: Images) -> Trace:
    """Every stored tensor (numpy arrays) of the images (N, H, W, c), in one batch."""
    return jax.tree.map(np.asarray, _trace(network, map_images(network, images)))


def logits(network: IntegerNetwork, images: Images, batch: int = BATCH) -> npt.NDArray[np.int32]:
    """int32 (N, classes); the images are evaluated `batch` at a time."""
    on_device = jax.device_put(network)
    batch = min(batch, len(images))
    results: list[npt.NDArray[np.int32]] = []
    for start in range(0, len(images), batch):
        x = map_images(network, images[start : start + batch])
        padding = batch - len(x)
        x = np.pad(x, ((0, padding), (0, 0), (0, 0), (0, 0)))
        results.append(np.asarray(_logits(on_device, x))[: batch - padding])
    return np.concatenate(results)


def evaluate(network: IntegerNetwork, images: Images, labels: npt.NDArray[Any]) -> float:
    """Share of the images whose largest logit (the first of equals) is the label's."""
    return float(np.mean(logits(network, images).argmax(axis=1) == labels))
