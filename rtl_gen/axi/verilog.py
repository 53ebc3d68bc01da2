"""The AXI top as Verilog, with what software and tools need to use it."""

from __future__ import annotations

from pathlib import Path

from hwflow.compiler.manifest import config_hash
from hwflow.config import AcceleratorConfig
from hwflow.register_files import c_header, core_file, markdown, svd
from rtl_gen.axi.top import AcceleratorAxi
from rtl_gen.instances import emit
from rtl_gen.verilog import GeneratedVerilog, describe, ports, write_files

TOP = "accelerator_axi"
"""Name of the top module, and of the files written."""


def generate(config: AcceleratorConfig) -> GeneratedVerilog:
    """The Verilog of `config`'s AXI top; the description adds the hashes that its registers hold."""
    top = AcceleratorAxi(config)
    text = emit(top, TOP)
    description = describe(config, TOP, text, list(ports(top)))
    description["target_sha256"] = config_hash(config)
    description["accelerator_sha256"] = top.build_hash
    return GeneratedVerilog(text, description)


def write(config: AcceleratorConfig, folder: Path) -> list[Path]:
    """Write Verilog, description, register map (Markdown, C header, SVD) and FuseSoC core file into `folder`.

    Raises:
        FlowError: the folder cannot be written.
    """
    generated = generate(config)
    hashes = {
        "TARGET_HASH": generated.description["target_sha256"],
        "BUILD_HASH": generated.description["accelerator_sha256"],
    }
    files = {
        f"{TOP}.sv": generated.text,
        f"{TOP}.json": generated.json(),
        f"{TOP}.h": c_header(config.name, hashes),
        f"{TOP}.svd": svd(),
        "registers.md": markdown(),
        f"{TOP}.core": core_file(TOP, config.name),
    }
    return write_files(files, folder)
