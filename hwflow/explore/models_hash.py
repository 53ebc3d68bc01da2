"""What the evaluation of a point depends on beside its setup: the code and the shipped data, as a hash."""

from __future__ import annotations

import hashlib
from pathlib import Path

import hwflow
import models

FOLDERS = (".", "ace", "compiler", "cycle_model", "energy", "explore")
"""Folders of the package whose files decide a result; `models`, beside it, does with all that is below it."""
SUFFIXES = (".py", ".cpp", ".hpp", ".json", ".yaml")
MODEL_SUFFIXES = (".py", ".yaml")
"""In `models`: code. A trained network's content is part of the setup."""


def models_hash() -> str:
    """SHA-256 of those files: a store's results of other code are not taken."""
    root, code = Path(hwflow.__file__).parent, Path(models.__file__).parent
    found = hashlib.sha256()
    for folder in FOLDERS:
        for path in sorted((root / folder).iterdir()):
            if path.suffix in SUFFIXES:
                found.update(f"{folder}/{path.name} ".encode() + path.read_bytes())
    for path in sorted(code.rglob("*")):
        if path.suffix in MODEL_SUFFIXES:
            found.update(f"models/{path.relative_to(code)} ".encode() + path.read_bytes())
    return found.hexdigest()
