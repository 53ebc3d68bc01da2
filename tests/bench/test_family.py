"""The family's table: what ends with which exit status."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench import family
from hwflow.cli.output import progress_console
from hwflow.compiler.allocate import CapacityError
from hwflow.compiler.fit import TooLargeError
from hwflow.config import load_target
from hwflow.errors import FlowError
from models.config import PRESETS
from models.integer.random import small_config
from sim import imagenet


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--widths", "1.0,x"), "--widths 1.0,x: expected numbers"),
        (("--target", "nothing"), "nothing"),
        (("--widths", "9.0"), "pokebnn-9.0x"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    arguments: tuple[str, ...],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["family", *arguments, "--out", "out"])
    with pytest.raises(SystemExit) as ended:
        family.run()
    assert ended.value.code == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert told in last


def test_only_a_refusal_or_a_difference_fails() -> None:
    assert not family.failed([{"width": 1.0}, {"width": 1.4, "equal": True}])
    assert family.failed([{"width": 1.0}, {"width": 1.4, "equal": False}])
    assert family.failed([{"width": 2.0, "refused": "does not fit"}, {"width": 1.0}])


@pytest.mark.parametrize("raised", [FlowError("the verifier refuses"), TooLargeError("too large")])
def test_only_want_of_room_is_a_row(
    raised: FlowError, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> imagenet.Prepared:
        raise raised

    monkeypatch.setattr(imagenet, "prepare_run", refuse)
    monkeypatch.setitem(PRESETS, "pokebnn-0.5x", small_config())
    config = load_target("zu7ev")

    def row() -> family.Row:
        with progress_console().status("") as display:
            return family.measure(
                0.5, config, rtl=False, seed=0, folder=tmp_path, status=display.update
            )

    if isinstance(raised, (CapacityError, TooLargeError)):
        assert row()["refused"] == "too large"
    else:
        with pytest.raises(FlowError, match="the verifier refuses"):
            row()
