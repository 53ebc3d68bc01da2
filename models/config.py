"""Architecture of a PokeBNN network as plain data: no JAX is imported here.

Shapes are (height, width, channels) without the batch. Source of every rule: Zhang, Zhang, Lew,
"PokeBNN: A Binary Pursuit of Lightweight Accuracy", CVPR 2022, and its public reference code.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hwflow.errors import FlowError, suggestion
from hwflow.numerics import same_padding

Shape = tuple[int, int, int]
SE_REDUCTION = 8
EXPANSION = 4
BINARY_ACTIVATION = 1.5
"""Magnitude of a binary activation: half of the definition's bound 3.0."""
BINARY_WEIGHT = 0.5
"""Magnitude of a binary weight, relative to max|w| of its output channel."""
BINARY_SCALE = BINARY_ACTIVATION * BINARY_WEIGHT
"""A binary convolution is BINARY_SCALE * max|w| times the integer sum of signs."""
BN_EPSILON = 1e-5


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """A run of bottleneck blocks: the first has `stride`, all have width int(base_width * m)."""

    blocks: int
    base_width: int
    stride: int

    def __post_init__(self) -> None:
        numbers = (self.blocks, self.base_width, self.stride)
        whole = all(type(value) is int for value in numbers)
        if not whole or self.blocks < 1 or self.base_width < 1 or self.stride not in (1, 2):
            raise FlowError(
                f"StageConfig: blocks={self.blocks}, base_width={self.base_width}, "
                f"stride={self.stride}: expected integers, blocks >= 1, base_width >= 1 and "
                "stride 1 or 2"
            )


@dataclass(frozen=True, kw_only=True)
class PokeConvSpec:
    """One PokeConv (a binary convolution with its shortcuts, SE and two batch norms).

    `in_shape` is that of r (also the local shortcut and the SE's input); `r1_shape` that of the
    long shortcut, which only the third convolution of a block has.
    """

    name: str
    block: int
    j: int
    kernel: int
    stride: int
    in_shape: Shape
    out_shape: Shape
    se_hidden: int
    r1_shape: Shape | None
    dprelu_index: int

    @property
    def conv_name(self) -> str:
        """Name of the binary convolution's variables."""
        return f"conv-{self.name}"

    @property
    def bn_name(self) -> str:
        """Name of the first batch norm's variables."""
        return f"bn{self.name}"

    @property
    def bn2_name(self) -> str:
        """Name of the second batch norm's variables."""
        return f"bn_split{self.name}"

    @property
    def se1_name(self) -> str:
        """Name of the first SE convolution's variables."""
        return f"sefc1-{self.name}"

    @property
    def se2_name(self) -> str:
        """Name of the second SE convolution's variables."""
        return f"sefc2-{self.name}"

    @property
    def dprelu_name(self) -> str:
        """Name of the DPReLU's variables."""
        return f"DPReLU_{self.dprelu_index}"

    @property
    def binary_macs(self) -> int:
        """Binary multiply-accumulates of one image, padded taps included."""
        h, w, cout = self.out_shape
        return h * w * self.kernel**2 * self.in_shape[2] * cout


