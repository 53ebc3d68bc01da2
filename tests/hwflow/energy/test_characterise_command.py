"""`hwflow energy characterise`: what is refused before any work, and the whole command on a small accelerator."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from hwflow.cli.main import app
from hwflow.energy.characterisation import load
from hwflow.errors import FlowError
from models.integer.random import random_images, random_network
from tests.hwflow.energy.small_library import liberty

COMMAND = ("energy", "characterise")


def refused(*arguments: str) -> str:
    done = CliRunner().invoke(app, [*COMMAND, *arguments])
    assert isinstance(done.exception, FlowError), done.output
    assert "\n" not in str(done.exception)
    return str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--unit", "adder"), "--unit adder: no such unit; units are binary_pe"),
        (("--segments", "9"), "--segments 9 is too few"),
        (("--precision", "-1"), "--precision -1.0 is not positive"),
        (("--clock-mhz", "0"), "--clock-mhz 0.0 is not positive"),
        (("--target", "no-such"), "unknown target"),
        (("--out", "no-such/folder/x.json"), "make it first"),
        ((), "cannot be read"),
        (("--images", "65"), "has 64 images, 65 wanted"),
    ],
)
def test_bad_input_is_refused_before_the_simulation(
    arguments: tuple[str, ...], named: str, tmp_path: Path
) -> None:
    library = tmp_path / "small.lib"
    if arguments:
        library.write_text(liberty())
    assert named in refused("--liberty", str(library), *arguments)


@pytest.mark.slow
def test_the_command_writes_what_it_prints(tmp_path: Path) -> None:
    library, network = tmp_path / "small.lib", random_network(1)
    library.write_text(liberty())
    network.save(tmp_path / "random.network")
    images = random_images(1, 3, network.image_shape)
    labels = np.zeros(3, np.int64)
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    out = tmp_path / "small.json"
    arguments = [
        *COMMAND,
        *("--liberty", str(library), "--target", "sim-small", "--images", "3"),
        *("--checkpoint", str(tmp_path / "random.network"), "--data", str(tmp_path / "data.npz")),
        *("--unit", "binary_pe", "--segments", "10", "--cycles", "32", "--out", str(out)),
    ]
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    made = load(out)
    assert json.loads(done.stdout) == json.loads(made.json())
    assert [(each.unit, each.operands) for each in made.units] == [
        ("binary_pe", "recorded"),
        ("binary_pe", "random"),
    ]
    assert made.library.name == "small" and list(made.library.files) == ["small.lib"]
    assert str(tmp_path) not in out.read_text()
    before = out.read_bytes()
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0 and "binary_mac" in shown.stdout
    assert out.read_bytes() == before
