"""What is counted: multiply-accumulates by width, and elementwise operations by class.

ACE (arithmetic computation effort) of a layer = MACs * weight bits * activation bits, over every
convolution and the dense layer, padded taps included. Elementwise operations are counted beside it.
Source: Zhang, Zhang, Lew, "PokeBNN", CVPR 2022, and its reference code.
CPU64 = MACs of 1x1 bit / 64 + all other MACs, whatever their widths: the OPs of Bi-Real Net and ReActNet
(github.com/liuzechun/ReActNet, issue 19: OPs = FLOPs + BOPs / 64).
Size = weights of MACs at their own width + all other parameters at 32 bits, in bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

REGISTER_BITS = 64
"""Binary MACs that CPU64 counts as one."""
PARAMETER_BITS = 32
"""Width at which Size counts what is no weight of a MAC: biases, batch norm, activations."""

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

    @property
    def binary(self) -> bool:
        """Whether both operands have one bit."""
        return self.weight_bits == self.activation_bits == 1

    @property
    def cpu64(self) -> float:
        """Operations of a CPU that does 64 binary MACs at a time."""
        return self.macs / REGISTER_BITS if self.binary else float(self.macs)


def weight_bytes(operations: Iterable[Operation]) -> float:
    """Bytes of all weights, each at its own width."""
    return sum(o.weights * o.weight_bits for o in operations) / 8


def parameter_bytes(parameters: int) -> int:
    """Bytes of parameters that are no weights of MACs."""
    return parameters * PARAMETER_BITS // 8


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

    @property
    def cpu64(self) -> float:
        """CPU64 of the network."""
        return sum(o.cpu64 for o in self.operations)

    @property
    def size_bytes(self) -> float:
        """Size of the network in bytes."""
        others = self.parameters - sum(o.weights for o in self.operations)
        return weight_bytes(self.operations) + parameter_bytes(others)

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
            "cpu64": self.cpu64,
            "size_bytes": self.size_bytes,
            "weight_bytes": weight_bytes(self.operations),
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
