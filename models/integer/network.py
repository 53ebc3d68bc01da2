"""Compiled, batched evaluation of the integer network: the reference for every stored bit.

Images of a batch do not meet, so the results are the same for every batch size. Layers are
compiled one by one: in a whole compiled network XLA repeats the arithmetic of one layer inside
every consumer (ten times slower), and layers of one shape share their code.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import numpy.typing as npt

from hwflow import numerics
from hwflow.errors import FlowError
from models.integer import layers
from models.integer.layers import LayerTrace, Trace
from models.integer.params import IntegerNetwork, PokeConvParams

__all__ = ["LayerTrace", "Trace", "conv_trace", "evaluate", "logits", "map_images", "trace"]

BATCH = 256
Images = npt.NDArray[np.uint8]


def _shape_only(conv: PokeConvParams) -> PokeConvParams:
    """Without the fields that do not change the arithmetic, so that equal shapes compile once."""
    nothing = {"name": "", "block": 0, "index": 0}
    return dataclasses.replace(conv, **nothing, in_exponent=0, out_exponent=0, v_exponent=0)


def _only_y(full: LayerTrace) -> LayerTrace:
    return LayerTrace(full.y, *(None,) * (len(full) - 1))


_init = jax.jit(layers.init_conv)
_init_y = jax.jit(lambda conv, x: _only_y(layers.init_conv(conv, x)))
_conv = jax.jit(layers.poke_conv)
_conv_y = jax.jit(lambda conv, x, block_input: _only_y(layers.poke_conv(conv, x, block_input)))
_dense = jax.jit(layers.dense)


def conv_trace(conv: PokeConvParams, x: Any, block_input: Any) -> LayerTrace:
    """`layers.poke_conv`, compiled, of int32 (N, H, W, C)."""
    return _conv(_shape_only(conv), x, block_input)


_TRACE_STEPS = layers.Steps(_init, conv_trace, _dense)
_LOGIT_STEPS = layers.Steps(_init_y, lambda c, x, b: _conv_y(_shape_only(c), x, b), _dense)


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
    x = jax.device_put(map_images(network, images))
    return jax.tree.map(np.asarray, layers.forward(network, x, _TRACE_STEPS))


def logits(
    network: IntegerNetwork,
    images: Images,
    batch: int = BATCH,
    progress: Callable[[int, int], None] | None = None,
) -> npt.NDArray[np.int32]:
    """int32 (N, classes); the images are evaluated `batch` at a time.

    progress is called with (images done, of how many).
    """
    on_device = jax.device_put(network)
    batch = min(batch, len(images))
    results: list[npt.NDArray[np.int32]] = []
    for start in range(0, len(images), batch):
        x = map_images(network, images[start : start + batch])
        padding = batch - len(x)
        x = jax.device_put(np.pad(x, ((0, padding), (0, 0), (0, 0), (0, 0))))
        found = layers.forward(on_device, x, _LOGIT_STEPS).logits
        results.append(np.asarray(found)[: batch - padding])
        if progress:
            progress(start + batch - padding, len(images))
    return np.concatenate(results)


def evaluate(network: IntegerNetwork, images: Images, labels: npt.NDArray[Any]) -> float:
    """Share of the images whose largest logit (the first of equals) is the label's."""
    return float(np.mean(logits(network, images).argmax(axis=1) == labels))
