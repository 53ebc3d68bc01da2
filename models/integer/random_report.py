"""Whether a random network exercises what it passes through: shares per layer, with limits.

A layer whose scales are all 0 or 1, whose values saturate or whose signs are all alike would agree
with almost any hardware. docs/random-networks.md states the same limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hwflow import numerics
from models.integer.layers import LayerTrace
from models.integer.params import InitConvParams, IntegerNetwork, PokeConvParams

LIMITS: dict[str, tuple[float, float]] = {
    "se_zero": (0.0, 0.25),
    "se_one": (0.0, 0.25),
    "t_saturated": (0.0, 0.01),
    "y_saturated": (0.0, 0.01),
    "ones": (0.2, 0.8),
    "stuck": (0.0, 0.25),
    "rms": (0.01, 0.5),
}
"""Field of `LayerReport` -> the least and the largest share allowed."""


@dataclass(frozen=True, kw_only=True)
class LayerReport:
    """Shares (0..1) of one layer over the reported images.

    se_zero, se_one: SE scales that are exactly 0 and exactly 1.0, None without an SE. t_saturated,
    y_saturated: elements that saturate. ones: outputs >= 0, the ones of the bit plane. stuck:
    channels with the same sign everywhere. rms: root mean square of the outputs relative to their
    type's largest. scale_negative, scale_zero: channels whose alpha is below 0, is 0;
    slope_negative: those with pos or neg below 0.
    """

    name: str
    se_zero: float | None
    se_one: float | None
    t_saturated: float
    y_saturated: float
    ones: float
    stuck: float
    rms: float
    scale_negative: float
    scale_zero: float
    slope_negative: float

    def missed(self) -> list[str]:
        """One line for every limit that the layer misses."""
        lines: list[str] = []
        for field, (least, most) in LIMITS.items():
            value = getattr(self, field)
            if value is not None and not least <= value <= most:
                lines.append(f"{self.name}: {field} is {value:.4f}, limits {least}..{most}")
        return lines


@dataclass(frozen=True, kw_only=True)
class NetworkReport:
    """A generated network: what it is, and its layers in order without the dense one."""

    network: str
    seed: int
    sha256: str
    layers: tuple[LayerReport, ...]

    def missed(self) -> list[str]:
        """One line for every limit missed by a layer; none when all are within."""
        return [line for layer in self.layers for line in layer.missed()]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready dictionary."""
        return {
            "network": self.network,
            "seed": self.seed,
            "sha256": self.sha256,
            "evidence": "integer",
            "limits": {name: list(bounds) for name, bounds in LIMITS.items()},
            "missed": self.missed(),
            "layers": [asdict(layer) for layer in self.layers],
        }


def layer_report(
    layer: InitConvParams | PokeConvParams, trace: LayerTrace, images: slice
) -> LayerReport:
    """The report of a layer from its trace, over the images chosen."""
    y, scale = trace.y[images], trace.scale[images]
    has_se = isinstance(layer, PokeConvParams)
    ones = y >= 0
    share = ones.mean(axis=(0, 1, 2))
    vector = layer.vector
    return LayerReport(
        name=layer.name,
        se_zero=float(np.mean(scale == 0)) if has_se else None,
        se_one=float(np.mean(scale == numerics.SE_ONE)) if has_se else None,
        t_saturated=float(trace.t_saturated[images].sum() / y.size),
        y_saturated=float(trace.y_saturated[images].sum() / y.size),
        ones=float(share.mean()),
        stuck=float(np.mean((share == 0) | (share == 1))),
        rms=float(np.sqrt(np.mean(np.square(y, dtype=np.float32)))) / (1 << (vector.out_bits - 1)),
        scale_negative=float(np.mean(vector.alpha < 0)),
        scale_zero=float(np.mean(vector.alpha == 0)),
        slope_negative=float(np.mean((vector.pos < 0) | (vector.neg < 0))),
    )


def network_report(
    network: IntegerNetwork, seed: int, layers: Sequence[LayerReport]
) -> NetworkReport:
    """The report of a network drawn from `seed`."""
    return NetworkReport(
        network=network.name, seed=seed, sha256=network.content_hash(), layers=tuple(layers)
    )
