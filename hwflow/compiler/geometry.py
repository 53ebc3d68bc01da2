"""The shapes of a network: all that a planner of tensors and cycles needs to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.config import PokeBNNConfig, PokeConvSpec
from models.integer.params import IntegerNetwork, Shape

INIT_GROUP_KERNEL = 3
"""Height and width of PokeInit's grouped convolution."""


@dataclass(frozen=True, kw_only=True)
class InitGeometry:
    """One of PokeInit's convolutions, stride 1, after space-to-depth; shapes (height, width, channels)."""

    name: str
    kernel: int
    groups: int
    in_shape: Shape
    out_shape: Shape


@dataclass(frozen=True, kw_only=True)
class ConvGeometry:
    """One PokeConv; the fields are those of `models.integer.params.PokeConvParams`.

    long_channels: None without a long shortcut. hidden: hidden units of its squeeze-and-excite.
    """

    name: str
    block: int
    kernel: int
    stride: int
    in_shape: Shape
    out_shape: Shape
    local: Literal["identity", "mean", "pad"]
    local_group: int
    pool_local: bool
    long_channels: int | None
    pool_long: bool
    hidden: int


@dataclass(frozen=True, kw_only=True)
class NetworkGeometry:
    """A whole network: two convolutions of PokeInit, then PokeConvs, then the dense layer."""

    name: str
    init: tuple[InitGeometry, InitGeometry]
    convs: tuple[ConvGeometry, ...]
    classes: int


def geometry_of(network: IntegerNetwork) -> NetworkGeometry:
    """The shapes of an integer network."""
    first, second = (
        InitGeometry(
            name=conv.name,
            kernel=conv.kernel,
            groups=conv.groups,
            in_shape=conv.in_shape,
            out_shape=conv.out_shape,
        )
        for conv in network.init
    )
    convs = tuple(
        ConvGeometry(
            name=conv.name,
            block=conv.block,
            kernel=conv.kernel,
            stride=conv.stride,
            in_shape=conv.in_shape,
            out_shape=conv.out_shape,
            local=conv.local,
            local_group=conv.local_group,
            pool_local=conv.pool_local,
            long_channels=conv.long_channels,
            pool_long=conv.pool_long,
            hidden=conv.se.fc1_weights.shape[1],
        )
        for conv in network.convs
    )
    return NetworkGeometry(
        name=network.name, init=(first, second), convs=convs, classes=network.classes
    )


def geometry_of_config(config: PokeBNNConfig) -> NetworkGeometry:
    """The shapes of the integer network of an architecture, without its parameters."""
    (height, width, channels), stride = config.image_shape, config.init_stride
    stored = (height // stride, width // stride, stride * stride * channels)
    first = InitGeometry(
        name="init_conv",
        kernel=config.init_kernel // stride,
        groups=1,
        in_shape=stored,
        out_shape=config.init_shape,
    )
    second = InitGeometry(
        name="init_conv_group",
        kernel=INIT_GROUP_KERNEL,
        groups=config.init_channels,
        in_shape=config.init_shape,
        out_shape=config.init_out_shape,
    )
    return NetworkGeometry(
        name=config.name,
        init=(first, second),
        convs=tuple(_conv(spec) for spec in config.poke_convs()),
        classes=config.classes,
    )


def _conv(spec: PokeConvSpec) -> ConvGeometry:
    cin, cout, long = spec.in_shape[2], spec.out_shape[2], spec.r1_shape
    size = spec.out_shape[:2]
    return ConvGeometry(
        name=spec.name,
        block=spec.block,
        kernel=spec.kernel,
        stride=spec.stride,
        in_shape=spec.in_shape,
        out_shape=spec.out_shape,
        local="mean" if cin > cout else "pad" if cin < cout else "identity",
        local_group=max(cin // cout, 1),
        pool_local=spec.in_shape[:2] != size,
        long_channels=None if long is None else long[2],
        pool_long=long is not None and long[:2] != size,
        hidden=spec.se_hidden,
    )
