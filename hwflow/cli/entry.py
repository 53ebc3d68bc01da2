"""Where the program starts: signals are heeded before anything that takes time is imported."""

from __future__ import annotations

from hwflow import interruption


def run() -> None:
    """Runs the command line."""
    interruption.run(_commands)


def _commands() -> None:
    from hwflow.cli.main import run as run_commands

    run_commands()


if __name__ == "__main__":
    run()
