"""Which tensors exist, where they live and which layer reads them: shortcut routing.

Layer numbers: 0 and 1 are PokeInit's convolutions, 2 + i is PokeConv i, the last is the dense layer.

| tensor | memory | written by |
|---|---|---|
| block input X | main; PokeInit's output also pool, `Choices` | the layer before the block |
| output of a block's other convolutions | side, in place over its shortcut when possible | that layer |
| channel mean of X in its place, for a long shortcut | main | the layer that stores X |
| channel mean of X, for a local shortcut | side or main, over a shortcut if possible | the one that stores X |
| pooled X or pooled output, for a strided shortcut | pool | the layer that stores it |
| sign bits of every PokeConv's input | bit | the layer that stores it |
| image, output of PokeInit's first convolution | byte | loader, layer 0 |

An output that is only read in other forms (bits, mean, pool, sums) is not stored. A block input whose groups do not all
fit the main memory leaves the last ones in external memory (hwflow/compiler/spill.py chooses).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hwflow import numerics
from hwflow.compiler.allocate import Allocator, CapacityError
from hwflow.compiler.geometry import NetworkGeometry
from hwflow.compiler.uses import Uses, starts_block, unsupported, uses_of
from hwflow.config import AcceleratorConfig
from hwflow.errors import UnsuitableError
from hwflow.memories import Memory, Tensor, ceil_div, group_beats, pixel_words, tensor_rows
from models.integer.params import Shape


@dataclass(frozen=True, kw_only=True)
class Choices:
    """Where the planner may choose.

    init_in_pool: PokeInit's output lies in the pool memory instead of the main one. resident: words of a pixel that
    stay in main memory, of the block inputs with a shape; those without an entry stay there whole.
    """

    init_in_pool: bool = False
    resident: dict[Shape, int] = field(default_factory=dict[Shape, int])


@dataclass(frozen=True, kw_only=True)
class LayerPlan:
    """Tensors a CONV reads (source, r, r1) and writes (output, bits, mean, pool).

    channels: of the layer; `output` holds means of 2**store_shift of them, itself where that is 0.
    head_base, r1_head_base: first row of the heads it writes and reads, None without (hwflow/compiler/heads.py).
    """

    number: int
    name: str
    channels: int
    source: Tensor
    r: Tensor | None
    r1: Tensor | None
    output: Tensor
    bits: Tensor | None
    mean: Tensor | None
    mean_shift: int
    pool: Tensor | None
    store_shift: int = 0
    head_base: int | None = None
    r1_head_base: int | None = None

    @property
    def written(self) -> tuple[Tensor, ...]:
        """Every tensor this layer writes."""
        tensors = (self.output, self.bits, self.mean, self.pool)
        return tuple(t for t in tensors if t is not None)


class _Planner:
    def __init__(
        self, network: NetworkGeometry, config: AcceleratorConfig, choices: Choices
    ) -> None:
        self._network = network
        self._config = config
        self._choices = choices
        self._allocator = Allocator(config)
        self._spill: list[Tensor] = []

    def tensor(
        self,
        name: str,
        memory: Memory,
        shape: Shape,
        first: int,
        last: int | None,
        pitch: int | None = None,
    ) -> Tensor:
        height, width, channels = shape
        if channels > self._config.channel_limit:
            raise UnsuitableError(
                f"{name}: {channels} channels, target {self._config.name} has channel_limit "
                f"{self._config.channel_limit}; raise channel_limit"
            )
        words = pixel_words(self._config, memory, channels)
        pitch = words if pitch is None else pitch
        rows = tensor_rows(self._config, memory, height * width, pitch)
        return Tensor(
            name=name,
            memory=memory,
            height=height,
            width=width,
            channels=channels,
            words=words,
            pitch=pitch,
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
                number=0, name=first.name, channels=first.out_shape[2], source=image, output=features, r=None, r1=None,
                bits=None, mean=None, mean_shift=0, pool=None,
            )
        ]  # fmt: skip
        plans.append(self._layer(1, second.name, second.out_shape, features, None, None))
        block_input = plans[-1]
        for index, conv in enumerate(network.convs):
            before = plans[-1]
            if starts_block(network, index):
                block_input = before
            r = before.pool if conv.pool_local else before.mean or before.output
            r1 = None
            if conv.long_channels is not None:
                r1 = block_input.pool if conv.pool_long else block_input.output
            assert before.bits is not None and r is not None
            assert r.stored and (r1 is None or r1.stored)
            if r1 is not None and r1.memory is r.memory:
                raise unsupported(
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
        uses = uses_of(network, number, self._config)
        output = self._output(number, name, shape, uses, (r, r1))
        bits = mean = pool = None
        if uses.bits is not None:
            bits = place(self.tensor(f"{name} bits", Memory.BIT, shape, number, uses.bits))
        if uses.mean is not None:
            means = (height, width, ceil_div(channels, uses.mean_group))
            groups = pixel_words(self._config, Memory.MAIN, channels)
            mean = self._mean(f"{name} mean", means, number, uses.mean, output, groups, (r, r1))
        if uses.pool is not None:
            pooled = (*self._pooled_size(name, height, width), channels)
            pool = place(self.tensor(f"{name} pool", Memory.POOL, pooled, number, uses.pool))
        return LayerPlan(
            number=number, name=name, channels=channels, source=source, r=r, r1=r1, output=output,
            store_shift=uses.stored_group.bit_length() - 1, bits=bits, mean=mean,
            mean_shift=uses.mean_group.bit_length() - 1, pool=pool,
        )  # fmt: skip

    def _output(
        self,
        number: int,
        name: str,
        shape: Shape,
        uses: Uses,
        shortcuts: tuple[Tensor | None, Tensor | None],
    ) -> Tensor:
        """A layer's output: not stored when nobody reads it, else in place over a shortcut if possible.

        Means in its place take new room.
        """
        last, group = uses.stored, uses.stored_group
        if group > 1:
            means = (*shape[:2], ceil_div(shape[2], group))
            name = f"{name} mean of {group}"
            return self._allocator.place(self.tensor(name, Memory.MAIN, means, number, last))
        index = number - 1
        inside = index < len(self._network.convs) and not starts_block(self._network, index)
        memory = Memory.SIDE if inside else Memory.MAIN
        if number == 1 and self._choices.init_in_pool:
            memory = Memory.POOL
        pitch = self._choices.resident.get(shape) if memory is Memory.MAIN else None
        output = self.tensor(
            f"{name} output", memory, shape, number, last, 0 if last is None else pitch
        )
        if not output.stored:
            return output
        r, r1 = shortcuts
        if r1 is not None and r1.words < output.words:
            r1 = None  # its words are read again for later groups
        in_place = next((t for t in (r, r1) if t is not None and t.memory is memory), None)
        return self._spilled(self._allocator.place(output, over=in_place))

    def _mean(
        self,
        name: str,
        shape: Shape,
        number: int,
        last: int,
        output: Tensor,
        groups: int,
        shortcuts: tuple[Tensor | None, Tensor | None],
    ) -> Tensor:
        """Channel means: over a shortcut that ends here, else anew, in a memory that the output leaves free.

        A shortcut's word of a pixel is read no later than any mean is written there, because a group's means lie in
        no later a word; so its place may be taken when it has as many words as the layer has groups, or ends
        before them. A long shortcut that repeats does neither.
        """
        tensor = self.tensor(name, Memory.SIDE, shape, number, last)
        r, r1 = shortcuts
        in_main = replace(tensor, memory=Memory.MAIN)
        if r is not None and (r.memory, r.pitch, r.last) == (Memory.SIDE, tensor.words, number):
            return self._allocator.place(tensor, over=r)
        if (
            not output.stored
            and r1 is not None
            and (r1.memory, r1.last) == (Memory.MAIN, number)
            and r1.words >= groups
            and r1.pitch >= tensor.words
        ):
            wide = replace(in_main, pitch=r1.pitch, rows=r1.rows)
            return self._allocator.place(wide, over=r1)
        try:
            return self._allocator.place(tensor)
        except CapacityError:
            if output.stored:
                raise
            return self._allocator.place(in_main)

    def _spilled(self, tensor: Tensor) -> Tensor:
        """The tensor with a place in the spill area for the groups that are not in memory."""
        if not tensor.spilled:
            return tensor
        beats = tensor.spilled * group_beats(self._config, tensor.height * tensor.width)
        live = sorted(
            (t.spill, t.spill + t.spilled * group_beats(self._config, t.height * t.width))
            for t in self._spill
            if t.last >= tensor.first
        )
        base = 0
        for low, high in live:
            if base + beats <= low:
                break
            base = max(base, high)
        placed = replace(tensor, spill=base)
        self._spill.append(placed)
        return placed

    def _pooled_size(self, name: str, height: int, width: int) -> tuple[int, int]:
        if width > self._config.line_pixels:
            raise UnsuitableError(
                f"{name}: pools rows of {width} pixels, target {self._config.name} has "
                f"line_pixels {self._config.line_pixels}; raise line_pixels"
            )
        size, stride = numerics.POOL_SIZE, numerics.POOL_STRIDE
        return (
            numerics.same_padding(height, size, stride)[0],
            numerics.same_padding(width, size, stride)[0],
        )


def plan_layers(
    network: NetworkGeometry, config: AcceleratorConfig, choices: Choices
) -> tuple[LayerPlan, ...]:
    """The layers 0.. of the network's convolutions, every tensor placed as `choices` say.

    Raises:
        FlowError: a shortcut that the hardware cannot do.
        CapacityError: a memory that is too small.
    """
    return _Planner(network, config, choices).layers()
