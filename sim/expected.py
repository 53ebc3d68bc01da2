"""What every tap, record and logit of an image must be, from the integer network's trace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwflow import numerics
from hwflow.signature import logits_signature, signature
from models.integer import layers as evaluation
from models.integer.network import map_images
from models.integer.params import IntegerNetwork

Ints = npt.NDArray[np.int32]
Instruction = Mapping[str, int]

BATCH = 16
"""Images evaluated at a time; bounds memory."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ExpectedLayer:
    """One layer of one image.

    stored, mean, stored_mean, pool: (H, W, C) tensors, all but the first None when the schedule does not ask for
    them (stored_mean: what main memory holds in place of the output);
    scalars: kind (sim.taps.SCALAR_KINDS) -> values by index; saturated: (t, y), None for the dense layer.
    """

    number: int
    name: str
    stored: Ints | None
    mean: Ints | None
    stored_mean: Ints | None
    pool: Ints | None
    scalars: Mapping[str, Ints]
    signature: int | None
    saturated: tuple[int, int] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class ExpectedImage:
    """One image: its layers in order, the dense layer last; logits int32 (classes,)."""

    layers: tuple[ExpectedLayer, ...]
    logits: Ints
    signature: int


def layer_names(network: IntegerNetwork) -> tuple[str, ...]:
    """Names by layer number: PokeInit's convolutions, the PokeConvs, the dense layer."""
    return (*(layer.name for layer in (*network.init, *network.convs)), "dense")


def expected_images(
    network: IntegerNetwork, convs: Mapping[int, Instruction], images: npt.NDArray[np.uint8]
) -> list[ExpectedImage]:
    """Evaluate `images` (N, H, W, c); `convs` are the schedule's CONV instructions by layer number.

    Raises:
        FlowError: images of another shape or type.
    """
    result: list[ExpectedImage] = []
    for at in range(0, len(images), BATCH):
        # In numpy the same layers need no compilation, which takes longer than a few images.
        trace = evaluation.forward(network, map_images(network, images[at : at + BATCH]))
        result += _split(trace, layer_names(network), convs, network.residual_bits)
    return result


def _means(stored: Ints, shift: int) -> Ints | None:
    """Means of 2**shift channels, None for shift 0."""
    return numerics.channel_mean(stored, stored.shape[-1] >> shift) if shift else None


def _split(
    trace: evaluation.Trace,
    names: tuple[str, ...],
    convs: Mapping[int, Instruction],
    bits: int,
) -> list[ExpectedImage]:
    traces = (*trace.init, *trace.convs)
    result: list[ExpectedImage] = []
    for image in range(len(trace.logits)):
        layers: list[ExpectedLayer] = []
        for number, layer in enumerate(traces):
            conv = convs[number]
            stored = layer.y[image]
            scalars = {
                "mean": layer.mean[image],
                "hidden": layer.hidden[image],
                "scale": layer.scale[image],
            }
            layers.append(
                ExpectedLayer(
                    number=number,
                    name=names[number],
                    stored=stored,
                    mean=_means(stored, conv["mean_shift"] * conv["mean_en"]),
                    stored_mean=_means(stored, conv["store_shift"]),
                    pool=numerics.average_pool(stored, bits) if conv["pool_en"] else None,
                    scalars={} if number < len(trace.init) else scalars,
                    signature=signature(stored),
                    saturated=(int(layer.t_saturated[image]), int(layer.y_saturated[image])),
                )
            )
        logits = np.asarray(trace.logits[image], np.int32)
        layers.append(
            ExpectedLayer(
                number=len(traces),
                name=names[-1],
                stored=None,
                mean=None,
                stored_mean=None,
                pool=None,
                scalars={"mean": trace.features[image], "logit": logits},
                signature=None,
                saturated=None,
            )
        )
        result.append(
            ExpectedImage(layers=tuple(layers), logits=logits, signature=logits_signature(logits))
        )
    return result
