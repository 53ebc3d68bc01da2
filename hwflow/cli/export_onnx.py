"""`hwflow export-onnx`: the integer network as an ONNX model, equal in every bit."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from hwflow.cli.network import Calibration, Checkpoint, SEBits, SEWeights, integer_network
from hwflow.cli.output import (
    Json,
    console,
    counted_progress,
    number,
    print_json,
    progress_console,
    table,
)
from hwflow.errors import FlowError
from hwflow.files import check_file, write_atomically
from hwflow.paths import BUILD, CALIBRATION, TRAINED

if TYPE_CHECKING:
    from hwflow.onnx.verify import ValueEquality
    from models.integer.params import IntegerNetwork

ONNX_SUFFIX = ".onnx"


def export_onnx(
    checkpoint: Checkpoint = TRAINED,
    out: Annotated[
        Path | None, typer.Option(help="file of the model; default build/NETWORK.onnx")
    ] = None,
    layers: Annotated[
        bool, typer.Option(help="every layer's stored values as outputs, not only the logits")
    ] = False,
    verify: Annotated[
        int,
        typer.Option(min=0, help="images to run in onnxruntime and compare, every stored value"),
    ] = 0,
    data: Annotated[
        Path | None,
        typer.Option(
            help="images of --verify: .npz file or folder (test split); default synthetic"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="of the synthetic images")] = 0,
    calibration: Calibration = CALIBRATION,
    se_bits: SEBits = 4,
    se_weights: SEWeights = 4,
    json: Json = False,
) -> None:
    """Write the integer network as an ONNX model of standard integer operators.

    With --verify, exit status 1 and no file when a value differs.
    """
    from hwflow.onnx import require

    require("onnx", *(["onnxruntime"] if verify else []))
    if out is not None:
        _check_out(out)
    if data is not None and not verify:
        raise FlowError("--data is read with --verify only; add --verify N")
    network = integer_network(checkpoint, calibration, se_bits, se_weights)
    path = out or BUILD / f"{network.name}{ONNX_SUFFIX}"
    images = _images(network, data, verify, seed)
    with progress_console().status(f"converting {network.name}"):
        from hwflow.onnx.network import build_model, serialise

        model = build_model(network, layers=layers)
        stored = serialise(model)
    rows = _verified(stored, network, images) if verify else None
    equal = rows is None or all(row.equal for row in rows)
    if equal:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, stored)
    summary: dict[str, Any] = {
        "file": str(path) if equal else None,
        "bytes": len(stored),
        "sha256": hashlib.sha256(stored).hexdigest(),
        "network": network.name,
        "network_sha256": network.content_hash(),
        "opset": model.opset_import[0].version,
        "ir_version": model.ir_version,
        "outputs": len(model.graph.output),
        "operators": dict(sorted(Counter(node.op_type for node in model.graph.node).items())),
    }
    if json:
        print_json({**summary, "verification": None if rows is None else _summary(rows, verify)})
    else:
        _print(summary, rows, verify)
    if not equal:
        raise typer.Exit(1)


def _check_out(out: Path) -> None:
    if out.suffix != ONNX_SUFFIX:
        raise FlowError(f"{out}: an ONNX model's file ends in {ONNX_SUFFIX}; rename it")
    check_file(out, makes_folder=True)


def _images(
    network: IntegerNetwork, data: Path | None, count: int, seed: int
) -> npt.NDArray[np.uint8]:
    from models.data import check_images, load_images
    from models.synthetic import photo_images

    if data is None:
        return photo_images(seed, count, network.image_shape)
    images = load_images(data, "test")
    check_images(images, network.image_shape, network.classes, network.name, data)
    if len(images) < count:
        raise FlowError(f"{data} holds {len(images)} images; give --verify at most that")
    return images.subset(count).images


def _verified(
    stored: bytes, network: IntegerNetwork, images: npt.NDArray[np.uint8]
) -> tuple[ValueEquality, ...]:
    with counted_progress(f"{len(images)} images in onnxruntime and numpy") as report:
        from hwflow.onnx.verify import verify

        return verify(stored, network, images, report)


def _summary(rows: tuple[ValueEquality, ...], images: int) -> dict[str, Any]:
    import onnxruntime

    return {
        "evidence": "integer",
        "runtime": f"onnxruntime {onnxruntime.__version__}",
        "images": images,
        "equal": all(row.equal for row in rows),
        "values": [row.to_dict() for row in rows],
    }


def _print(summary: dict[str, Any], rows: tuple[ValueEquality, ...] | None, images: int) -> None:
    screen = console()
    if rows is not None:
        found = _summary(rows, images)
        shown = table(
            f"{summary['network']} in {found['runtime']} against the integer network, "
            f"{images} images (evidence: integer)",
            ("value", "elements", "differ", ""),
        )
        for row in rows:
            verdict = "equal" if row.equal else "NOT EQUAL"
            shown.add_row(row.name, number(row.elements), number(row.differ), verdict)
        screen.print(shown)
        unequal = [row.name for row in rows if not row.equal]
        screen.print(f"NOT EQUAL from {unequal[0]} on" if unequal else "every value is equal")
    nodes = sum(summary["operators"].values())
    screen.print(
        f"{summary['file'] or 'nothing written'}: {number(summary['bytes'])} bytes, "
        f"{number(nodes)} nodes, opset {summary['opset']}, sha256 {summary['sha256']}"
    )
