"""Bad input to every option of every command, found by introspection: one line that begins with `error:`, status 2."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from hwflow.cli.main import app, run
from models.train.xla import environment

NOWHERE = "nowhere/at/all"
UNDER_A_FILE = "some.json/made"
OUTPUTS = frozenset({"out", "save_log", "save_work", "plot"})
"""Parameters that name what is written; `markers` is one of them for `run`."""
ANYTHING = frozenset(
    {
        *("import-aqt name", "lower repeat_layer", "ace input_shape", "ace model"),
        *("reconcile preset", "report preset", "energy network preset"),
        *("explore scheduler", "explore board"),
        *("energy network memory", "energy network target", "energy compare memory"),
        *(f"energy measure {name}" for name in ("hwmon", "channel", "align")),
        *(f"energy measure {name}_column" for name in ("time", "power", "voltage", "current")),
    }
)
"""Text that may be what it likes, or that is read after what it belongs to and is missing here."""
LATER = frozenset({"se_bits", "se_weights"})
"""Numbers that are checked when the checkpoint has been read."""
SIGNED = frozenset({"energy measure shift"})
"""Numbers that may be negative."""


def leaves(command: Any, names: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command that does something, with its words."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield " ".join(names), command
        return
    for name, each in inner.items():
        yield from leaves(each, (*names, name))


COMMANDS = dict(leaves(typer.main.get_command(app)))


def kind(parameter: Any) -> type:
    return parameter.type_descriptor.annotation


def given(parameter: Any, *values: str) -> list[str]:
    if parameter.param_type_name == "argument":
        return list(values)
    return [next(name for name in parameter.opts if name.startswith("--")), *values]


def is_input(name: str, parameter: Any) -> bool:
    return kind(parameter) is Path and not is_output(name, parameter)


def is_output(name: str, parameter: Any) -> bool:
    return parameter.name in OUTPUTS or (name, parameter.name) == ("run", "markers")


def ending(name: str, swept: Any, *, only_required: bool = False) -> list[str]:
    """Arguments with which the command ends soon, should it take the value that is swept."""
    parameters = COMMANDS[name].params
    found: list[str] = []
    for parameter in parameters:
        if parameter is swept:
            continue
        if parameter.required:
            good = "made" if only_required else UNDER_A_FILE
            found += given(parameter, good if is_output(name, parameter) else NOWHERE)
    if only_required:
        return found
    inputs = [p for p in parameters if is_input(name, p) and p is not swept and not p.required]
    chosen = [p for p in inputs if p.name in ("checkpoint", "network", "data", "files")][:1]
    others = [p for p in parameters if p.name in ("preset", "target") and p is not swept]
    if chosen:
        return [*found, *given(chosen[0], NOWHERE)]
    return found + [word for other in others for word in given(other, "no-such")]


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The message of a refused command, as a user sees it."""
    said = " ".join(arguments)
    before, sys.argv = sys.argv, ["hwflow", *arguments]
    try:
        with pytest.raises(SystemExit) as ended:
            run()
    finally:
        sys.argv = before
    out, error = capsys.readouterr()
    assert ended.value.code == 2, (said, ended.value.code, error, out)
    assert out == "", said
    assert error.startswith("error: ") and error.count("\n") == 1, (said, error)
    assert not any(ord(character) < 32 for character in error[:-1]), (said, error)
    return error


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with files and folders of no use."""
    monkeypatch.chdir(tmp_path)
    for variable, value in environment().items():  # with which `train` does not start itself again
        monkeypatch.setenv(variable, value)
    (tmp_path / "some.json").write_text('{"format": ["odd"')
    (tmp_path / "list.json").write_text("[1, 2]")
    (tmp_path / "odd.network").write_bytes(b"PK\x03\x04odd")
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    return tmp_path


def bad_paths(parameter: Any) -> list[str]:
    names = [NOWHERE, "folder", "empty", "some.json"]
    return names + (["odd.network"] if parameter.name in ("checkpoint", "network") else [])


def test_every_command_is_swept() -> None:
    assert len(COMMANDS) >= 28
    assert {"doctor", "lower", "energy check", "run", "report"} <= set(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_bad_input(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = name.split()
    before = sorted(folder.rglob("*"))
    assert f"`hwflow {name} --help`" in refused([*words, "--no-such-option"], capsys)
    for parameter in COMMANDS[name].params:
        end = ending(name, parameter)
        count = parameter.nargs if parameter.nargs > 0 else 1
        if is_output(name, parameter):
            refused([*words, *end, *given(parameter, UNDER_A_FILE)], capsys)
        elif kind(parameter) is Path:
            for path in bad_paths(parameter):
                refused([*words, *end, *given(parameter, *[path] * count)], capsys)
        elif kind(parameter) in (int, float):
            message = refused([*words, *given(parameter, "x"), *end], capsys)
            assert given(parameter)[0] in message, message
            for value in ("-1", *(["nan"] if kind(parameter) is float else [])):
                message = refused([*words, *given(parameter, value), *end], capsys)
                if parameter.name not in LATER and f"{name} {parameter.name}" not in SIGNED:
                    assert given(parameter)[0] in message or value in message, message
        elif kind(parameter) is str and parameter.param_type_name == "option":
            late = f"{name} {parameter.name}" in ANYTHING
            end = end if late else ending(name, parameter, only_required=True)
            message = refused([*words, *given(parameter, "no-such-thing"), *end], capsys)
            if not late:
                assert "no-such" in message, message
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        ("plan --target zu7", "zu7ev"),
        ("ace --preset pokebnn-1.0", "pokebnn-1.0x"),
        ("ace --network reactnet", "reactnet-a"),
        ("bitstream --board ulx3s", "ulx3s-85f"),
        ("netlist block_ra", "block_ram"),
        ("lowr", "lower"),
        ("lower --targt x", "--target"),
    ],
)
def test_the_nearest_name_is_offered(
    arguments: str, near: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(arguments.split(), capsys)
    assert (
        f"id you mean {near}?" in message
        or f"'{near}'?" in message
        or near in message.split("ossible options:")[-1]
    )
