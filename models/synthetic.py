"""Deterministic images with the statistics of photographs, where no data set can be shipped."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]

COARSEST = 2
"""Grid points each way of the coarsest octave."""
FALLOFF = 0.8
"""Amplitude of an octave relative to the one with half as many points."""
COLOUR = 0.35
"""Deviation of the channels from their common brightness."""
LEVEL = (80.0, 170.0)
CONTRAST = (35.0, 65.0)


def photo_images(seed: int, count: int, shape: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    """uint8 (count, *shape): smooth noise, octaves of falling amplitude, channels correlated.

    Image i depends on the seed, on i and on the shape alone. The brightness of an image has a
    random mean and contrast; values beyond 0..255 are clipped.
    """
    images = np.empty((count, *shape), np.uint8)
    for index in range(count):
        images[index] = _photo(np.random.default_rng([seed, 2, index]), shape)
    return images


def _photo(rng: np.random.Generator, shape: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    height, width, channels = shape
    picture = np.zeros(shape)
    points, amplitude = COARSEST, 1.0
    while points < 2 * max(height, width):
        grid = rng.standard_normal((points, points, 1))
        grid = grid + COLOUR * rng.standard_normal((points, points, channels))
        picture += amplitude * _stretched(_stretched(grid, height, 0), width, 1)
        points, amplitude = 2 * points, FALLOFF * amplitude
    picture = (picture - picture.mean()) / max(float(picture.std()), 1e-6)
    pixels = rng.uniform(*LEVEL) + rng.uniform(*CONTRAST) * picture
    return np.clip(np.floor(pixels + 0.5), 0, 255).astype(np.uint8)


def _stretched(grid: Reals, size: int, axis: int) -> Reals:
    """`grid` with `size` points along `axis`, linear between its own."""
    position = np.linspace(0, grid.shape[axis] - 1, size)
    low = np.minimum(position.astype(np.int64), grid.shape[axis] - 2)
    part = position - low
    part = part.reshape(-1, *(1,) * (grid.ndim - 1 - axis))
    return grid.take(low, axis) * (1 - part) + grid.take(low + 1, axis) * part
