"""Who reads a layer's output, in which form, and which shortcuts the hardware can do."""

from __future__ import annotations

from dataclasses import dataclass

from hwflow.compiler.geometry import ConvGeometry, NetworkGeometry
from hwflow.config import AcceleratorConfig
from hwflow.errors import UnsuitableError
from hwflow.heads import head_rows

MEAN_GROUPS = (2, 4, 8)
"""Numbers of channels the back end can average."""


@dataclass(frozen=True, kw_only=True)
class Uses:
    """Last reader of each form of a stored tensor; None: that form is not needed.

    stored: of means of stored_group channels in its own place, of itself where that is 1.
    mean: of means of mean_group channels beside it.
    """

    stored: int | None = None
    bits: int | None = None
    mean: int | None = None
    pool: int | None = None
    mean_group: int = 1
    stored_group: int = 1


def unsupported(name: str, reason: str, remedy: str) -> UnsuitableError:
    """The error of a layer that the hardware cannot do, and what to change."""
    return UnsuitableError(f"{name}: {reason}; {remedy}")


def uses_of(network: NetworkGeometry, producer: int, config: AcceleratorConfig) -> Uses:
    """Who reads the output of layer `producer` (1 or more), and in which form."""
    index = producer - 1
    if index >= len(network.convs):
        return Uses()
    consumer = network.convs[index]
    averaged = consumer.local == "mean" and consumer.local_group > 1
    if averaged:
        _check_mean(consumer, in_front=starts_block(network, index), config=config)
    plain = None if averaged or consumer.pool_local else producer + 1
    pool = producer + 1 if consumer.pool_local else None
    stored_group = 1
    if starts_block(network, index):
        for later, conv in enumerate(network.convs[index:], producer + 1):
            if conv.block != consumer.block:
                break
            if conv.long_channels is None:
                continue
            _check_long(conv, config)
            stored_group = _long_group(conv)
            if stored_group > 1 and plain is not None:
                raise unsupported(
                    conv.name,
                    "its block's input is needed as it is and averaged for the long shortcut",
                    "let the block's first convolution reduce the channels",
                )
            if conv.pool_long:
                pool = later
            else:
                plain = later
    return Uses(
        stored=plain,
        bits=producer + 1,
        mean=producer + 1 if averaged else None,
        pool=pool,
        mean_group=consumer.local_group if averaged else 1,
        stored_group=stored_group,
    )


def starts_block(network: NetworkGeometry, index: int) -> bool:
    """Whether the convolution is its block's first."""
    return index == 0 or network.convs[index].block != network.convs[index - 1].block


def _long_group(conv: ConvGeometry) -> int:
    """Channels that the long shortcut averages."""
    return max((conv.long_channels or 0) // conv.out_shape[2], 1)


def _check_group(name: str, shortcut: str, group: int, config: AcceleratorConfig) -> None:
    if group not in MEAN_GROUPS:
        raise unsupported(
            name,
            f"its {shortcut} shortcut averages {group} channels, the hardware 2, 4 or 8",
            "choose widths whose ratio is a power of two up to 8",
        )
    if config.cols % group:
        raise unsupported(
            name,
            f"its {shortcut} shortcut averages {group} channels of a group of {config.cols}",
            f"raise cols of target {config.name} to a multiple",
        )


def _check_mean(conv: ConvGeometry, *, in_front: bool, config: AcceleratorConfig) -> None:
    _check_group(conv.name, "local", conv.local_group, config)
    if not in_front:
        raise unsupported(
            conv.name,
            "its local shortcut averages the output of a layer of the same block",
            "let only the first convolution of a block reduce the channels",
        )
    if conv.pool_local:
        raise unsupported(
            conv.name,
            "its local shortcut is averaged over channels and pooled",
            "put the stride into another convolution of the block",
        )


def _check_long(conv: ConvGeometry, config: AcceleratorConfig) -> None:
    channels, cout = conv.long_channels or 0, conv.out_shape[2]
    if channels > cout:
        if conv.pool_long:
            raise unsupported(
                conv.name,
                f"its long shortcut of {channels} channels is cut to {cout} and pooled",
                "let a strided block's output be at least as wide as its input",
            )
        if (group := _long_group(conv)) > 1:
            _check_group(conv.name, "long", group, config)
        return
    if channels == cout or channels % config.cols == 0:
        return
    tiles = f"its long shortcut tiles {channels} channels, not a multiple of {config.cols} columns"
    if channels < config.cols or not conv.pool_long:
        raise unsupported(
            conv.name,
            f"{tiles}, and is {'narrower than them' if conv.pool_long else 'not pooled'}",
            f"use a width that is one, or lower cols of target {config.name}",
        )
    if not config.head_rows:
        needed = head_rows(config, *conv.out_shape[:2])
        raise unsupported(
            conv.name,
            f"{tiles}, and target {config.name} keeps no heads",
            f"set head_rows to {needed} or more, or use a width that is one",
        )
