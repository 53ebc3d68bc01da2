"""`hwflow doctor` with things hidden or too old: each is named with how to get it."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hwflow.cli.main import app
from hwflow.doctor import Check, check_all, healthy
from hwflow.doctor import needed as needed_checks
from hwflow.doctor import optional as optional_checks


def found(name: str) -> Check:
    return next(check for check in check_all() if check.name == name)


def program(folder: Path, name: str, output: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{output}'\n")
    path.chmod(0o755)


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HWFLOW_CACHE", str(tmp_path / "cache"))
    for variable in ("NEXTPNR_ECP5", "ECPPACK"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


@pytest.mark.usefixtures("alone")
def test_every_hidden_program_has_a_remedy() -> None:
    checks = {check.name: check for check in check_all()}
    for name, wanted in {
        "make": "install the system package make",
        "perl": "install the system package perl",
        "C++ compiler": "install the system package g++",
        "native nextpnr-ecp5": "NEXTPNR_ECP5=PATH",
        "openFPGALoader": "openfpgaloader",
        "Chromium": "chromium",
        "Icarus Verilog": "iverilog",
    }.items():
        assert not checks[name].ok and checks[name].remedy and wanted in checks[name].remedy
    assert not healthy(list(checks.values()))
    assert not any(check.ok and check.remedy for check in checks.values())


@pytest.mark.parametrize(
    ("name", "programs"),
    [
        ("make", {"make": "GNU Make 3.81"}),
        ("C++ compiler", {"g++": "9"}),
        ("C++ compiler", {"c++": "9.4.0"}),
    ],
)
def test_too_old(name: str, programs: dict[str, str], alone: Path) -> None:
    for each, output in programs.items():
        program(alone, each, output)
    assert not found(name).ok and found(name).needed
    assert "too old: install" in found(name).remedy
    for each in programs:
        program(alone, each, "GNU Make 14.2")
    assert found(name).ok


def test_a_native_tool_is_used_only_when_named(
    alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(alone, "nextpnr-ecp5", "nextpnr")
    assert "NEXTPNR_ECP5=" in found("native nextpnr-ecp5").remedy
    monkeypatch.setenv("NEXTPNR_ECP5", str(alone / "nextpnr-ecp5"))
    assert found("native nextpnr-ecp5").ok
    monkeypatch.setenv("NEXTPNR_ECP5", "gone")
    assert "gone is no program" in found("native nextpnr-ecp5").remedy


def test_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name in ("jax", "onnx"):
            raise metadata.PackageNotFoundError(name)
        return "0.0.1" if name in ("numpy", "jinja2") else real(name)

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(needed_checks, "tested_versions", lambda: {"numpy": "2.0", "jinja2": "3.1"})
    assert found("package jax") == Check("package jax", False, True, "missing", "run `make venv`")
    assert not found("package numpy").ok and not found("package numpy").needed
    assert "older than 2.0" in found("package numpy").remedy
    remedy = found("extra onnx").remedy
    assert "`make venv`, or pip install -e '.[onnx]' in the clone" in remedy
    assert "older than tested (jinja2 3.1)" in found("extra report").remedy


@pytest.mark.parametrize("source", ["repository", "installation"])
def test_every_extra_is_looked_for(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if source == "installation":
        monkeypatch.setattr(needed_checks, "PROJECT", tmp_path / "gone")
        lines = ["numpy", "amaranth[builtin-yosys]", 'nothing-such>=3; extra == "odd"']
        monkeypatch.setattr(metadata, "requires", lambda name: lines)
    checks = {check.name: check for check in check_all()}
    if source == "repository":
        assert {f"extra {name}" for name in ("train", "board", "report", "onnx", "dev")} <= set(
            checks
        )
        return
    assert checks["package amaranth"].ok
    assert "nothing-such missing" in checks["extra odd"].remedy


def test_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HWFLOW_CACHE", str(tmp_path / "file"))
    assert not found("cache of models").ok and "HWFLOW_CACHE=" in found("cache of models").remedy
    monkeypatch.setenv("HWFLOW_CACHE", str(tmp_path / "kept"))
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "model").write_bytes(bytes(1 << 24))
    assert found("cache of models").ok and "0.02 GiB" in found("cache of models").found
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["model"]
    monkeypatch.setattr(needed_checks, "LEAST_SPACE", 1 << 60)
    assert not found("disk space").ok and not found("disk space").needed


def test_a_cache_that_others_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWFLOW_CACHE", str(tmp_path))
    (tmp_path / "model").write_bytes(bytes(1 << 24))
    seen = [(str(tmp_path), [], ["gone", "model"])]
    monkeypatch.setattr(needed_checks.os, "walk", lambda folder: iter(seen))
    assert "0.02 GiB" in needed_checks._cache().found  # pyright: ignore[reportPrivateUsage] of all checks this one


def test_space_of_another_file_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWFLOW_CACHE", "/dev/shm/cache")  # a file system of its own on every Linux
    assert "GiB free" in found("disk space of the cache").found
    monkeypatch.setenv("HWFLOW_CACHE", ".cache")
    assert "disk space of the cache" not in {check.name for check in check_all()}


def test_a_compiler_that_cannot_be_run(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (alone / "g++").write_text("#!/no/such/shell\n")
    (alone / "g++").chmod(0o755)
    assert "it does not run" in found("C++ compiler").remedy
    (alone / "g++").write_text("#!/bin/sh\nwhile :; do :; done\n")
    monkeypatch.setattr("hwflow.doctor.check.PATIENCE", 0.1)
    assert "it does not run" in found("C++ compiler").remedy


@pytest.mark.parametrize(
    ("check", "state"),
    [
        (Check("a", True, True, ""), "ok"),
        (Check("a", False, False, "missing"), "optional"),
        (Check("a", False, True, "missing"), "missing"),
        (Check("a", False, True, "/usr/bin/make 3.81", "too old: install 3.82"), "unusable"),
    ],
)
def test_states(check: Check, state: str) -> None:
    assert check.state == state


def test_a_port_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optional_checks, "DEVICES", tmp_path)
    assert found("serial port").found == "no board is plugged in"
    (tmp_path / "ttyUSB0").touch()
    assert found("serial port").ok
    monkeypatch.setattr(optional_checks.os, "access", lambda path, mode: False)
    assert "usermod -aG" in found("serial port").remedy


def test_what_is_optional_does_not_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = [Check("a", True, True, ""), Check("b", False, False, "", "get it")]
    monkeypatch.setattr("hwflow.doctor.check_all", lambda: checks)
    done = CliRunner().invoke(app, ["doctor", "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["healthy"] is True
    checks.append(Check("c", False, True, "", "get it"))
    assert CliRunner().invoke(app, ["doctor"]).exit_code == 1
