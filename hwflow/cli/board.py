"""What a board decides for the commands around it, where their options do not: the target and the network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwflow.cli import complete
from hwflow.config import AcceleratorConfig, load_target
from hwflow.errors import FlowError
from hwflow.paths import MODELS
from rtl_gen.boards.board import board as named

BoardName = Annotated[
    str,
    typer.Option(
        help="name of a board: its target and network are taken unless given",
        autocompletion=complete.boards,
    ),
]
BoardTarget = Annotated[
    str | None,
    typer.Option(
        help="name of a target, or a .yaml file; default the board's",
        autocompletion=complete.targets,
    ),
]


def board_target(board: str, target: str | None) -> AcceleratorConfig:
    """The target given, else the board's.

    Raises:
        FlowError: no such board or target.
    """
    default = named(board).target
    return load_target(target or default)


def trained_network(name: str) -> Path:
    """Folder of the trained checkpoint of that name.

    Raises:
        FlowError: none is part of the repository.
    """
    folder = MODELS / "trained" / name
    if not folder.is_dir():
        raise FlowError(f"no trained network {name!r} is here; name its --checkpoint")
    return folder
