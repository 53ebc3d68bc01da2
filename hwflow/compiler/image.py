"""Layout of memory.bin, and of one image in its image area."""

from __future__ import annotations

from dataclasses import replace

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

Instruction = dict[str, int]


def place(items: list[Item], config: AcceleratorConfig) -> tuple[list[Instruction], int, int]:
    """Instructions with the addresses of their payloads, the image's address and its beats.

    The file is: header, schedule, payloads in the order of the LOADs, image area.
    """
    beat = config.memory_bytes
    address = (container.HEADER_BYTES + INSTRUCTION_BYTES * len(items)) // beat
    total = address + sum(len(item.payload) for item in items) // beat
    instructions: list[Instruction] = []
    image_beats = 0
    for item in items:
        instruction = dict(item.instruction)
        if instruction["op"] == Op.LOAD:
            if instruction["ring"] == Ring.BYTES:
                instruction["address"], image_beats = total, instruction["beats"]
            else:
                instruction["address"] = address
                address += instruction["beats"]
        instructions.append(instruction)
    return instructions, total, image_beats


def assemble(items: list[Item], instructions: list[Instruction], header: container.Header) -> bytes:
    """The bytes of memory.bin."""
    payloads = b"".join(item.payload for item in items)
    area = bytes(header.image_beats * header.beat_bytes)
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
