"""What `hwflow verilog --top axi` writes."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hwflow.compiler.manifest import config_hash
from rtl_gen import verilog as accelerator
from rtl_gen.axi import verilog
from sim.lint import lint
from tests.rtl_gen.control_bench import small_config

CONFIG = small_config(pixel_lanes=1, long_words=8, store_words=8)
CHANNELS = {
    "m_axi_": {
        "aw": "id addr len size burst lock cache prot qos",
        "w": "data strb last",
        "b": "id resp",
        "ar": "id addr len size burst lock cache prot qos",
        "r": "id data resp last",
    },
    "s_axi_": {
        "aw": "addr prot",
        "w": "data strb",
        "b": "resp",
        "ar": "addr prot",
        "r": "data resp",
    },
}
"""Port names by which vendors' tools find the interfaces."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("axi")
    verilog.write(CONFIG, made)
    return made


def test_files(folder: Path, tmp_path: Path) -> None:
    verilog.write(CONFIG, tmp_path)
    names = sorted(path.name for path in folder.iterdir())
    endings = ("core", "h", "json", "sv", "svd")
    assert names == [*(f"accelerator_axi.{end}" for end in endings), "registers.md"]
    for name in names:
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_ports(folder: Path) -> None:
    description = json.loads((folder / "accelerator_axi.json").read_text())
    expected = {"aclk", "aresetn", "irq"} | {
        f"{prefix}{channel}{name}"
        for prefix, channels in CHANNELS.items()
        for channel, names in channels.items()
        for name in (*names.split(), "valid", "ready")
    }
    bits = {port["name"]: port["bits"] for port in description["ports"]}
    assert set(bits) == expected
    assert bits["m_axi_wdata"] == bits["m_axi_rdata"] == 8 * bits["m_axi_wstrb"] == 64
    assert bits["m_axi_araddr"] == 64
    text = (folder / "accelerator_axi.sv").read_text()
    assert description["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    module = re.search(r"^module accelerator_axi\((.*?)\);(.*?)^endmodule", text, re.M | re.S)
    assert module is not None
    assert {name.strip() for name in module[1].split(",")} == expected
    outputs = {port["name"] for port in description["ports"] if port["direction"] == "out"}
    assert outputs == set(re.findall(r"^  output (?:\[\d+:0\] )?(\w+);", module[2], re.M))


def test_hashes(folder: Path) -> None:
    """The registers and the header hold the hashes of the target and of the accelerator that is written alone."""
    description = json.loads((folder / "accelerator_axi.json").read_text())
    alone = accelerator.generate(CONFIG).text
    digest = hashlib.sha256(alone.encode()).hexdigest()
    assert description["accelerator_sha256"] == digest
    assert description["target_sha256"] == config_hash(CONFIG)
    header = (folder / "accelerator_axi.h").read_text()
    text = (folder / "accelerator_axi.sv").read_text()
    for word in (digest[:8], config_hash(CONFIG)[-8:]):
        assert f"0x{word}u" in header
        assert f"32'h{word}" in text or f"32'd{int(word, 16)}" in text


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
def test_a_second_compiler_takes_it(folder: Path) -> None:
    command = ["iverilog", "-g2012", "-t", "null", "-s", verilog.TOP, "accelerator_axi.sv"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_lint(folder: Path) -> None:
    assert lint(folder / "accelerator_axi.sv", verilog.TOP) == []
