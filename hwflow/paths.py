"""Where the repository keeps what commands use by default."""

from __future__ import annotations

from pathlib import Path

import models

MODELS = Path(models.__file__).parent
TRAINED = MODELS / "trained" / "fmnist-small"
"""The trained checkpoint."""
IMAGES = MODELS / "images"
"""Images that are part of the repository."""
TEST_IMAGES = IMAGES / "fmnist64.npz"
"""64 test images with labels."""
CALIBRATION = IMAGES / "fmnist_calibration.npz"
"""The first 512 training images: they choose the exponents, on every machine the same."""
BUILD = Path("build")
"""Where commands write unless told otherwise, below the working folder."""
