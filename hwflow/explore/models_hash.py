"""What the evaluation of a point depends on beside its setup: the code and the shipped data, as a hash."""

from __future__ import annotations

import hashlib
from pathlib import Path

import hwflow

FOLDERS = (".", "ace", "compiler", "cycle_model", "energy", "explore")
"""Folders of the package whose files decide a result."""
SUFFIXES = (".py", ".cpp", ".json", ".yaml")


def models_hash() -> str:
    """SHA-256 of those files: a store's results of other code are not taken."""
    root = Path(hwflow.__file__).parent
    found = hashlib.sha256()
    for folder in FOLDERS:
        for path in sorted((root / folder).iterdir()):
            if path.suffix in SUFFIXES:
                found.update(f"{folder}/{path.name} ".encode() + path.read_bytes())
    return found.hexdigest()
