"""The command line: help, reports, what is written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hwflow.cli.output import staged
from hwflow.errors import FlowError
from models.integer.random import random_images
from sim.lint import lint
from tests.hwflow.command_line import hwflow

COMMANDS = (
    "doctor",
    "train",
    "import-aqt",
    "blame",
    "quantise",
    "random",
    "lower",
    "verilog",
    "emulate",
    "estimate",
    "cycles",
    "sim",
    "sim-imagenet",
    "plan",
    "fit",
    "ace",
    "reconcile",
)


def test_help_lists_every_command(tmp_path: Path) -> None:
    done = hwflow("--help", cwd=tmp_path)
    assert done.returncode == 0
    for name in COMMANDS:
        assert f" {name} " in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself(name: str, tmp_path: Path) -> None:
    done = hwflow(name, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "Usage: " in done.stdout


def test_ace_prints_json(tmp_path: Path) -> None:
    done = hwflow("ace", "--preset", "fmnist-small", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    assert values["total_ace"] == 36_229_120
    assert values["evidence"] == "float"


def test_staged_writes_all_or_nothing(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b"
    with pytest.raises(KeyError), staged(out) as scratch:
        (scratch / "half").write_text("x")
        raise KeyError
    assert not list(tmp_path.iterdir())
    with staged(out) as scratch:
        (scratch / "whole").write_text("x")
    assert [p.name for p in out.iterdir()] == ["whole"]
    with staged(out) as scratch:
        (scratch / "other").write_text("y")
    assert sorted(p.name for p in out.iterdir()) == ["other", "whole"]
    with pytest.raises(FlowError, match="is a file"), staged(out / "whole"):
        pass


def test_lower_writes_the_same_bytes_twice(network: Path, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        done = hwflow(
            "lower", "--checkpoint", str(network), "--out", folder, "--json", cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["folder"] == folder
    names = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert names == ["manifest.json", "memory.bin", "schedule.bin", "schedule.json"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.slow
def test_training_reports_one_json_document(tmp_path: Path) -> None:
    images, labels = random_images(1, 8, (28, 28, 1)), np.arange(8, dtype=np.int32)
    np.savez(
        tmp_path / "set.npz",
        train_images=images, train_labels=labels, test_images=images[:4], test_labels=labels[:4],
    )  # fmt: skip
    given = ("--data", "set.npz", "--width", "0.125", "--batch-size", "4", "--epochs", "1")
    done = hwflow("train", *given, "--out", "run", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["folder"] == "run"
    assert '"epoch": 1' in done.stderr


def test_verilog_lints(tmp_path: Path) -> None:
    done = hwflow("verilog", "--lint", "--out", "made", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    values = json.loads(done.stdout)
    assert values["warnings"] == []
    names = sorted(p.name for p in (tmp_path / "made").iterdir())
    assert names == sorted(values["bytes"]) == ["accelerator.json", "accelerator.sv", "waivers.vlt"]


def test_verilog_of_the_axi_top_lints(tmp_path: Path) -> None:
    done = hwflow("verilog", "--top", "axi", "--lint", "--out", "made", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    values = json.loads(done.stdout)
    assert values["warnings"] == []
    assert {"accelerator_axi.sv", "accelerator_axi.svd", "registers.md"} < set(values["bytes"])


def test_lint_sees_what_is_not_waived(tmp_path: Path) -> None:
    path = tmp_path / "accelerator.sv"
    path.write_text("module accelerator(input clk, output logic q); always_comb q = q; endmodule\n")
    assert lint(path)


@pytest.mark.parametrize("fit", [(), ("--fit",)])
def test_emulate_prints_json(fit: tuple[str, ...], network: Path, tmp_path: Path) -> None:
    done = hwflow("emulate", "--network", str(network), "--plain", "--json", *fit, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    assert values["equal"] is True
    assert (values["evidence"], values["reference"]) == ("emulator", "numpy")
    assert all(layer["equal"] for layer in values["layers"])
    assert len(values["layers"]) == 2 + 6 + 1


@pytest.mark.slow
def test_simulated_counters_reconcile(tmp_path: Path) -> None:
    done = hwflow("sim", "--images", "2", "--out", "run", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads(done.stdout)
    assert summary["passed"] is True
    assert summary["evidence"] == "rtl-sim"
    assert len(summary["predictions"]) == 2
    for name in ("simulation.json", "junit.xml", "summary.json"):
        assert (tmp_path / "run" / name).is_file()
    done = hwflow("reconcile", "--run", "run", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["problems"] == []


def test_doctor_finds_all_that_is_needed(tmp_path: Path) -> None:
    done = hwflow("doctor", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    values = json.loads(done.stdout)
    assert values["healthy"] is True
    assert {check["name"] for check in values["checks"] if check["needed"]} >= {
        "Python",
        "package jax",
        "C++ compiler",
        "simulator",
        "trained network",
        "test images",
    }


def test_doctor_names_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    done = hwflow("doctor", "--json", cwd=tmp_path, path=str(tmp_path / "bin"))
    assert done.returncode == 1
    missing = {c["name"]: c["remedy"] for c in json.loads(done.stdout)["checks"] if not c["ok"]}
    assert missing["C++ compiler"] == "install the system package g++"
    assert "simulator" in missing
