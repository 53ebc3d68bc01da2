"""Top-1 of a network at every width of its stored elements, as far as it was measured."""

from __future__ import annotations

import json
from pathlib import Path

from hwflow.errors import FlowError

FILE = "residual-bits.json"
"""What `python -m bench.residual_bits` writes into a trained network's folder."""


def measured(checkpoint: Path) -> dict[str, float]:
    """Content hash of an integer network -> its top-1, 0..1, of the file beside `checkpoint`; nothing without one.

    Raises:
        FlowError: a file that cannot be used.
    """
    path = (checkpoint if checkpoint.is_dir() else checkpoint.parent) / FILE
    if not path.is_file():
        return {}
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["widths"]
        return {str(row["sha256"]): float(row["top1"]) for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FlowError(
            f"{path}: no measured accuracy ({error}); make it again with python -m bench.residual_bits"
        ) from error
