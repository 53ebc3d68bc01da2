"""Storage of the emulated accelerator, for a batch of N images (docs/architecture.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hwflow.errors import FlowError

JUNK = 0x5A
"""What memories hold before they are written: results must not depend on it."""
Array = npt.NDArray[Any]
Slots = npt.NDArray[np.int64]


class BankedMemory:
    """N copies of `banks` x `rows` words; slot i is in bank i % banks (see the contract's table).

    A word has `lanes` elements of `dtype`.
    """

    def __init__(
        self, images: int, banks: int, rows: int, lanes: int, dtype: npt.DTypeLike
    ) -> None:
        kind = np.dtype(dtype)
        size = images * banks * rows * lanes * kind.itemsize
        data = np.full(size, JUNK, np.uint8).view(kind)
        self.data: Array = data.reshape(images, banks, rows, lanes)
        self._banks = banks

    def _rows(self, slots: Slots, base: int, words: int, word: Slots | int) -> Slots:
        return base + (slots // self._banks) * words + word

    def read(self, slots: Slots, base: int, words: int, word: Slots | int) -> Array:
        """Word `word` of the slots of a tensor: (N, *broadcast of slots and word, lanes)."""
        return self.data[:, slots % self._banks, self._rows(slots, base, words, word)]

    def write(
        self,
        slots: Slots,
        base: int,
        words: int,
        word: int,
        values: Array,
        lanes: slice = slice(None),
    ) -> None:
        """Writes values (N, slots, lanes) to word `word` of the slots, other lanes stay."""
        rows = self._rows(slots, base, words, word)
        self.data[:, slots % self._banks, rows, lanes] = values


class Fifo:
    """A ring: uint8 words in the order they were loaded.

    Unbounded: that the hardware's capacity suffices is the verifier's proof.
    """

    def __init__(self, name: str, word_bytes: int) -> None:
        self._name = name
        self._word_bytes = word_bytes
        self._data = bytearray()
        self._read = 0

    @property
    def level(self) -> int:
        """Words that have not been taken."""
        return len(self._data) // self._word_bytes - self._read

    def push(self, data: bytes) -> None:
        """Appends whole words."""
        if len(data) % self._word_bytes:
            raise FlowError(f"{self._name}: a LOAD of {len(data)} bytes is no whole words")
        self._data += data

    def take(self, words: int) -> npt.NDArray[np.uint8]:
        """The next words, uint8[words, word bytes].

        Raises:
            FlowError: fewer are there.
        """
        if words > self.level:
            raise FlowError(f"{self._name}: {words} words are needed, {self.level} are there")
        start = self._read * self._word_bytes
        self._read += words
        data = bytes(self._data[start : start + words * self._word_bytes])
        return np.frombuffer(data, np.uint8).reshape(words, self._word_bytes)


def unpack_nibbles(data: bytes) -> bytes:
    """4-bit two's-complement values, low nibble first, as one s8 byte each."""
    packed = np.frombuffer(data, np.uint8)
    nibbles = np.stack([packed & 15, packed >> 4], axis=1).reshape(-1).astype(np.int8)
    return ((nibbles ^ 8) - 8).astype(np.int8).tobytes()
