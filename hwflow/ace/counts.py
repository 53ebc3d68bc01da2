"""What is counted: multiply-accumulates by width, and elementwise operations by class.

ACE (arithmetic computation effort) of a layer = MACs * weight bits * activation bits, over every
convolution and the dense layer, padded taps included. Elementwise operations are counted beside it.
Source: Zhang, Zhang, Lew, "PokeBNN", CVPR 2022, and its reference code.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

ELEMENTWISE: dict[str, str] = {
    "batch_norm": "elements normalised",
    "dprelu": "elements through DPReLU",
    "channel_average_add": "additions of the mean over consecutive channels",
    "channel_average_multiply": "its multiplications by 1/g, one per mean",
    "average_pool": "additions of the 3x3 pool, nine per pooled element",
    "long_shortcut": "additions of the block's input",
    "local_shortcut": "additions of the convolution's input",
    "se_pool_add": "additions of the mean over height and width",
    "se_pool_multiply": "its multiplications, one per channel",
    "se_relu": "hidden values through relu",
    "se_relu6": "scales through relu6",
    "se_multiply": "multiplications by the scale",
    "last_mean": "additions of the mean before the dense layer",
}
"""Classes of elementwise operations, in the reference's order, and what one count is."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One convolution or dense layer of one image.

    layer: the layer it belongs to (an SE's two layers belong to the PokeConv they scale).
    weights: number of weights. macs: padded taps included.
    """

    name: str
    layer: str
    weight_bits: int
    activation_bits: int
    weights: int
    macs: int
    dense: bool

    @property
    def ace(self) -> int:
        """MACs weighted by both widths."""
        return self.macs * self.weight_bits * self.activation_bits


@dataclass(frozen=True, kw_only=True)
class AceReport:
    """Counts of one image through one network. elementwise: layer -> class -> count."""

    network: str
    operations: tuple[Operation, ...]
    elementwise: dict[str, dict[str, int]]
    parameters: int

    @property
    def layers(self) -> tuple[str, ...]:
        """Layer names in execution order."""
        return tuple(dict.fromkeys(operation.layer for operation in self.operations))

    @property
    def conv_ace(self) -> int:
        """ACE of all convolutions."""
        return sum(o.ace for o in self.operations if not o.dense)

    @property
    def dense_ace(self) -> int:
        """ACE of the dense layer."""
        return sum(o.ace for o in self.operations if o.dense)

    @property
    def total_ace(self) -> int:
        """ACE of the network."""
        return self.conv_ace + self.dense_ace

    def weights(self) -> dict[int, int]:
        """Width in bits -> number of weights."""
        return self._by_width(lambda operation: operation.weights)

    def macs(self) -> dict[int, int]:
        """Width of the weights in bits -> MACs."""
        return self._by_width(lambda operation: operation.macs)

    def _by_width(self, quantity: Any) -> dict[int, int]:
        totals: Counter[int] = Counter()
        for operation in self.operations:
            totals[operation.weight_bits] += quantity(operation)
        return dict(sorted(totals.items()))

    def elementwise_totals(self) -> dict[str, int]:
        """Class of `ELEMENTWISE` -> count over the network."""
        totals = dict.fromkeys(ELEMENTWISE, 0)
        for counts in self.elementwise.values():
            for name, number in counts.items():
                totals[name] += number
        return totals

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready dictionary: totals, then one entry a layer."""
        return {
            "network": self.network,
            "evidence": "float",
            "conv_ace": self.conv_ace,
            "dense_ace": self.dense_ace,
            "total_ace": self.total_ace,
            "weights_by_bits": {str(bits): n for bits, n in self.weights().items()},
            "macs_by_bits": {str(bits): n for bits, n in self.macs().items()},
            "parameters": self.parameters,
            "elementwise": self.elementwise_totals(),
            "layers": [
                {
                    "layer": layer,
                    "operations": [
                        {
                            "name": o.name,
                            "weight_bits": o.weight_bits,
                            "activation_bits": o.activation_bits,
                            "weights": o.weights,
                            "macs": o.macs,
                            "ace": o.ace,
                        }
                        for o in self.operations
                        if o.layer == layer
                    ],
                    "elementwise": self.elementwise.get(layer, {}),
                }
                for layer in self.layers
            ],
        }
