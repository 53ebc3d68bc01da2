"""Random translation and mirroring of a batch of images, on the host."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def shift_and_flip(
    images: npt.NDArray[np.uint8], rng: np.random.Generator, shift: int, flip: bool
) -> npt.NDArray[np.uint8]:
    """uint8 (N, H, W, C): each image moved by up to `shift` pixels each way, zeros moved in.

    With `flip`, half of the images are mirrored left to right.
    """
    n, h, w, _ = images.shape
    padded = np.pad(images, ((0, 0), (shift, shift), (shift, shift), (0, 0)))
    top = rng.integers(0, 2 * shift + 1, n)[:, None] + np.arange(h)
    left = rng.integers(0, 2 * shift + 1, n)[:, None] + np.arange(w)
    if flip:
        mirrored = rng.random(n) < 0.5
        left[mirrored] = left[mirrored, ::-1]
    return padded[np.arange(n)[:, None, None], top[:, :, None], left[:, None, :]]
