"""What holds for the options of every command."""

from __future__ import annotations

import math
from typing import Any

import typer
from typer.core import TyperCommand

from hwflow.errors import FlowError


class CheckedCommand(TyperCommand):
    """A command whose numbers are finite: no range that an option names keeps NaN out."""

    def invoke(self, ctx: typer.Context) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]  typer's own type
        """Runs the command.

        Raises:
            FlowError: an option that is NaN or infinite.
        """
        for name, value in ctx.params.items():
            if isinstance(value, float) and not math.isfinite(value):
                option = name.replace("_", "-")
                raise FlowError(f"--{option} {value}: not finite; give a number")
        return super().invoke(ctx)


def check_all(*apps: typer.Typer) -> None:
    """Makes the commands of `apps` checked ones."""
    for app in apps:
        for command in app.registered_commands:
            command.cls = CheckedCommand