@dataclass(frozen=True, kw_only=True)
class PokeBNNConfig:
    """A PokeBNN network.

    width: the filter multiplier m. binary_clip_bound: the straight-through gradient of a binary
    activation passes where |x| <= this bound; it does not change the forward computation.
    bounds: whether activation bounds of the 8- and 4-bit layers are one per input channel (as in
    the reference code) or one per tensor (what integer hardware wants).
    mean, std: per image channel, of pixels divided by 255.
    """

    name: str
    image_size: tuple[int, int]
    image_channels: int
    classes: int
    width: float
    stages: tuple[StageConfig, ...]
    init_kernel: int = 4
    init_stride: int = 4
    init_channels: int = 32
    init_out: int = 64
    binary_clip_bound: float = 3.0
    bounds: Literal["per_tensor", "per_channel"] = "per_tensor"
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        def check(ok: bool, field: str, expected: str) -> None:
            if not ok:
                raise FlowError(
                    f"PokeBNNConfig {self.name!r}: {field}={getattr(self, field)!r}: "
                    f"expected {expected}"
                )

        for field in (
            "image_channels",
            "classes",
            "init_kernel",
            "init_stride",
            "init_channels",
            "init_out",
        ):
            check(type(getattr(self, field)) is int, field, "an integer")
        for field in ("width", "binary_clip_bound", "mean", "std"):
            value = getattr(self, field)
            values = value if isinstance(value, tuple) else (value,)
            check(
                all(type(v) in (int, float) and math.isfinite(v) for v in values),
                field,
                "finite numbers",
            )
        check(type(self.name) is str and self.name != "", "name", "a text")
        check(
            len(self.image_size) == 2 and all(type(n) is int for n in self.image_size),
            "image_size",
            "two integers, height and width",
        )
        check(min(self.image_size) >= self.init_kernel, "image_size", ">= init_kernel each way")
        check(self.image_channels >= 1, "image_channels", ">= 1")
        check(self.classes >= 2, "classes", ">= 2")
        check(self.init_kernel >= 1, "init_kernel", ">= 1")
        check(self.init_stride >= 1, "init_stride", ">= 1")
        check(self.init_channels >= 1, "init_channels", ">= 1")
        multiple = self.init_out >= 1 and self.init_out % self.init_channels == 0
        check(multiple, "init_out", "a multiple of init_channels, at least once it")
        check(len(self.stages) >= 1, "stages", "at least one stage")
        check(self.width > 0, "width", "> 0")
        narrowest = min(int(stage.base_width * self.width) for stage in self.stages)
        check(narrowest >= SE_REDUCTION, "width", f"every stage at least {SE_REDUCTION} channels")
        check(self.binary_clip_bound > 0, "binary_clip_bound", "> 0")
        check(self.bounds in ("per_tensor", "per_channel"), "bounds", "per_tensor or per_channel")
        check(len(self.mean) == self.image_channels, "mean", "one value per image channel")
        check(len(self.std) == self.image_channels, "std", "one value per image channel")
        check(min(self.std) > 0, "std", "> 0")

    @property
    def image_shape(self) -> Shape:
        """(height, width, channels) of the input image."""
        return (*self.image_size, self.image_channels)

    @property
    def init_shape(self) -> Shape:
        """Output of PokeInit's first convolution (VALID padding)."""
        h, w = (1 + (s - self.init_kernel) // self.init_stride for s in self.image_size)
        return h, w, self.init_channels

    @property
    def init_out_shape(self) -> Shape:
        """Output of PokeInit: its grouped 3x3 convolution has stride 1 and SAME padding."""
        h, w, _ = self.init_shape
        return h, w, self.init_out

    @property
    def features(self) -> int:
        """Channels that enter the dense layer."""
        return self.poke_convs()[-1].out_shape[2]

    @property
    def blocks(self) -> int:
        """Number of bottleneck blocks."""
        return sum(stage.blocks for stage in self.stages)

    def poke_convs(self) -> tuple[PokeConvSpec, ...]:
        """Every PokeConv in execution order, three per bottleneck block."""
        specs: list[PokeConvSpec] = []
        shape = self.init_out_shape
        block = 0
        for stage in self.stages:
            features = int(stage.base_width * self.width)
            for index in range(stage.blocks):
                stride = stage.stride if index == 0 else 1
                block_input = shape
                for j, kernel, s, cout in (
                    (1, 1, 1, features),
                    (2, 3, stride, features),
                    (3, 1, 1, EXPANSION * features),
                ):
                    h, w, cin = shape
                    out = (same_padding(h, kernel, s)[0], same_padding(w, kernel, s)[0], cout)
                    specs.append(
                        PokeConvSpec(
                            name=f"resblock{block}-{j}",
                            block=block,
                            j=j,
                            kernel=kernel,
                            stride=s,
                            in_shape=shape,
                            out_shape=out,
                            se_hidden=cin // SE_REDUCTION,
                            r1_shape=block_input if j == 3 else None,
                            dprelu_index=2 + 3 * block + (j - 1),
                        )
                    )
                    shape = out
                block += 1
        return tuple(specs)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready dictionary; `from_dict` is its inverse."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PokeBNNConfig:
        """Builds a configuration; FlowError names a missing, unknown or unusable field."""
        known = {field.name: field for field in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - set(known)):
            raise FlowError(f"PokeBNNConfig: unknown field {unknown[0]!r}; remove it")
        required = [n for n, f in known.items() if f.default is dataclasses.MISSING]
        if missing := [name for name in required if name not in values]:
            raise FlowError(f"PokeBNNConfig: field {missing[0]!r} is missing; add it")
        try:
            fields = dict(values)
            fields["stages"] = tuple(StageConfig(**stage) for stage in values["stages"])
            for name in ("image_size", "mean", "std"):
                if name in fields:
                    fields[name] = tuple(fields[name])
            return cls(**fields)
        except (TypeError, ValueError, OverflowError) as error:
            raise FlowError(f"PokeBNNConfig: a field has the wrong type: {error}") from error

    def to_json(self) -> str:
        """Sorted, indented JSON text that ends with a newline: same value, same bytes."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> PokeBNNConfig:
        """Inverse of `to_json`; FlowError when the text is not a configuration."""
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise FlowError(f"PokeBNNConfig: not JSON ({error}); expected an object") from error
        if not isinstance(values, dict):
            raise FlowError("PokeBNNConfig: expected a JSON object with the network's fields")
        return cls.from_dict(values)

    @classmethod
    def load(cls, path: str | Path) -> PokeBNNConfig:
        """Reads a file that holds `to_json`; every FlowError names the file."""
        path = Path(path)
        if not path.is_file():
            raise FlowError(f"{path}: not found; a checkpoint is a folder with {path.name}")
        try:
            return cls.from_json(path.read_text(encoding="utf-8"))
        except UnicodeDecodeError as error:
            raise FlowError(f"{path}: not UTF-8 text ({error}); copy it again") from error
        except FlowError as error:
            raise FlowError(f"{path}: {error}") from error


IMAGENET_STAGES = (
    StageConfig(blocks=3, base_width=64, stride=1),
    StageConfig(blocks=4, base_width=128, stride=2),
    StageConfig(blocks=6, base_width=256, stride=2),
    StageConfig(blocks=3, base_width=512, stride=2),
)


def _imagenet(width: float) -> PokeBNNConfig:
    return PokeBNNConfig(
        name=f"pokebnn-{width}x",
        image_size=(224, 224),
        image_channels=3,
        classes=1000,
        width=width,
        stages=IMAGENET_STAGES,
    )


FMNIST_SMALL = PokeBNNConfig(
    name="fmnist-small",
    image_size=(28, 28),
    image_channels=1,
    classes=10,
    width=0.5,
    stages=(
        StageConfig(blocks=2, base_width=64, stride=1),
        StageConfig(blocks=2, base_width=128, stride=2),
        StageConfig(blocks=2, base_width=256, stride=2),
    ),
    init_stride=2,
    mean=(0.2860,),
    std=(0.3530,),
)

FMNIST_TINY = dataclasses.replace(FMNIST_SMALL, name="fmnist-tiny", width=0.25)
"""Half the channels of fmnist-small: with its weights it fits into the block RAM of an ECP5-85F."""

CIFAR10_SMALL = dataclasses.replace(
    FMNIST_SMALL,
    name="cifar10-small",
    image_size=(32, 32),
    image_channels=3,
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2470, 0.2435, 0.2616),
)

PRESETS: dict[str, PokeBNNConfig] = {
    config.name: config
    for config in (
        *(_imagenet(width) for width in (0.5, 0.75, 1.0, 1.25, 1.4, 1.5, 1.75, 2.0)),
        FMNIST_SMALL,
        FMNIST_TINY,
        CIFAR10_SMALL,
    )
}


def preset(name: str) -> PokeBNNConfig:
    """The named preset; FlowError lists the known names."""
    if name not in PRESETS:
        raise FlowError(
            f"unknown network {name!r}{suggestion(name, PRESETS)}; known: {', '.join(sorted(PRESETS))}"
        )
    return PRESETS[name]
