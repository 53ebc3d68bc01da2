"""Values of options for the shell's completion (`hwflow --install-completion`); nothing here may take long."""

from __future__ import annotations

from collections.abc import Iterable


def presets(incomplete: str) -> list[str]:
    """Networks by name."""
    from models.config import PRESETS

    return _beginning(incomplete, PRESETS)


def targets(incomplete: str) -> list[str]:
    """Targets that come with hwflow."""
    from hwflow.config import target_names

    return _beginning(incomplete, target_names())


def boards(incomplete: str) -> list[str]:
    """Boards by name."""
    from rtl_gen.boards.board import BOARDS

    return _beginning(incomplete, BOARDS)


def published(incomplete: str) -> list[str]:
    """Published networks by name, and all of them."""
    from hwflow.ace.published import published_networks

    return _beginning(incomplete, ["all", *(row.name for row in published_networks())])


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))
