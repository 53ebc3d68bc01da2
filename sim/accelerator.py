"""The generated Verilog of an accelerator, kept in the cache of models."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import hwflow
import rtl_gen
from hwflow.config import AcceleratorConfig
from hwflow.files import write_atomically
from rtl_gen.verilog import TOP, generate
from sim import netlists, runner


def accelerator_sources(config: AcceleratorConfig) -> dict[str, str]:
    """The generated Verilog of `config` (file name -> text), kept beside the models: elaboration takes seconds.

    With NETLIST set it is the netlist that synthesis makes of it (sim/netlists.py).
    """
    digest = hashlib.sha256(json.dumps(config.to_dict(), sort_keys=True).encode())
    for package in (hwflow, rtl_gen):
        folder = Path(package.__path__[0])
        for path in sorted((*folder.glob("*.py"), *folder.glob("*.sv"))):
            digest.update(path.read_bytes())
    kept = runner.cache_folder() / f"accelerator-{config.name}-{digest.hexdigest()[:20]}.sv"
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(kept, generate(config).text.encode())
    return netlists.device_sources({"accelerator.sv": kept.read_text()}, TOP)
