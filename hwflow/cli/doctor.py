"""`hwflow doctor`: is everything here that the main job needs."""

from __future__ import annotations

import dataclasses

import typer

from hwflow.cli.output import Json, console, print_json, progress_console, table


def doctor(json: Json = False) -> None:
    """Check Python, packages, programs, simulator, network, images and folders; say how to get what is missing.

    Exit status 1 when something that the main job needs is missing or too old; what is optional changes nothing.
    """
    from hwflow.doctor import check_all, healthy

    with progress_console().status("looking around"):
        checks = check_all()
    if json:
        found = [dataclasses.asdict(check) for check in checks]
        print_json({"healthy": healthy(checks), "checks": found})
    else:
        report = table("", ("check", "state", "found", "remedy"), left=4)
        report.columns[3].no_wrap = False
        for check in checks:
            report.add_row(check.name, check.state, check.found, check.remedy)
        console().print(report)
    if not healthy(checks):
        raise typer.Exit(1)
