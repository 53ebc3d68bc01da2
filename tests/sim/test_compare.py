"""Tap files written from the expected values, and what the comparison says when one value is changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwflow.compiler.lower import lower
from hwflow.compiler.program import Program
from hwflow.config import AcceleratorConfig, load_target
from hwflow.errors import FlowError
from hwflow.isa import Op
from models.integer.random import random_images, random_network, small_config
from rtl_gen import interfaces
from sim import taps
from sim.bench_tools import pack
from sim.compare import first_difference
from sim.expected import ExpectedImage, expected_images

IMAGE = 2
"""Number of the only image of the files."""


@dataclass
class Setting:
    config: AcceleratorConfig
    program: Program
    convs: dict[int, dict[str, int]]
    expected: dict[int, ExpectedImage]


@pytest.fixture(scope="module")
def setting() -> Setting:
    config = replace(load_target("sim-small"), pixel_lanes=2)
    network = random_network(4, small_config(init_out=64))
    program = lower(network, config)
    convs = {each["layer"]: each for each in program.instructions if each["op"] == Op.CONV}
    images = random_images(4, IMAGE + 1, network.image_shape)
    return Setting(config, program, convs, {IMAGE: expected_images(network, convs, images)[IMAGE]})


Record = dict[str, Any]
Change = Callable[[str, Record], list[Record]]
"""(tap, record) -> the records to write instead."""


def write_taps(folder: Path, setting: Setting, change: Change) -> taps.Taps:
    """The files an accelerator would write: one pixel lane pair after the other, a cycle each."""
    config = setting.config
    layouts = {name: interfaces.tap_layout(config) for name in ("store", "mean", "pool")}
    layouts["scalar"] = interfaces.SCALAR_TAP
    words: dict[str, list[int]] = {name: [] for name in layouts}
    cycle = 0

    def put(tap: str, record: Record) -> None:
        nonlocal cycle
        size = -(-layouts[tap].size // 32)
        for each in change(tap, record):
            bits = (
                pack(layouts[tap], {"valid": 1, **each})
                | IMAGE << 32 * size
                | cycle << 32 * (size + 1)
            )
            words[tap] += [bits >> 32 * i & 0xFFFFFFFF for i in range(size + 2)]
        cycle += 1

    for layer in setting.expected[IMAGE].layers:
        for kind, values in layer.scalars.items():
            for index, value in enumerate(values.tolist()):
                record = {
                    "layer": layer.number,
                    "kind": taps.SCALAR_KINDS.index(kind),
                    "index": index,
                    "value": value,
                }
                put("scalar", record)
        cols, conv = config.cols, setting.convs.get(layer.number, {})
        contents = (
            ("store", [(layer.stored, cols, 0)]),
            (
                "mean",
                [
                    (layer.mean, cols >> conv.get("mean_shift", 0), 0),
                    (layer.stored_mean, cols >> conv.get("store_shift", 0), cols // 2),
                ],
            ),
            ("pool", [(layer.pool, cols, 0)]),
        )
        for tap, parts in contents:
            tensors = [
                (tensor.reshape(-1, tensor.shape[-1]), per_group, first)
                for tensor, per_group, first in parts
                if tensor is not None
            ]
            if not tensors:
                continue
            flat, per_group, _ = tensors[0]
            for group in range(-(-flat.shape[1] // per_group)):
                for slot in range(0, len(flat), config.pixel_lanes):
                    count = min(config.pixel_lanes, len(flat) - slot)
                    data = [0] * (config.pixel_lanes * cols)
                    for lane in range(count):
                        for tensor, width, first in tensors:
                            part = tensor[slot + lane, group * width : (group + 1) * width]
                            at = lane * cols + first
                            data[at : at + len(part)] = part.tolist()
                    mask = (1 << count) - 1
                    record = {
                        "layer": layer.number,
                        "slot": slot,
                        "mask": mask,
                        "cg": group,
                        "data": data,
                    }
                    put(tap, record)
    for tap, content in words.items():
        np.array(content, "<u4").tofile(folder / f"{tap}.bin")
    bits = layouts["store"].size
    return taps.Taps(
        *(
            taps.read_store(folder / f"{tap}.bin", bits, config.cols)
            for tap in ("store", "mean", "pool")
        ),
        taps.read_scalar(folder / "scalar.bin"),
    )


def same(tap: str, record: Record) -> list[Record]:
    return [record]


def test_equal(tmp_path: Path, setting: Setting) -> None:
    found = write_taps(tmp_path, setting, same)
    assert first_difference(found, setting.expected, setting.convs, setting.config) is None


def test_a_wrong_value_is_named(tmp_path: Path, setting: Setting) -> None:
    def change(tap: str, record: Record) -> list[Record]:
        # Pixel 7 is the second lane of slot 6; channel 16 + 3 of layer 4, which has 32 channels.
        if tap == "store" and (record["layer"], record["slot"], record["cg"]) == (4, 6, 1):
            record["data"][setting.config.cols + 3] ^= 1
        if tap == "store" and record["layer"] == 5:
            record["data"] = [0] * len(record["data"])
        return [record]

    one = first_difference(
        write_taps(tmp_path, setting, change), setting.expected, setting.convs, setting.config
    )
    assert one is not None
    stored = setting.expected[IMAGE].layers[4].stored
    assert stored is not None
    width = stored.shape[1]
    assert (one.image, one.layer, one.name, one.unit) == (IMAGE, 4, "resblock0-3", "vector unit")
    assert (one.pixel, one.channel, one.group, one.column) == ((7 // width, 7 % width), 19, 1, 3)
    assert one.expected == stored[7 // width, 7 % width, 19]
    assert one.actual is not None
    assert one.actual ^ 1 == one.expected
    assert one.row is not None
    assert one.lane == one.row % 2
    assert one.cycle is not None
    assert one.window is not None
    assert one.window[0] <= one.cycle < one.window[1]
    for word in (
        "image 2",
        "layer 4 (resblock0-3)",
        "channel 19",
        f"cycle {one.cycle}",
        f"expected {one.expected}",
    ):
        assert word in one.describe()


@pytest.mark.parametrize(
    ("tap", "layer", "unit"),
    [("mean", 4, "channel mean"), ("pool", 5, "pool"), ("scalar", 3, "scalar engine, mean")],
)
def test_the_unit_is_named(
    tmp_path: Path, setting: Setting, tap: str, layer: int, unit: str
) -> None:
    def change(where: str, record: Record) -> list[Record]:
        if (where, record["layer"]) == (tap, layer):
            record["value" if tap == "scalar" else "data"] = (
                3 if tap == "scalar" else [3] * len(record["data"])
            )
        return [record]

    one = first_difference(
        write_taps(tmp_path, setting, change), setting.expected, setting.convs, setting.config
    )
    assert one is not None
    assert (one.layer, one.unit, one.actual) == (layer, unit, 3)


def test_means_in_the_main_memory_are_compared(tmp_path: Path, setting: Setting) -> None:
    """Layer 1 writes means of 8 channels beside means of 2: only one of the latter is wrong."""

    def change(where: str, record: Record) -> list[Record]:
        at = (where, record["layer"], record.get("slot"), record.get("cg"))
        if at == ("mean", 1, 6, 2):
            record["data"][setting.config.cols + setting.config.cols // 2 + 5] ^= 1
        return [record]

    found = write_taps(tmp_path, setting, change)
    one = first_difference(found, setting.expected, setting.convs, setting.config)
    assert one is not None
    assert (one.layer, one.unit, one.channel) == (1, "stored channel mean", 2 * 8 + 5)
    assert one.pixel == (1, 2)


def test_missing_double_and_stray_records(tmp_path: Path, setting: Setting) -> None:
    def run(change: Change) -> str:
        taken = write_taps(tmp_path, setting, change)
        one = first_difference(taken, setting.expected, setting.convs, setting.config)
        return "equal" if one is None else one.describe()

    def at(tap: str, record: Record) -> bool:
        return tap == "store" and (record["layer"], record["slot"], record["cg"]) == (2, 4, 0)

    assert "pixel (y 0, x 4)" in run(lambda tap, record: [] if at(tap, record) else [record])
    assert "never stored" in run(lambda tap, record: [] if at(tap, record) else [record])
    assert "expected none" in run(
        lambda tap, record: [record, record] if at(tap, record) else [record]
    )
    assert "expected none" in run(
        lambda tap, record: [record, {**record, "slot": 900}] if at(tap, record) else [record]
    )
    assert "unit scalar engine, scale" in run(
        lambda tap, record: (
            [] if tap == "scalar" and record["kind"] == 2 and record["index"] == 5 else [record]
        )
    )


def test_files_that_are_cut_short(tmp_path: Path, setting: Setting) -> None:
    write_taps(tmp_path, setting, same)
    path = tmp_path / "store.bin"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(FlowError, match="whole records"):
        taps.read_store(path, interfaces.tap_layout(setting.config).size, setting.config.cols)
    with pytest.raises(FlowError, match="does not fit"):
        taps.read_store(path, 100, setting.config.cols)
