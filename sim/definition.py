"""What kept values depend on besides their inputs: the code that defines them."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

import hwflow.numerics
import models
import sim.expected


@functools.cache
def definition_digest() -> str:
    """SHA-256 (hex) of the sources of the integer network, its arithmetic and the expected values."""
    digest = hashlib.sha256()
    folder = Path(models.__path__[0])
    for path in (
        Path(hwflow.numerics.__file__),
        Path(sim.expected.__file__),
        *sorted(folder.rglob("*.py")),
    ):
        digest.update(path.read_bytes())
    return digest.hexdigest()
