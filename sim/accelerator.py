"""The generated Verilog of an accelerator, kept in the cache of models."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import hwflow
import rtl_gen
from hwflow.config import AcceleratorConfig
from hwflow.files import write_atomically
from rtl_gen.verilog import TOP, generate
from sim import netlists, runner


def accelerator_sources(config: AcceleratorConfig) -> dict[str, str]:
    """The generated Verilog of `config` (file name -> text)."""
    return kept_verilog(config, TOP, lambda: generate(config).text)


def kept_verilog(
    config: AcceleratorConfig, top: str, text: Callable[[], str], *folders: Path
) -> dict[str, str]:
    """The Verilog of a top of `config` (file name -> text), kept beside the models: elaboration takes seconds.

    folders: with sources of it, beside those of the accelerator. With NETLIST set the Verilog is the netlist that
    synthesis makes of the top (sim/netlists.py).
    """
    digest = hashlib.sha256(json.dumps(config.to_dict(), sort_keys=True).encode())
    for folder in (*(Path(package.__path__[0]) for package in (hwflow, rtl_gen)), *folders):
        for path in sorted((*folder.glob("*.py"), *folder.glob("*.sv"))):
            digest.update(path.read_bytes())
    kept = runner.cache_folder() / f"{top}-{config.name}-{digest.hexdigest()[:20]}.sv"
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(kept, text().encode())
    return netlists.device_sources({f"{top}.sv": kept.read_text()}, top)
