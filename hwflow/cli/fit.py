"""`hwflow fit`: a target's memory shared out anew for one network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwflow.cli.output import Json, Target, console, number, print_json, progress_console, table
from hwflow.cli.plan import Network, Preset, network_geometry


def fit(
    out: Annotated[Path, typer.Option(help="YAML file to write")],
    preset: Preset = None,
    network: Network = None,
    target: Target = "zu7ev",
    json: Json = False,
) -> None:
    """Choose the rows of each memory for a network: same arrays and no more bytes on chip; what is left spills."""
    import yaml

    from hwflow.compiler.explain import explain
    from hwflow.compiler.fit import fit as share_out
    from hwflow.config import load_target
    from hwflow.files import check_file, write_atomically

    check_file(out)
    config = load_target(target)
    shapes = network_geometry(preset, network)
    with progress_console().status(f"fitting {config.name} to {shapes.name}"):
        chosen = share_out(shapes, config)
        found = explain(shapes, chosen)
    head = f"# {config.name} with its memory shared out for {shapes.name} (hwflow fit).\n"
    text = head + yaml.safe_dump(chosen.to_dict(), sort_keys=False)
    write_atomically(out, text.encode())
    before, after = config.to_dict(), chosen.to_dict()
    changed = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
    if json:
        print_json(
            {
                "file": str(out),
                "changed": {name: list(values) for name, values in changed.items()},
                "on_chip_bytes": chosen.on_chip_bytes,
                "moved_bytes": found.moved_bytes,
                "moved_cycles": found.moved_cycles,
                "added_cycles": found.added_cycles,
            }
        )
        return
    rows = table(f"{out}", ("field", config.name, chosen.name))
    for name, (old, new) in changed.items():
        if name != "name":
            rows.add_row(name, number(old), number(new))
    rows.add_row("on-chip bytes", number(config.on_chip_bytes), number(chosen.on_chip_bytes))
    console().print(rows)
    console().print(
        f"external memory moves {number(found.moved_bytes)} bytes a frame, {number(found.added_cycles)} cycles beyond slack"
    )
