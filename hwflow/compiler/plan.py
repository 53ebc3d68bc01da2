"""Which tensors exist, where they live and which layer reads them: shortcut routing.

Layer numbers: 0 and 1 are PokeInit's convolutions, 2 + i is PokeConv i, the last is the dense layer.

| tensor | memory | written by |
|---|---|---|
| block input X (and the network's output) | main | the layer before the block |
| in its place channel mean of X, for a long shortcut of more channels than its output has | main | the layer that stores X |
| output of a block's other convolutions | side, in place over its shortcut when possible | that layer |
| channel mean of X, for the next layer's local shortcut | side | the layer that stores X |
| pooled X or pooled output, for a strided shortcut | pool | the layer that stores it |
| sign bits of every PokeConv's input | bit | the layer that stores it |
| image, output of PokeInit's first convolution | byte | loader, layer 0 |
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hwflow import numerics
from hwflow.compiler.allocate import Allocator
from hwflow.config import AcceleratorConfig
from hwflow.errors import FlowError
from hwflow.memories import Memory, Tensor, ceil_div, pixel_words, tensor_rows
from models.integer.params import IntegerNetwork, PokeConvParams, Shape

MEAN_GROUPS = (2, 4, 8)
"""Numbers of channels the back end can average."""


@dataclass(frozen=True, kw_only=True)
class LayerPlan:
    """Tensors a CONV reads (source, r, r1) and writes (output, bits, mean, pool).

    channels: of the layer. `output` holds means of 2**store_shift of them, itself for store_shift 0.
    """

    number: int
    name: str
    channels: int
    source: Tensor
    r: Tensor | None
    r1: Tensor | None
    output: Tensor
    store_shift: int
    bits: Tensor | None
    mean: Tensor | None
    mean_shift: int
    pool: Tensor | None

    @property
    def written(self) -> tuple[Tensor, ...]:
        """Every tensor this layer writes."""
        tensors = (self.output, self.bits, self.mean, self.pool)
        return tuple(t for t in tensors if t is not None)


@dataclass(frozen=True, kw_only=True)
class _Uses:
    """Last reader of each form of a stored tensor; None: that form is not needed.

    stored: of what main or side memory holds, means of stored_group channels (1: the tensor itself).
    mean: of the means of mean_group channels that the side memory holds beside it.
    """

    stored: int | None = None
    bits: int | None = None
    mean: int | None = None
    pool: int | None = None
    mean_group: int = 1
    stored_group: int = 1


def _unsupported(name: str, reason: str, remedy: str) -> FlowError:
    return FlowError(f"{name}: {reason}; {remedy}")


def _uses(network: IntegerNetwork, producer: int, config: AcceleratorConfig) -> _Uses:
    """Who reads the output of layer `producer` (1 or more), and in which form."""
    index = producer - 1
    if index >= len(network.convs):
        return _Uses()
    consumer = network.convs[index]
    averaged = consumer.local == "mean" and consumer.local_group > 1
    if averaged:
        _check_mean(consumer, starts_block=_starts_block(network, index), config=config)
    plain = None if averaged or consumer.pool_local else producer + 1
    pool = producer + 1 if consumer.pool_local else None
    stored_group = 1
    if _starts_block(network, index):
        for later, conv in enumerate(network.convs[index:], producer + 1):
            if conv.block != consumer.block:
                break
            if conv.r1_shift is None:
                continue
            _check_long(conv, config)
            stored_group = _long_group(conv)
            if stored_group > 1 and plain is not None:
                raise _unsupported(
                    conv.name,
                    "its block's input is needed as it is and averaged for the long shortcut",
                    "let the block's first convolution reduce the channels",
                )
            if conv.pool_long:
                pool = later
            else:
                plain = later
    return _Uses(
        stored=plain,
        bits=producer + 1,
        mean=producer + 1 if averaged else None,
        pool=pool,
        mean_group=consumer.local_group if averaged else 1,
        stored_group=stored_group,
    )


def _starts_block(network: IntegerNetwork, index: int) -> bool:
    return index == 0 or network.convs[index].block != network.convs[index - 1].block


def _long_group(conv: PokeConvParams) -> int:
    """Channels that the long shortcut averages."""
    return max((conv.long_channels or 0) // conv.out_shape[2], 1)


def _check_group(name: str, shortcut: str, group: int, config: AcceleratorConfig) -> None:
    if group not in MEAN_GROUPS:
        raise _unsupported(
            name,
            f"its {shortcut} shortcut averages {group} channels, the hardware 2, 4 or 8",
            "choose widths whose ratio is a power of two up to 8",
        )
    if config.cols % group:
        raise _unsupported(
            name,
            f"its {shortcut} shortcut averages {group} channels of a group of {config.cols}",
            f"raise cols of target {config.name} to a multiple",
        )


def _check_mean(conv: PokeConvParams, *, starts_block: bool, config: AcceleratorConfig) -> None:
    _check_group(conv.name, "local", conv.local_group, config)
    if not starts_block:
        raise _unsupported(
            conv.name,
            "its local shortcut averages the output of a layer of the same block",
            "let only the first convolution of a block reduce the channels",
        )
    if conv.pool_local:
        raise _unsupported(
            conv.name,
            "its local shortcut is averaged over channels and pooled",
            "put the stride into another convolution of the block",
        )


def _check_long(conv: PokeConvParams, config: AcceleratorConfig) -> None:
    channels, cout = conv.long_channels or 0, conv.out_shape[2]
    if channels > cout:
        if conv.pool_long:
            raise _unsupported(
                conv.name,
                f"its long shortcut of {channels} channels is cut to {cout} and pooled",
                "let a strided block's output be at least as wide as its input",
            )
        if (group := _long_group(conv)) > 1:
            _check_group(conv.name, "long", group, config)
        return
    if channels != cout and channels % config.cols:
        raise _unsupported(
            conv.name,
            f"its long shortcut tiles {channels} channels, not a multiple of {config.cols} columns",
            f"use a width that is one, or lower cols of target {config.name}",
        )


class _Planner:
    def __init__(self, network: IntegerNetwork, config: AcceleratorConfig) -> None:
        self._network = network
        self._config = config
        self._allocator = Allocator(config)

    def tensor(
        self, name: str, memory: Memory, shape: Shape, first: int, last: int | None
    ) -> Tensor:
        height, width, channels = shape
        if channels > self._config.channel_limit:
            raise FlowError(
                f"{name}: {channels} channels, target {self._config.name} has channel_limit "
                f"{self._config.channel_limit}; raise channel_limit"
            )
        words = pixel_words(self._config, memory, channels)
        rows = tensor_rows(self._config, memory, height * width, words)
        return Tensor(
            name=name,
            memory=memory,
            height=height,
            width=width,
            channels=channels,
            words=words,
            base=0,
            rows=rows,
            first=first,
            last=first if last is None else last,
        )

    def image(self) -> Tensor:
        """The stored image; the loader may fill whole beats, so their slots are reserved."""
        config, shape = self._config, self._network.init[0].in_shape
        tensor = self.tensor("image", Memory.BYTE, shape, -1, 0)
        pixel_bytes = tensor.words * config.cols
        beats = ceil_div(tensor.height * tensor.width * pixel_bytes, config.memory_bytes)
        slots = ceil_div(beats * config.memory_bytes, pixel_bytes)
        rows = tensor_rows(config, Memory.BYTE, slots, tensor.words)
        return self._allocator.place(replace(tensor, rows=rows))

    def layers(self) -> tuple[LayerPlan, ...]:
        network = self._network
        first, second = network.init
        image = self.image()
        features = self._allocator.place(
            self.tensor(f"{first.name} output", Memory.BYTE, first.out_shape, 0, 1)
        )
        plans = [
            LayerPlan(
                number=0, name=first.name, channels=first.out_shape[2], source=image,
                output=features, store_shift=0, r=None, r1=None, bits=None, mean=None,
                mean_shift=0, pool=None,
            )
        ]  # fmt: skip
        plans.append(self._layer(1, second.name, second.out_shape, features, None, None))
        block_input = plans[-1]
        for index, conv in enumerate(network.convs):
            before = plans[-1]
            if _starts_block(network, index):
                block_input = before
            r = before.pool if conv.pool_local else before.mean or before.output
            r1 = None
            if conv.r1_shift is not None:
                r1 = block_input.pool if conv.pool_long else block_input.output
            assert before.bits is not None and r is not None
            if r1 is not None and r1.memory is r.memory:
                raise _unsupported(
                    conv.name,
                    f"both shortcuts lie in the {r.memory.value} memory",
                    "give the long shortcut to a later convolution of the block",
                )
            plans.append(self._layer(index + 2, conv.name, conv.out_shape, before.bits, r, r1))
        return tuple(plans)

    def _layer(
        self, number: int, name: str, shape: Shape, source: Tensor,
        r: Tensor | None, r1: Tensor | None,
    ) -> LayerPlan:  # fmt: skip
        network, place = self._network, self._allocator.place
        height, width, channels = shape
        uses = _uses(network, number, self._config)
        index = number - 1
        inside = index < len(network.convs) and not _starts_block(network, index)
        memory = Memory.SIDE if inside else Memory.MAIN
        group = uses.stored_group
        what = "output" if group == 1 else f"mean of {group}"
        stored = (height, width, ceil_div(channels, group))
        output = self.tensor(f"{name} {what}", memory, stored, number, uses.stored)
        in_place = next((t for t in (r, r1) if t is not None and t.memory is memory), None)
        output = place(output, over=in_place)
        bits = mean = pool = None
        if uses.bits is not None:
            bits = place(self.tensor(f"{name} bits", Memory.BIT, shape, number, uses.bits))
        if uses.mean is not None:
            means = (height, width, ceil_div(channels, uses.mean_group))
            mean = place(self.tensor(f"{name} mean", Memory.SIDE, means, number, uses.mean))
        if uses.pool is not None:
            pooled = (*self._pooled_size(name, height, width), channels)
            pool = place(self.tensor(f"{name} pool", Memory.POOL, pooled, number, uses.pool))
        return LayerPlan(
            number=number, name=name, channels=channels, source=source, r=r, r1=r1, output=output,
            store_shift=group.bit_length() - 1, bits=bits, mean=mean,
            mean_shift=uses.mean_group.bit_length() - 1, pool=pool,
        )  # fmt: skip

    def _pooled_size(self, name: str, height: int, width: int) -> tuple[int, int]:
        if width > self._config.line_pixels:
            raise FlowError(
                f"{name}: pools rows of {width} pixels, target {self._config.name} has "
                f"line_pixels {self._config.line_pixels}; raise line_pixels"
            )
        size, stride = numerics.POOL_SIZE, numerics.POOL_STRIDE
        return (
            numerics.same_padding(height, size, stride)[0],
            numerics.same_padding(width, size, stride)[0],
        )


def plan(network: IntegerNetwork, config: AcceleratorConfig) -> tuple[LayerPlan, ...]:
    """The layers 0.. of the network's convolutions, every tensor placed.

    Raises:
        FlowError: a shortcut that the hardware cannot do, or a memory that is too small.
    """
    return _Planner(network, config).layers()
