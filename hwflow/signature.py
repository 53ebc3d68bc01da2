"""Signatures of stored tensors: a sum of CRC-32 over indexed messages (docs/numerics.md).

A CRC is affine over GF(2): the CRC of a message of fixed length is the CRC of the all-zero
message XORed with one table entry per byte. That makes it a few table lookups for all messages.
"""

from __future__ import annotations

import zlib
from functools import cache

import numpy as np
import numpy.typing as npt

GROUP = 4
"""Consecutive channels in one message."""


@cache
def _tables(length: int) -> tuple[npt.NDArray[np.uint32], int]:
    """(effect of every byte value at every position, CRC of `length` zero bytes)."""
    zero = zlib.crc32(bytes(length))
    tables = np.zeros((length, 256), np.uint32)
    for position in range(length):
        for value in range(256):
            message = bytearray(length)
            message[position] = value
            tables[position, value] = zlib.crc32(message) ^ zero
    return tables, zero


def crc32_rows(messages: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """zlib.crc32 of every row of `messages` (uint8 (n, length))."""
    tables, zero = _tables(messages.shape[1])
    crc = np.full(messages.shape[0], zero, np.uint32)
    for position, table in enumerate(tables):
        crc ^= table[messages[:, position]]
    return crc


def _bytes(values: npt.NDArray[np.generic], dtype: str) -> npt.NDArray[np.uint8]:
    """Each row's values as little-endian bytes: uint8 (rows, bytes)."""
    cast = np.ascontiguousarray(values.astype(dtype))
    return cast.view(np.uint8).reshape(len(values), -1)


def _total(parts: list[npt.NDArray[np.uint8]]) -> int:
    return int(crc32_rows(np.concatenate(parts, axis=1)).sum(dtype=np.uint64)) & 0xFFFFFFFF


def messages(tensor: npt.NDArray[np.integer]) -> npt.NDArray[np.uint8]:
    """The 13-byte messages (uint8 (n, 13)) of a stored tensor (H, W, C), in index order."""
    channels = tensor.shape[-1]
    groups = -(-channels // GROUP)
    flat = tensor.reshape(-1, channels)
    padded = np.zeros((len(flat), groups * GROUP), np.int16)
    padded[:, :channels] = flat
    words = padded.reshape(-1, GROUP)
    signs = (words >= 0).astype(np.uint8) @ (1 << np.arange(GROUP, dtype=np.uint8))
    index = np.arange(len(words)).reshape(-1, 1)
    parts = [_bytes(index, "<u4"), _bytes(words, "<i2"), signs.astype(np.uint8).reshape(-1, 1)]
    return np.concatenate(parts, axis=1)


def signature(tensor: npt.NDArray[np.integer]) -> int:
    """32-bit signature of a stored tensor (H, W, C) whose values fit s16 (s8 sign-extended)."""
    return _total([messages(tensor)])


def logits_signature(logits: npt.NDArray[np.integer]) -> int:
    """32-bit signature of the logits (classes,): messages index (u32), logit (s32), byte 0."""
    index = np.arange(logits.size).reshape(-1, 1)
    zero = np.zeros((logits.size, 1), np.uint8)
    return _total([_bytes(index, "<u4"), _bytes(logits.reshape(-1, 1), "<i4"), zero])
