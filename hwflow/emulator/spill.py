"""The spill area of the memory image and the long stream, for a batch of N images."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from hwflow.config import AcceleratorConfig
from hwflow.emulator.memory import JUNK
from hwflow.errors import FlowError
from hwflow.isa import Op
from hwflow.spilling import group_beats, spilled_groups

Instruction = dict[str, int]
Values = npt.NDArray[np.int16]


class SpillArea:
    """External memory of stored groups: pixels of C channels in the order of slots, whole tiles."""

    def __init__(self, config: AcceleratorConfig, images: int) -> None:
        self._config = config
        self._first = self._end = 0
        self._data: Values = np.zeros((images, 0), np.int16)
        self._requests: deque[Instruction] = deque()
        self._stream: deque[Values] = deque()

    def grow(self, conv: Instruction) -> None:
        """Makes room for what a CONV will store; before it the area holds junk."""
        if conv["op"] != Op.CONV or not spilled_groups(conv):
            return
        first = conv["spill_address"]
        end = first + spilled_groups(conv) * group_beats(conv, self._config)
        self._first = min(self._first or first, first)
        self._end = max(self._end, end)
        size = (self._end - self._first) * self._config.memory_bytes // 2
        self._data = np.full((len(self._data), size), JUNK, np.int16)

    def _at(self, address: int) -> int:
        """Index of the first value of a beat."""
        return (address - self._first) * self._config.memory_bytes // 2

    def write(self, address: int, slots: int, values: Values | npt.NDArray[np.int32]) -> None:
        """Stores values (N, pixels, C) from beat `address` on; slots beyond the pixels become 0."""
        images, pixels, cols = values.shape
        padded = np.zeros((images, slots, cols), np.int16)
        padded[:, :pixels] = values
        at = self._at(address)
        self._data[:, at : at + slots * cols] = padded.reshape(images, -1)

    def request(self, load: Instruction) -> None:
        """A LOAD of the long stream."""
        self._requests.append(load)

    def serve(self, layers_done: int) -> None:
        """Reads what the first LOADs ask for, as far as `layers_done` lets them."""
        while self._requests and self._requests[0]["after"] <= layers_done:
            load = self._requests.popleft()
            at = self._at(load["address"])
            size = load["beats"] * self._config.memory_bytes // 2
            self._stream.append(self._data[:, at : at + size].copy())

    def take(self, slots: int, pixels: npt.NDArray[np.int64]) -> Values:
        """The stream's next group, whole tiles of `slots` pixels: those of `pixels`, (N, pixels, C).

        Raises:
            FlowError: less is there.
        """
        cols = self._config.cols
        needed = slots * cols
        parts: list[Values] = []
        while needed:
            if not self._stream:
                raise FlowError(f"long stream: {needed} more values are needed, none is there")
            part = self._stream.popleft()
            if part.shape[1] > needed:
                self._stream.appendleft(part[:, needed:])
                part = part[:, :needed]
            parts.append(part)
            needed -= part.shape[1]
        values = np.concatenate(parts, axis=1).reshape(len(self._data), slots, cols)
        return values[:, pixels]
