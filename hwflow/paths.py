"""Where the repository keeps what commands use by default."""

from __future__ import annotations

from pathlib import Path

import models

MODELS = Path(models.__file__).parent
TRAINED = MODELS / "trained" / "fmnist-small"
"""The trained checkpoint."""
IMAGES = MODELS / "images"
"""The test images that are part of the repository."""
BUILD = Path("build")
"""Where commands write unless told otherwise, below the working folder."""
