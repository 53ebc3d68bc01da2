"""`hwflow import-aqt`: a checkpoint of the reference implementation as one of this repository."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwflow.cli.output import Json, console, number, print_json, progress_console, table
from hwflow.errors import FlowError

if TYPE_CHECKING:
    from models.aqt.load import Imported


def import_aqt(
    path: Annotated[
        Path, typer.Argument(help="msgpack file or Orbax folder checkpoint_<step>, or its parent")
    ],
    out: Annotated[Path, typer.Option(help="folder of the checkpoint")],
    image_size: Annotated[
        int, typer.Option(min=1, help="height and width of the images, which no array tells")
    ] = 224,
    init_stride: Annotated[
        int | None,
        typer.Option(min=1, help="stride of the first convolution, if not its kernel's size"),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="of the network; default the folder's name")
    ] = None,
    json: Json = False,
) -> None:
    """Import a network trained with the reference implementation (google/aqt)."""
    from models.aqt.load import import_checkpoint
    from models.checkpoint import save_checkpoint

    if out.exists() and not out.is_dir():
        raise FlowError(f"{out} is a file; give a folder to write to")
    with progress_console().status(f"reading {path}"):
        found = import_checkpoint(
            path,
            name=name or out.resolve().name,
            image_size=(image_size, image_size),
            init_stride=init_stride,
        )
        save_checkpoint(out, found.config, found.variables)
    summary = describe(found, out)
    if json:
        print_json(summary)
        return
    report = table(f"{found.config.name} from {path}", ("", "value"))
    for key, value in summary.items():
        report.add_row(key, number(value) if type(value) is int else str(value))
    console().print(report)


def describe(found: Imported, folder: Path) -> dict[str, Any]:
    """What was imported, in numbers."""
    config = found.config
    return {
        "folder": str(folder),
        "network": config.name,
        "width": config.width,
        "blocks": [stage.blocks for stage in config.stages],
        "channels": [int(stage.base_width * config.width) for stage in config.stages],
        "classes": config.classes,
        "image": list(config.image_shape),
        "arrays": found.arrays,
        "arrays not read": found.unread,
    }
