"""Layout of memory.bin, and of one image in its image area."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from hwflow import numerics
from hwflow.compiler import container, schedule
from hwflow.compiler.manifest import ImageInfo
from hwflow.compiler.stream import Item
from hwflow.config import AcceleratorConfig
from hwflow.errors import FlowError
from hwflow.isa import INSTRUCTION_BYTES, Op, Ring
from hwflow.memories import ceil_div
from hwflow.spilling import group_beats, spilled_groups

Instruction = dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Areas:
    """Where the parts of memory.bin behind the payloads are, in beats."""

    image_address: int
    image_beats: int
    spill_beats: int

    @property
    def spill_address(self) -> int:
        """First beat of the spill area, which follows the image."""
        return self.image_address + self.image_beats


def place(items: list[Item], config: AcceleratorConfig) -> tuple[list[Instruction], Areas]:
    """Instructions with their addresses, and the areas behind the payloads.

    The file is: header, schedule, payloads in the order of the LOADs, image area, spill area.
    """
    beat = config.memory_bytes
    address = (container.HEADER_BYTES + INSTRUCTION_BYTES * len(items)) // beat
    total = address + sum(len(payload) for payload in _payloads(items)) // beat
    image_beats = sum(
        item.instruction["beats"] for item in items if _loads(item.instruction, Ring.BYTES)
    )
    instructions: list[Instruction] = []
    placed: dict[int, int] = {}
    spill_beats = 0
    spill_address = total + image_beats
    for item in items:
        instruction = dict(item.instruction)
        if _loads(instruction, Ring.BYTES):
            instruction["address"] = total
        elif _loads(instruction, Ring.LONG):
            instruction["address"] += spill_address
        elif instruction["op"] == Op.LOAD:
            if id(item.payload) not in placed:
                placed[id(item.payload)] = address
                address += instruction["beats"]
            instruction["address"] = placed[id(item.payload)]
        elif instruction["op"] == Op.CONV and spilled_groups(instruction):
            size = spilled_groups(instruction) * group_beats(instruction, config)
            spill_beats = max(spill_beats, instruction["spill_address"] + size)
            instruction["spill_address"] += spill_address
        instructions.append(instruction)
    areas = Areas(image_address=total, image_beats=image_beats, spill_beats=spill_beats)
    return instructions, areas


def _payloads(items: list[Item]) -> list[bytes]:
    """Every payload once, in the order of its first LOAD: passes of a repeated layer share theirs."""
    return list({id(item.payload): item.payload for item in items if item.payload}.values())


def _loads(instruction: Instruction, ring: Ring) -> bool:
    return instruction["op"] == Op.LOAD and instruction["ring"] == ring


def assemble(items: list[Item], instructions: list[Instruction], header: container.Header) -> bytes:
    """The bytes of memory.bin."""
    payloads = b"".join(_payloads(items))
    area = bytes((header.image_beats + header.spill_beats) * header.beat_bytes)
    body = schedule.encode(instructions) + payloads + area
    return container.seal(replace(header, magic=container.MEMORY_MAGIC), body)


def pack_image(image: npt.NDArray[np.uint8], info: ImageInfo, config: AcceleratorConfig) -> bytes:
    """A uint8 image (height, width, channels) as the bytes of the image area.

    Raises:
        FlowError: another type or shape than the network's.
    """
    if image.dtype != np.uint8 or image.shape != tuple(info.shape):
        raise FlowError(
            f"image is {image.dtype} {image.shape}, the build takes uint8 {tuple(info.shape)}"
        )
    table = np.array(info.table, np.int8)
    stored = numerics.space_to_depth(numerics.map_pixels(image, table), info.stride)
    height, width, channels = info.stored_shape
    padded = np.zeros((height * width, info.words * config.cols), np.int8)
    padded[:, :channels] = stored.reshape(height * width, channels)
    data = padded.tobytes()
    return data.ljust(ceil_div(len(data), config.memory_bytes) * config.memory_bytes, b"\0")
