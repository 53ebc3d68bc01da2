"""Parameters of an integer network: frozen dataclasses of numpy arrays, the compiler's input.

The meaning of every field is in docs/numerics.md; shapes are (height, width, channels). C is the
number of output channels, a shift is 0..30 to the right unless it is called r_shift.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from hwflow.numerics import ScalarParams as ScalarParams
from hwflow.numerics import VectorParams as VectorParams
from models.integer import checks, storage

Int8 = npt.NDArray[np.int8]
Bool = npt.NDArray[np.bool_]
Shape = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class SEParams:
    """Squeeze-and-excite of a layer's input: mean, two 1x1 layers, a u16 scale per output channel.

    fc1_weights int8[Cin, H] and fc2_weights int8[H, Cout] hold values of weight_bits bits, 4 or 8.
    The mean is symmetric with act_bits bits (4: -7..7, 8: -127..127), its constants common to all
    channels or int32[Cin]; the hidden values are u4.
    """

    mean: ScalarParams
    fc1_weights: Int8
    fc1: ScalarParams
    fc2_weights: Int8
    fc2: ScalarParams
    weight_bits: int = 4
    act_bits: int = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class InitConvParams:
    """One of PokeInit's 8-bit convolutions: stride 1, weights int8[k, k, Cin/groups, Cout].

    The first one is already in its space-to-depth form: kernel = original kernel / stride, VALID,
    in_shape (H/s, W/s, s*s*c); its stored output is s8. The second one is SAME and grouped:
    output o reads inputs of group o // (Cout/groups); its stored output has the network's residual_bits.
    """

    name: str
    kernel: int
    groups: int
    padding: Literal["VALID", "SAME"]
    in_shape: Shape
    out_shape: Shape
    weights: Int8
    vector: VectorParams


@dataclass(frozen=True, kw_only=True, eq=False)
class PokeConvParams:
    """One PokeConv. weights: bool[k, k, Cin, Cout], True is +1. index: 1..3 within the block.

    local: how the layer's input becomes the local shortcut r: 'identity', 'mean' of local_group
    consecutive channels, or zero-'pad'; then pooled if pool_local. The long shortcut r1 is the
    block's input (long_channels channels, averaged as a local one is where these are more than the
    output's, else output o reads o mod long_channels), pooled if pool_long; r1_shift and
    long_channels are None without one. A stored value X means X * 2**-exponent.
    """

    name: str
    block: int
    index: int
    kernel: int
    stride: int
    in_shape: Shape
    out_shape: Shape
    weights: Bool
    vector: VectorParams
    se: SEParams
    r_shift: int
    local: Literal["identity", "mean", "pad"]
    local_group: int
    pool_local: bool
    r1_shift: int | None
    long_channels: int | None
    pool_long: bool
    in_exponent: int
    out_exponent: int
    v_exponent: int


@dataclass(frozen=True, kw_only=True, eq=False)
class DenseParams:
    """Mean over H*W to s8, then int8[Cin, classes]; logit L (s24) is L * 2**-logit_exponent."""

    mean: ScalarParams
    weights: Int8
    logits: ScalarParams
    logit_exponent: int


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerNetwork:
    """A whole network. image_shape is that of the uint8 image, input_table int8[256, c]."""

    name: str
    image_shape: Shape
    input_table: Int8
    init_stride: int
    init: tuple[InitConvParams, InitConvParams]
    convs: tuple[PokeConvParams, ...]
    dense: DenseParams
    classes: int

    @property
    def residual_bits(self) -> int:
        """Width of every stored element behind PokeInit's first convolution, 8..16."""
        return self.init[1].vector.out_bits

    def validate(self) -> None:
        """Raises FlowError naming layer, quantity and bound when docs/numerics.md is not met."""
        checks.validate_network(self)

    def save(self, path: str | Path) -> None:
        """Writes one file, the same bytes for the same network, atomically."""
        storage.save(self, Path(path))

    @staticmethod
    def load(path: str | Path) -> IntegerNetwork:
        """Reads and validates what `save` wrote; FlowError if missing, cut short or damaged."""
        network = storage.load(IntegerNetwork, Path(path))
        network.validate()
        return network

    def content_hash(self) -> str:
        """SHA-256 (hex) of every parameter; independent of the file's compression."""
        return storage.content_hash(self)
