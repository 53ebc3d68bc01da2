"""The accelerator's Verilog and its description."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from hwflow.errors import FlowError
from rtl_gen import verilog
from tests.rtl_gen.control_bench import small_config

CONFIG = small_config(memory_bytes=16, mac_depth=1, pixel_lanes=1)


def test_files_are_deterministic_and_agree(tmp_path: Path) -> None:
    first = verilog.write(CONFIG, tmp_path / "a")
    second = verilog.write(CONFIG, tmp_path / "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [
        "accelerator.json",
        "accelerator.sv",
    ]
    text = first[0].read_text()
    description = json.loads(first[1].read_text())
    assert description["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert description["target"] == CONFIG.to_dict()

    module = re.search(r"^module accelerator\((.*?)\);(.*?)^endmodule", text, re.M | re.S)
    assert module is not None
    named = {name.strip() for name in module[1].split(",")}
    assert named == {port["name"] for port in description["ports"]}
    for port in description["ports"]:
        found = re.search(
            rf"^  {port['direction']}put (?:\[(\d+):0\] )?{port['name']};", module[2], re.M
        )
        assert found is not None, port
        assert int(found[1] or 0) + 1 == port["bits"]
        fields = port.get("fields", {}).values()
        assert sum(field["bits"] for field in fields) in (0, port["bits"])
    for name in set(re.findall(r"^module (\w+)", text, re.M)):
        assert len(re.findall(rf"^module {name}\b", text, re.M)) == 1
    sizes: set[tuple[int, int]] = set()
    for parameters in re.findall(r"^ +hwflow_ram #\((.*?)\n +\) ", text, re.M | re.S):
        values = {
            name: int(value) for name, value in re.findall(r"\.(\w+)\(32'd(\d+)\)", parameters)
        }
        sizes.add((values["DEPTH"], values["WIDTH"]))
    for name in ("bit", "byte", "main", "side", "pool", "sums", "weight_ring", "constant_ring"):
        memory = description["memories"][name]
        assert (memory["words"], memory["bits"]) in sizes, name
    assert not re.search(r"\blatch\b|\$dlatch", text)


def test_unwritable_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(FlowError, match="cannot write"):
        verilog.write(CONFIG, file / "below")
