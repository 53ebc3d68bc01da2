"""What an interrupted command says, and what it leaves."""

from __future__ import annotations

import signal
from pathlib import Path

SAID = {
    signal.SIGINT: "interrupted: nothing was left half-written",
    signal.SIGTERM: "terminated: nothing was left half-written",
}


def left(folder: Path) -> list[str]:
    """Files in a folder, and folders without any."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
