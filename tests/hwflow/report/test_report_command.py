"""`hwflow report` as it is used, its comparison, and what it refuses."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hwflow.cli.main import app
from hwflow.compiler.program import Program
from hwflow.errors import FlowError
from hwflow.report import inputs
from hwflow.report.compare import compare, sections
from hwflow.report.document import load
from tests.hwflow.report import results


def refusal(*arguments: str) -> str:
    """The message of a refused command."""
    done = CliRunner().invoke(app, ["report", *arguments])
    assert isinstance(done.exception, FlowError), done.output
    assert done.stdout == ""
    return str(done.exception)


@pytest.fixture(scope="module")
def build(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build") / "small"
    program.save(folder)
    return folder


@pytest.fixture(scope="module")
def saved(document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "a.json"
    path.write_text(json.dumps(document))
    return path


def test_a_build_folder_is_enough(
    build: Path, bare: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["report", "--program", str(build), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == json.loads(json.dumps(bare))
    assert list(tmp_path.iterdir()) == []


def test_a_comparison_is_written_as_a_page(saved: Path, build: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "both.html"
    arguments = ["report", "--compare", str(saved), str(build), "--out", str(out)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    text = out.read_text()
    assert "Two builds compared" in text and "none, the builds are equal" not in text
    assert [path.name for path in out.parent.iterdir()] == ["both.html"]


def test_a_page_can_be_compared_again(page: str, document: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(page)
    assert load(path) == json.loads(json.dumps(document))


def test_what_changed_is_said(document: dict[str, Any], bare: dict[str, Any]) -> None:
    other = json.loads(json.dumps(document))
    other["parts"]["cycles"]["total"] += 100
    other["parts"]["cycles"]["layers"][2]["cycles"] += 100
    other["parts"]["board"]["fmax_mhz"] += 1
    other["parts"]["build"]["hashes"]["schedule"] = "0" * 64
    found = compare(document, other)
    figures = {each["key"]: each for each in found["figures"]}
    assert (figures["cycles"]["change"], figures["cycles"]["verdict"]) == (100, "worse")
    assert (figures["fmax"]["change"], figures["fmax"]["verdict"]) == (1, "better")
    assert figures["ace"]["verdict"] == "same"
    assert [each["change"] for each in found["layers"] if each["change"]] == [100]
    assert [each["name"] for each in found["hashes"] if not each["same"]] == ["schedule"]
    itself = {e["key"]: e["verdict"] for e in compare(document, document)["figures"]}
    assert {key for key, verdict in itself.items() if verdict != "same"} == {"measured-energy"}
    assert itself["measured-energy"] == "missing"
    against = {e["key"]: e for e in compare(document, bare)["figures"]}
    assert against["energy"]["verdict"] == "missing" and against["energy"]["change"] is None
    notes = sections(found)[0].notes
    assert any("Worse in B: Cycles an image" in note for note in notes)


def test_results_of_another_build_are_refused(program: Program, tmp_path: Path) -> None:
    folder = results.save_simulation(program, tmp_path / "sim")
    assert inputs.simulation(folder, program)["summary"]["images"] == 4
    wrong = results.simulation(program) | {"memory_hash": "0" * 64}
    (folder / "simulation.json").write_text(json.dumps(wrong))
    with pytest.raises(FlowError, match="another memory image"):
        inputs.simulation(folder, program)

    path = tmp_path / "x.json"

    def refused(value: Any, read: Any) -> str:
        path.write_text(json.dumps(value))
        with pytest.raises(FlowError) as raised:
            read(path, program)
        return str(raised.value)

    board = results.board(program)
    other = board | {"target": board["target"] | {"rows": 99}}
    assert "rows differ from sim-small's" in refused(other, inputs.board_report)
    assert "has no `fmax_mhz`" in refused(
        {name: value for name, value in board.items() if name != "fmax_mhz"}, inputs.board_report
    )
    accuracy = results.accuracy(program) | {"sha256": "0" * 64}
    assert "another network" in refused(accuracy, inputs.accuracy)
    assert "no result of" in refused([1], inputs.accuracy)
    entry = {name: {} for name in ("library", "evidence", "ace", "total", "kinds", "layers")}
    names = {"network": "another", "target": program.config.name}
    assert "is of another on sim-small" in refused([entry | names], inputs.energy)
    assert "holds no estimate" in refused([], inputs.energy)


def test_bad_input_is_one_line_and_writes_nothing(build: Path, saved: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{")
    for arguments, message in (
        (["--program", str(tmp_path / "none")], "run `hwflow lower` first"),
        (["--program", str(build), "--bitstream", str(tmp_path / "none.json")], "not found"),
        (["--program", str(build), "--energy", str(wrong)], "no JSON"),
        (["--program", str(build), "--target", "zu7ev"], "exclude each other"),
        (["--program", str(build), "--sim", str(tmp_path)], "exclude each other"),
        (["--compare", str(saved), str(wrong)], "give a file of `hwflow report --json`"),
        (["--compare", str(saved), str(tmp_path / "none.html")], "not found"),
        (["--compare", str(saved), str(saved), "--target", "zu7ev"], "exclude each other"),
        (["--compare", str(saved), str(saved), "--accuracy", str(wrong)], "exclude each other"),
    ):
        assert message in refusal(*arguments, "--out", str(out))
        assert not out.exists()
    assert "is a folder" in refusal("--program", str(build), "--out", str(tmp_path))
    assert "is a file" in refusal("--program", str(build), "--out", str(wrong / "x.html"))


def test_a_missing_package_is_named(
    build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "vl_convert" else find(name)
    )
    message = refusal("--program", str(build), "--out", str(tmp_path / "x.html"))
    assert message.startswith("package vl_convert is missing; run `make venv`")


@pytest.mark.parametrize(
    ("change", "message"),
    [({"version": 99}, "version is 99"), ({"format": "x"}, "no report"), ({"parts": None}, "cut short")],
)  # fmt: skip
def test_documents_of_other_kinds_are_refused(
    bare: dict[str, Any], tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path = tmp_path / "d.json"
    path.write_text(json.dumps({k: v for k, v in (bare | change).items() if v is not None}))
    with pytest.raises(FlowError, match=message):
        load(path)
    (tmp_path / "p.html").write_text("<p>nothing</p>")
    with pytest.raises(FlowError, match="holds no report"):
        load(tmp_path / "p.html")
