"""`hwflow energy check`: whole layers at gate level against counters times a characterisation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwflow.cli.energy.recorded import (
    RECORDED,
    RECORDED_ON,
    Liberty,
    RecordedData,
    RecordedImages,
    RecordedNetwork,
    read_library,
    record_units,
)
from hwflow.cli.network import Calibration
from hwflow.cli.output import (
    Json,
    Target,
    console,
    counted_progress,
    number,
    print_json,
    table,
)
from hwflow.errors import FlowError, suggestion
from hwflow.paths import CALIBRATION, TEST_IMAGES

if TYPE_CHECKING:
    from sim.energy.whole_layer import LayerCheck


def check(
    liberty: Liberty,
    characterisation: Annotated[
        Path, typer.Option(help="file of `hwflow energy characterise` on the same target")
    ],
    unit: Annotated[
        str, typer.Option(help="binary_pe, or mac8_pe for the layers of PokeInit")
    ] = "binary_pe",
    layer: Annotated[list[str] | None, typer.Option(help="layers; default all")] = None,
    instances: Annotated[int, typer.Option(min=1, help="how many recorded instances")] = 1,
    image: Annotated[int, typer.Option(min=0, help="which recorded image")] = 1,
    checkpoint: RecordedNetwork = RECORDED,
    target: Target = RECORDED_ON,
    images: RecordedImages = 4,
    data: RecordedData = TEST_IMAGES,
    calibration: Calibration = CALIBRATION,
    json: Json = False,
) -> None:
    """Simulate whole layers of one element of an array at gate level and compare with the estimate.

    The estimate is the layer's counters times the characterised energies, as in `hwflow energy network`.
    """
    from hwflow.config import load_target
    from hwflow.energy.characterisation import load
    from sim import runner
    from sim.energy.units import units
    from sim.energy.whole_layer import check_layers

    config = load_target(target)
    every = units(config)
    chosen = next((each for name, each in every.items() if name == unit), None)
    if chosen is None:
        raise FlowError(
            f"--unit {unit}: no such unit{suggestion(unit, every)}; units are {', '.join(every)}"
        )
    known, library = load(characterisation), read_library(liberty)
    _, recorded = record_units(config, every.values(), checkpoint, calibration, data, images)
    with counted_progress("simulating at gate level") as told:
        found = check_layers(
            chosen, recorded, library, known, names=layer or (), instances=instances, image=image,
            keep=runner.cache_folder(), progress=lambda what, done, total: told(done, total),
        )  # fmt: skip
    if json:
        print_json([each.to_dict() for each in found])
    else:
        _print(found, known.library.name)


def _print(found: list[LayerCheck], library: str) -> None:
    shown = table(
        f"{found[0].unit}, {library}: pJ of whole layers of one element",
        ("instance", "layer", "cycles", "operations", "direct (gate-level)", "of it datapath", "estimated (estimate)",
         "of it datapath", "±95%", "estimated / direct - 1"),
        left=2,
    )  # fmt: skip
    for each in found:
        shown.add_row(
            each.instance, each.layer, number(each.cycles), number(each.operations),
            number(1e12 * each.direct.total, 1), number(1e12 * each.direct.datapath, 1),
            number(1e12 * each.predicted.total, 1), number(1e12 * each.predicted.datapath, 1),
            number(5e11 * (each.high - each.low), 1), f"{100 * each.difference:+.1f}%",
        )  # fmt: skip
    console().print(shown)
    direct = sum(each.direct.total for each in found)
    estimated = sum(each.predicted.total for each in found)
    console().print(
        f"{len(found)} layers: {1e9 * direct:.4g} nJ direct (gate-level), {1e9 * estimated:.4g} nJ estimated (estimate), "
        f"{100 * (estimated / direct - 1):+.1f}%; {sum(each.inside for each in found)} inside the estimate's interval"
    )
