"""The architecture of a checkpoint, from the shapes of its arrays alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy.typing as npt

from hwflow.errors import FlowError
from models.config import EXPANSION, PokeBNNConfig, StageConfig

BASE_WIDTH = 64
"""Width of the first stage at a filter multiplier of 1; it doubles from stage to stage."""
WIDTHS = (0.125, 0.1875, 0.25, 0.5, 0.75, 1.0, 1.25, 1.4, 1.5, 1.75, 2.0)
"""Filter multipliers that are tried before any other."""
IMAGE_CHANNELS = 3
_LAYER = re.compile(r"resblock(\d+)-([123])$")

Arrays = Mapping[str, npt.NDArray[Any]]


def _votes(arrays: Arrays) -> Iterator[tuple[int, int]]:
    """(block, its width) as every array of a PokeConv has it: one of them may be missing or wrong."""
    for path, array in arrays.items():
        parts = path.split("/")
        found = _LAYER.search(parts[1]) if len(parts) == 3 else None
        if found is None or not array.ndim:
            continue
        block, j = int(found[1]), int(found[2])
        is_output = not parts[1].startswith("sefc1")
        if is_output:
            expansion = EXPANSION if j == 3 else 1
            yield block, array.shape[-1] // expansion
        if parts[1].startswith("conv-") and j > 1 and array.ndim == 4:
            yield block, array.shape[-2]


def block_widths(arrays: Arrays) -> list[int]:
    """Width F of every block; FlowError when a block has no arrays at all."""
    votes: dict[int, Counter[int]] = {}
    for block, width in _votes(arrays):
        votes.setdefault(block, Counter())[width] += 1
    if not votes:
        raise FlowError(
            "no arrays of a residual block (params/conv-resblock0-1/kernel and so on); is it a "
            "checkpoint of PokeBNN?"
        )
    if missing := sorted(set(range(max(votes) + 1)) - set(votes)):
        raise FlowError(f"all arrays of block {missing[0]} are missing; save the checkpoint again")
    return [votes[block].most_common(1)[0][0] for block in sorted(votes)]


def stages(widths: list[int]) -> tuple[float, tuple[StageConfig, ...]]:
    """(filter multiplier, stages): blocks of one width are a stage; all but the first have stride 2.

    Where no multiplier gives the widths, it is 1 and the stages have the widths themselves.
    """
    runs: list[tuple[int, int]] = []
    for width in widths:
        if runs and runs[-1][0] == width:
            runs[-1] = (width, runs[-1][1] + 1)
        else:
            runs.append((width, 1))
    bases = [BASE_WIDTH << index for index in range(len(runs))]
    multiplier = 1.0
    for candidate in (*WIDTHS, runs[-1][0] / bases[-1]):
        if all(
            int(base * candidate) == width for base, (width, _) in zip(bases, runs, strict=True)
        ):
            multiplier = candidate
            break
    else:
        bases = [width for width, _ in runs]
    return multiplier, tuple(
        StageConfig(blocks=blocks, base_width=base, stride=1 if index == 0 else 2)
        for index, (base, (_, blocks)) in enumerate(zip(bases, runs, strict=True))
    )


def _shape(arrays: Arrays, name: str, rank: int) -> tuple[int, ...]:
    array = arrays.get(name)
    if array is None or array.ndim != rank:
        found = "missing" if array is None else f"of shape {array.shape}"
        raise FlowError(f"array {name} is {found}; the architecture needs its {rank} axes")
    return array.shape


def infer_config(
    arrays: Arrays, name: str, image_size: tuple[int, int], init_stride: int | None
) -> PokeBNNConfig:
    """The configuration whose arrays these are, images normalised as the reference does.

    init_stride: of PokeInit's first convolution, its kernel's size as in the reference if None.
    Raises FlowError when the arrays that tell it are missing.
    """
    multiplier, runs = stages(block_widths(arrays))
    kernel, _, channels, init_channels = _shape(arrays, "params/init_conv/kernel", 4)
    if channels != IMAGE_CHANNELS:
        raise FlowError(
            f"params/init_conv/kernel reads {channels} image channels; the reference's networks "
            f"read {IMAGE_CHANNELS}, and no normalisation is known for others"
        )
    return PokeBNNConfig(
        name=name,
        image_size=image_size,
        image_channels=channels,
        classes=_shape(arrays, "params/DenseAqt_0/kernel", 2)[1],
        width=multiplier,
        stages=runs,
        init_kernel=kernel,
        init_stride=kernel if init_stride is None else init_stride,
        init_channels=init_channels,
        init_out=_shape(arrays, "params/init_conv_group/kernel", 4)[3],
        bounds="per_channel",
    )
