"""Networks that PokeBNN is compared with, as tables of their convolutions at 224x224, 1000 classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hwflow.ace.price import Multiplication

CLASSES = 1000
INPUT = 224


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A network without widths. other_parameters: batch norm (scale and shift), biases, activations."""

    source: str
    multiplications: tuple[Multiplication, ...]
    other_parameters: int


def _conv(name: str, size: int, kernel: int, inputs: int, outputs: int) -> Multiplication:
    weights = kernel * kernel * inputs * outputs
    return Multiplication(name=name, macs=size * size * weights, weights=weights, dense=False)


def _dense(inputs: int) -> Multiplication:
    weights = inputs * CLASSES
    return Multiplication(name="fc", macs=weights, weights=weights, dense=True)


def reactnet_a() -> Architecture:
    """ReActNet-A: MobileNet's stages, every 3x3 and 1x1 convolution binary, no depthwise ones.

    A block has a 3x3 convolution (channels kept, stride 1 or 2) and a 1x1 one, which where channels double is two
    of the width of the input, side by side: as many MACs and weights as one of the double width.
    """
    convs = [_conv("first", INPUT // 2, 3, 3, 32)]
    size, channels, others = INPUT // 2, 32, 2 * 32
    widths = (64, *[128] * 2, *[256] * 2, *[512] * 6, *[1024] * 2)
    for number, out in enumerate(widths, 1):
        if out != channels and out != 64:
            size //= 2
        convs.append(_conv(f"block{number}-3x3", size, 3, channels, channels))
        convs.append(_conv(f"block{number}-1x1", size, 1, channels, out))
        # RSign and RPReLU: five shifts or slopes of the input's channels, three of the output's.
        others += 2 * (channels + out) + 5 * channels + 3 * out
        channels = out
    return Architecture(
        source="Liu, Shen, Savvides, Cheng, ReActNet, ECCV 2020 (arXiv 2003.03488), and its code",
        multiplications=(*convs, _dense(channels)),
        other_parameters=others + CLASSES,
    )


def resnet50(*, stride_in_3x3: bool) -> Architecture:
    """ResNet-50; the stride of a stage's first block in its 3x3 convolution (v1.5), or as published in its first 1x1."""
    convs = [_conv("conv1", INPUT // 2, 7, 3, 64)]
    size, channels, others = INPUT // 4, 64, 2 * 64
    for stage, (blocks, width) in enumerate(((3, 64), (4, 128), (6, 256), (3, 512)), 1):
        for block in range(blocks):
            before = size
            if block == 0 and stage > 1:
                size //= 2
            name = f"stage{stage}-block{block}"
            first = before if stride_in_3x3 else size
            convs.append(_conv(f"{name}-1x1a", first, 1, channels, width))
            convs.append(_conv(f"{name}-3x3", size, 3, width, width))
            convs.append(_conv(f"{name}-1x1b", size, 1, width, 4 * width))
            others += 2 * (2 * width + 4 * width)
            if block == 0:
                convs.append(_conv(f"{name}-shortcut", size, 1, channels, 4 * width))
                others += 2 * 4 * width
            channels = 4 * width
    variant = "v1.5: stride in the 3x3 convolution" if stride_in_3x3 else "stride in the 1x1"
    return Architecture(
        source=f"He, Zhang, Ren, Sun, Deep Residual Learning, CVPR 2016 (arXiv 1512.03385), {variant}",
        multiplications=(*convs, _dense(channels)),
        other_parameters=others + CLASSES,
    )


ARCHITECTURES: Mapping[str, Callable[[], Architecture]] = {
    "reactnet-a": reactnet_a,
    "resnet-50": lambda: resnet50(stride_in_3x3=True),
    "resnet-50-v1": lambda: resnet50(stride_in_3x3=False),
}
