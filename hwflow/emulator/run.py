"""Fetches, decodes and executes a schedule from a memory image."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from hwflow import isa, numerics
from hwflow.compiler.program import Program
from hwflow.config import AcceleratorConfig
from hwflow.emulator.scalar import run_affine, run_fc, run_mean
from hwflow.emulator.state import Emulation, State
from hwflow.emulator.vector import run_conv
from hwflow.errors import FlowError
from hwflow.isa import FcDest, Op, Ring
from hwflow.memories import ceil_div

Instruction = dict[str, int]


class _Machine:
    """Loader, queues and both consumers.

    All LOADs are done first: the rings are FIFOs, so only their order matters. The scalar engine
    then runs as far ahead of the convolutions as its tokens let it, which makes a missing
    dependency between the two show as a wrong result. LOADs of the long stream read as soon as
    their `after` lets them, for the same reason.
    """

    def __init__(
        self, config: AcceleratorConfig, memory: bytes, address: int, images: Sequence[bytes]
    ) -> None:
        self.result = Emulation()
        self._config = config
        self._memory = memory
        self._images = images
        self._state = State(config, len(images))
        self._convs: deque[Instruction] = deque()
        self._scalars: deque[Instruction] = deque()
        self._ended = False
        self._fetch(address * config.memory_bytes)

    def _fetch(self, at: int) -> None:
        op = None
        while op is not Op.END:
            data = self._memory[at : at + isa.INSTRUCTION_BYTES]
            if len(data) < isa.INSTRUCTION_BYTES:
                raise FlowError("schedule: no END before the end of the memory image")
            instruction = isa.decode(data)
            at += isa.INSTRUCTION_BYTES
            op = Op(instruction["op"])
            if op is Op.LOAD:
                self._load(instruction)
            else:
                self._state.spill.grow(instruction)
                (self._convs if op is Op.CONV else self._scalars).append(instruction)

    def _load(self, load: Instruction) -> None:
        beat, state = self._config.memory_bytes, self._state
        start = load["address"] * beat
        data = self._memory[start : start + load["beats"] * beat]
        match Ring(load["ring"]):
            case Ring.WEIGHTS:
                state.weight_ring.push(data)
            case Ring.MACS:
                state.mac_ring.push(data)
            case Ring.CONSTANTS:
                state.constant_ring.push(data)
            case Ring.BYTES:
                self._load_images(load)
            case Ring.LONG:
                state.spill.request(load)

    def _load_images(self, load: Instruction) -> None:
        size = load["beats"] * self._config.memory_bytes
        for image in self._images:
            if len(image) != size:
                raise FlowError(f"image of {len(image)} bytes, its LOAD brings {size}")
        words = np.frombuffer(b"".join(self._images), np.int8)
        words = words.reshape(len(self._images), -1, self._config.cols)
        count = load["words"]
        pixels = np.arange(ceil_div(words.shape[1], count))
        for word in range(count):
            values = words[:, word::count]
            slots = pixels[: values.shape[1]]
            self._state.byte.write(slots, load["base"], count, word, values)

    def run(self) -> Emulation:
        """Until END."""
        while not self._ended:
            if not (self._scalar_step() or self._conv_step()):
                raise FlowError("schedule: deadlock, no instruction has the tokens it needs")
        if self._convs:
            raise FlowError(f"schedule: {len(self._convs)} CONVs were not executed before END")
        return self.result

    def _scalar_step(self) -> bool:
        if not self._scalars:
            return False
        entry, state, result = self._scalars[0], self._state, self.result
        op, layer = Op(entry["op"]), entry["layer"]
        if op is Op.MEAN and state.sum_tokens < ceil_div(entry["count"], self._config.cols):
            return False
        self._scalars.popleft()
        match op:
            case Op.MEAN:
                result.means[layer] = run_mean(entry, state)
            case Op.AFFINE:
                run_affine(entry, state)
            case Op.FC:
                values, counts = run_fc(entry, state)
                result.scalar_counts.append((layer, counts))
                self._keep(FcDest(entry["dest"]), layer, values)
            case _:
                self._ended = True
        return True

    def _keep(self, dest: FcDest, layer: int, values: npt.NDArray[np.int32]) -> None:
        if dest is FcDest.HIDDEN:
            self.result.hidden[layer] = values
        elif dest is FcDest.SCALE:
            self.result.scales[layer] = values
        else:
            signatures = [numerics.logits_signature(row) for row in values]
            self.result = replace(self.result, logits=values, logit_signatures=signatures)

    def _conv_step(self) -> bool:
        if not self._convs or self._state.scale_tokens < self._convs[0]["groups"]:
            return False
        conv = self._convs.popleft()
        self._state.spill.serve(self._state.layers_done)
        self.result.layers[conv["layer"]] = run_conv(conv, self._state)
        self._state.layers_done += 1
        return True


def emulate(
    config: AcceleratorConfig, memory: bytes, schedule_address: int, images: Sequence[bytes]
) -> Emulation:
    """Runs the schedule at beat `schedule_address` of a memory image for a batch of images.

    images: the bytes of the image area (`Program.pack_image`), one an image.

    Raises:
        FlowError: a schedule that cannot be decoded or does not end.
    """
    return _Machine(config, memory, schedule_address, images).run()


def emulate_program(program: Program, images: npt.NDArray[np.uint8]) -> Emulation:
    """`emulate` on uint8 images (N, height, width, channels)."""
    packed = [program.pack_image(image) for image in images]
    return emulate(program.config, program.memory, program.manifest.schedule_address, packed)
