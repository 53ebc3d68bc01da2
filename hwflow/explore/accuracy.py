"""Top-1 of a network by the width of its stored elements, as far as it was measured."""

from __future__ import annotations

import json
from pathlib import Path

from hwflow.errors import FlowError
from models.integer.params import IntegerNetwork

FILE = "residual-bits.json"
"""What `python -m bench.residual_bits` writes into a trained network's folder."""


def measured(checkpoint: Path, network: IntegerNetwork) -> dict[int, float]:
    """Width in bits -> top-1, 0..1, of the file beside `checkpoint`; nothing without one, or with one of another network.

    Raises:
        FlowError: a file that cannot be used.
    """
    path = (checkpoint if checkpoint.is_dir() else checkpoint.parent) / FILE
    if not path.is_file():
        return {}
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["widths"]
        found = {int(row["residual_bits"]): float(row["top1"]) for row in rows}
        hashes = {str(row["sha256"]) for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FlowError(
            f"{path}: no measured accuracy ({error}); make it again with python -m bench.residual_bits"
        ) from error
    return found if network.content_hash() in hashes else {}
