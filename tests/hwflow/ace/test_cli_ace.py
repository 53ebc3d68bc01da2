"""`hwflow ace` beyond PokeBNN: reports, the plot, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hwflow.ace.plot import plot_accuracy
from hwflow.ace.published import published
from hwflow.errors import FlowError
from tests.hwflow.command_line import hwflow, refused


def test_a_published_network(tmp_path: Path) -> None:
    done = hwflow("ace", "--network", "reactnet-a", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    assert values["total_ace"] == 7_853_572_096
    assert values["top1"] == 69.4
    assert "ReActNet" in values["source"]


def test_any_model(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(
        "import flax.linen as nn\n"
        "class Net(nn.Module):\n"
        "    @nn.compact\n"
        "    def __call__(self, x):\n"
        "        x = nn.Conv(8, (3, 3), name='stem')(x)\n"
        "        return nn.Dense(10, name='head')(x.reshape((1, -1)))\n"
    )
    options = ("--input-shape", "1,4,4,2", "--weight-bits", "1", "--activation-bits", "2")
    done = hwflow(
        "ace", "--model", "m:Net", *options, "--bits", "*head=8x8", "--json", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    assert values["total_ace"] == 16 * 144 * 2 + 1280 * 64
    assert values["size_bytes"] == 144 / 8 + 1280 + 4 * (8 + 10)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--network", "alexnet"), "known: pokebnn-0.5x"),
        (("--network", "reactnet-a", "--preset", "pokebnn-1.0x"), "exclude each other"),
        (("--network", "reactnet-a", "--bits", "fc=8x8"), "--network and --bits exclude"),
        (("--weight-bits", "8"), "--weight-bits goes with --model"),
        (("--model", "m:f"), "needs --input-shape"),
        (("--plot", "x.gif"), "end it in .svg"),
        (("--plot", "nowhere/x.svg"), "folder nowhere does not exist"),
        (
            (
                "--model",
                "m:f",
                "--input-shape",
                "1,x",
                "--weight-bits",
                "1",
                "--activation-bits",
                "1",
            ),
            "--input-shape 1,x: expected positive numbers",
        ),
    ],
)
def test_refusals(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    assert said in refused(hwflow("ace", *arguments, cwd=tmp_path))


def test_the_plot_has_the_same_bytes_twice(tmp_path: Path) -> None:
    rows = [(row, row.priced()) for row in map(published, ("reactnet-a", "resnet-50-4bit"))]
    for suffix in (".svg", ".pdf", ".png"):
        paths = [tmp_path / f"{name}{suffix}" for name in "ab"]
        for path in paths:
            plot_accuracy(path, rows)
        assert paths[0].read_bytes() == paths[1].read_bytes()
    text = (tmp_path / "a.svg").read_text()
    assert text.startswith("<?xml")
    assert "<dc:date>" not in text
    unknown = published("resnet-50-1bit")
    with pytest.raises(FlowError, match="no network of the plot"):
        plot_accuracy(tmp_path / "c.svg", [(unknown, unknown.priced())])
