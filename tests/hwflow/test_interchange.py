"""docs/interchange.md: its tables have the fields there are, its code runs."""

from __future__ import annotations

import dataclasses
import itertools
import re
import types
import typing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwflow.cli.main import app
from hwflow.numerics import ScalarParams, VectorParams
from hwflow.onnx.network import IR_VERSION, OPSET, build_model, serialise, value_names
from hwflow.paths import TRAINED
from models.checkpoint import expected_shapes
from models.config import PokeBNNConfig
from models.integer import layers, storage
from models.integer.network import map_images
from models.integer.params import (
    DenseParams,
    InitConvParams,
    IntegerNetwork,
    PokeConvParams,
    SEParams,
)
from models.integer.random import random_images, random_network, small_config

DOC = (Path(__file__).parents[2] / "docs" / "interchange.md").read_text()
RECORDS = (
    IntegerNetwork, InitConvParams, PokeConvParams, SEParams, DenseParams, VectorParams,
    ScalarParams,
)  # fmt: skip
SCALARS = {str: "text", int: "integer", bool: "boolean"}


def section(title: str) -> str:
    """What is below a heading, to the next one."""
    return re.split(r"^#+ ", DOC.split(f"# {title}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]


def code(title: str) -> str:
    return section(title).split("```python\n")[1].split("```")[0]


def shown(kind: Any) -> str:
    """A field's type in the words of the tables."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        inner = shown(args[0])
        if args[-1] is ...:
            return f"list of {inner}"
        return f"list of {len(args)} {inner}{'s' if inner == 'integer' else ''}"
    if origin is np.ndarray:
        (dtype,) = typing.get_args(args[1])
        return f"{np.dtype(dtype).name} array"
    if origin is typing.Literal:
        return "text"
    if origin is types.UnionType:
        return f"{shown(args[0])} or null"
    return kind.__name__ if dataclasses.is_dataclass(kind) else SCALARS[kind]


@pytest.mark.parametrize("record", RECORDS)
def test_tables_have_the_fields_in_their_order(record: type) -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| \S", section(record.__name__), re.MULTILINE)
    hints = typing.get_type_hints(record)
    assert rows == [(f.name, shown(hints[f.name])) for f in dataclasses.fields(record)]


def test_the_format_is_the_documents() -> None:
    assert f'"{storage.FORMAT}"' in section("The network file")
    assert f"opset {OPSET}" in section("ONNX")
    assert f"IR version {IR_VERSION}" in section("ONNX")


def same(found: Any, wanted: Any) -> bool:
    if dataclasses.is_dataclass(wanted):
        names = [field.name for field in dataclasses.fields(wanted)]
        return sorted(found) == sorted(names) and all(
            same(found[name], getattr(wanted, name)) for name in names
        )
    if isinstance(wanted, tuple):
        return len(found) == len(wanted) and all(map(same, found, wanted))
    if isinstance(wanted, np.ndarray):
        return found.dtype == wanted.dtype and np.array_equal(found, wanted)
    return found == wanted


@pytest.mark.parametrize("bounds", ["per_tensor", "per_channel"])
def test_the_reader_reads_what_save_writes(bounds: Any, tmp_path: Path) -> None:
    network = random_network(3, small_config(image=(8, 8, 3), bounds=bounds))
    network.save(tmp_path / "net.network")
    names: dict[str, Any] = {}
    exec(code("A reader"), names)
    assert same(names["read_network"](tmp_path / "net.network"), network)


def test_the_onnx_example_prints_the_choices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    network = random_network(4, small_config(image=(8, 8, 1)))
    images = random_images(5, 4, network.image_shape)
    monkeypatch.chdir(tmp_path)
    np.save("images.npy", images)
    Path("net.onnx").write_bytes(serialise(build_model(network)))
    exec(code("ONNX"), {})
    wanted = layers.forward(network, map_images(network, images)).logits.argmax(axis=1)
    assert capsys.readouterr().out == f"{wanted}\n"


def test_command_and_names_exist() -> None:
    command = next(c for c in app.registered_commands if c.name == "export-onnx")
    options = set(re.findall(r"--(\w+)", section("ONNX")))
    assert command.callback is not None
    assert options <= set(typing.get_type_hints(command.callback))
    network = random_network(1)
    made = {name.split("/")[-1] for name in value_names(network)}
    assert all(name in section("Names") for name in made)


def expanded(pattern: str) -> list[str]:
    """Every name of a pattern with lists in braces."""
    parts = re.split(r"\{([\w,]+)\}", pattern)
    choices = [p.split(",") if i % 2 else [p] for i, p in enumerate(parts)]
    return ["".join(choice) for choice in itertools.product(*choices)]


def test_the_float_checkpoint_has_these_arrays() -> None:
    config = PokeBNNConfig.load(TRAINED / "config.json")
    listed: set[str] = set()
    for pattern in re.findall(r"`((?:params|batch_stats|get_bounds)/[^`]+)`", DOC):
        for spec in config.poke_convs():
            numbers = {"{B}": spec.block, "{J}": spec.j, "{n}": spec.dprelu_index}
            filled = pattern
            for letter, number in numbers.items():
                filled = filled.replace(letter, str(number))
            listed.update(expanded(filled))
    assert listed == set(expected_shapes(config))
