"""The shapes of a network: all that a planner of tensors and cycles needs to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.integer.params import IntegerNetwork, Shape


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
