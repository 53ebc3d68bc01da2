"""`hwflow emulate`: a network's schedule in the emulator, held against the integer network."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwflow.cli.network import Calibration, SEBits, integer_network
from hwflow.cli.output import Json, Target, console, number, print_json, progress_console, table
from hwflow.paths import CALIBRATION, TRAINED

if TYPE_CHECKING:
    from hwflow.emulator.compare import LayerEquality

Network = Annotated[
    Path,
    typer.Option(
        "--network", "--checkpoint", help="integer network's file, or folder of a checkpoint"
    ),
]


def emulate(
    network: Network = TRAINED,
    target: Target = "sim-small",
    images: Annotated[int, typer.Option(min=1, help="synthetic images to run")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="of the images")] = 0,
    fit: Annotated[
        bool, typer.Option(help="share the target's memory out for the network where it is too big")
    ] = False,
    plain: Annotated[
        bool,
        typer.Option(help="integer network in numpy, not JAX: same functions, nothing to compile"),
    ] = False,
    calibration: Calibration = CALIBRATION,
    se_bits: SEBits = 4,
    json: Json = False,
) -> None:
    """Lower a network, verify and emulate its schedule, and compare every layer's values.

    The reference is the integer network on the same images. Exit status 1 when a value, signature
    or count of saturations differs.
    """
    from hwflow.config import load_target

    config = load_target(target)
    integer = integer_network(network, calibration, se_bits, residual_bits=config.residual_bits)
    seconds: dict[str, float] = {}
    with progress_console().status(f"lowering {integer.name} for {config.name}") as display:
        from hwflow.compiler.fit import fitted
        from hwflow.compiler.lower import lower
        from hwflow.emulator.compare import compare
        from hwflow.emulator.run import emulate_program
        from models.integer import layers
        from models.integer.network import map_images, trace
        from models.synthetic import photo_images

        chosen = photo_images(seed, images, integer.image_shape)
        began = time.monotonic()
        if fit:
            config = fitted(integer, config)
        program = lower(integer, config)
        seconds["lowering and verifying"] = time.monotonic() - began
        display.update("emulating the schedule")
        began = time.monotonic()
        emulation = emulate_program(program, chosen)
        seconds["emulator"] = time.monotonic() - began
        display.update(
            f"integer network in {'numpy' if plain else 'JAX, which compiles its layers'}"
        )
        began = time.monotonic()
        wanted = (
            layers.forward(integer, map_images(integer, chosen))
            if plain
            else trace(integer, chosen)
        )
        seconds["integer network"] = time.monotonic() - began
        names = {layer.number: layer.name for layer in program.manifest.layers}
        rows = compare(emulation, wanted, names)
    equal = all(row.equal for row in rows)
    if json:
        print_json(
            {
                "evidence": "emulator",
                "network": integer.name,
                "network_hash": program.manifest.network_hash,
                "target": config.name,
                "images": images,
                "reference": "numpy" if plain else "jax",
                "equal": equal,
                "seconds": {name: round(value, 3) for name, value in seconds.items()},
                "layers": [row.to_dict() for row in rows],
            }
        )
    else:
        _print(f"{integer.name} on {config.name}, {images} images", rows, seconds)
    if not equal:
        raise typer.Exit(1)


def _print(title: str, rows: tuple[LayerEquality, ...], seconds: dict[str, float]) -> None:
    shown = table(
        f"{title}: emulated schedule against the integer network",
        ("layer", "name", "stored values", "differ", "scalars", "differ", "records", "differ", ""),
        left=2,
    )
    for row in rows:
        counts = (
            row.stored, row.stored_differ, row.scalars, row.scalars_differ,
            row.records, row.records_differ,
        )  # fmt: skip
        verdict = "equal" if row.equal else "NOT EQUAL"
        shown.add_row(str(row.layer), row.name, *map(number, counts), verdict)
    screen = console()
    screen.print(shown)
    screen.print(", ".join(f"{name} {value:.1f} s" for name, value in seconds.items()))
    unequal = [row.name for row in rows if not row.equal]
    screen.print(f"NOT EQUAL: {', '.join(unequal)}" if unequal else "every layer is equal")
