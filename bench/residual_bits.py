"""Top-1 of the trained networks against the width of their stored elements.

`python -m bench.residual_bits --data FOLDER` quantises each network at each width and evaluates the integer
network on the test images; models/trained/NETWORK/residual-bits.json keeps what it finds. Its SHA-256 names the
integer network, so whoever reads a row can tell whether quantising still gives the network that was measured.
"""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from hwflow.cli.main import run as run_command
from hwflow.cli.network import integer_network
from hwflow.cli.output import Json, console, counted_progress, number, print_json, table
from hwflow.errors import FlowError
from hwflow.files import write_atomically
from hwflow.numerics import RESIDUAL_BITS
from hwflow.paths import CALIBRATION, MODELS

if TYPE_CHECKING:
    from models.data import ImageSet

NETWORKS = ("fmnist-tiny", "fmnist-small")
RESULT = "residual-bits.json"
"""Name of the file in a trained network's folder."""
COMMAND = "python -m bench.residual_bits --data FOLDER"


def measure(network: str, images: ImageSet) -> dict[str, Any]:
    """Top-1 (0..1) on `images` of the float network and, at every width, of the integer one."""
    from models.checkpoint import load_checkpoint
    from models.integer.compare import float_logits
    from models.integer.network import logits

    folder = MODELS / "trained" / network
    with counted_progress(f"{network}: float") as report:
        config, variables = load_checkpoint(folder)
        wanted = float_logits(config, variables, images.images, report).argmax(axis=1)
    rows: list[dict[str, Any]] = []
    for bits in RESIDUAL_BITS:
        quantised = integer_network(folder, CALIBRATION, residual_bits=bits)
        with counted_progress(f"{network}: {bits} bits") as report:
            found = logits(quantised, images.images, progress=report).argmax(axis=1)
        rows.append(
            {
                "residual_bits": bits,
                "top1": float(np.mean(found == images.labels)),
                "agreement": float(np.mean(found == wanted)),
                "sha256": quantised.content_hash(),
            }
        )
    return {
        "network": network,
        "evidence": "integer",
        "command": COMMAND,
        "images": len(images),
        "float_top1": float(np.mean(wanted == images.labels)),
        "widths": rows,
    }


def main(
    data: Annotated[Path, typer.Option(help="folder with Fashion-MNIST's IDX files")],
    network: Annotated[
        list[str] | None, typer.Option(help="only this trained network; may be repeated")
    ] = None,
    json: Json = False,
) -> None:
    """Measure the networks at every width; write one file a network, in its own folder."""
    from models.data import load_images

    networks = network or NETWORKS
    for name in networks:
        if name not in NETWORKS:
            raise FlowError(f"--network {name}: unknown; known: {', '.join(NETWORKS)}")

    images = load_images(data, "test")
    results: list[dict[str, Any]] = []
    for name in networks:
        results.append(measure(name, images))
        text = json_format.dumps(results[-1], indent=1) + "\n"
        write_atomically(MODELS / "trained" / name / RESULT, text.encode())
    if json:
        print_json(results)
        return
    shown = table(
        f"top-1 in % on {len(images)} test images (evidence: integer)", ("bits", *networks), left=0
    )
    for at, bits in enumerate(RESIDUAL_BITS):
        tops = (number(100 * found["widths"][at]["top1"], 2) for found in results)
        shown.add_row(str(bits), *tops)
    console().print(shown)


if __name__ == "__main__":
    run_command(lambda: typer.run(main))
