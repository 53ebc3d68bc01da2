"""`hwflow explore`: a search over designs."""

from __future__ import annotations

import os
import time
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwflow.cli.network import INTEGER_SUFFIX, Calibration, integer_network
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
from hwflow.files import check_file, locked, write_atomically
from hwflow.paths import BUILD, CALIBRATION, MODELS, TEST_IMAGES

if TYPE_CHECKING:
    from hwflow.explore.evaluate import Result, Setup
    from hwflow.explore.space import Space
    from hwflow.explore.summary import Found
    from hwflow.explore.verify import Verified
    from hwflow.explore.workers import Run
    from models.integer.params import IntegerNetwork

LATENCY = 8
"""Cycles of block RAM as memory."""
SHOWN = 20
"""Designs of the front in the printed table."""


def explore(
    space: Annotated[
        str, typer.Option(help="name of a space of designs, or a .yaml file")
    ] = "ulx3s-85f",
    network: Annotated[
        Path, typer.Option(help="folder of a trained checkpoint, or an integer network's file")
    ] = MODELS / "trained" / "fmnist-tiny",
    calibration: Calibration = CALIBRATION,
    points: Annotated[int, typer.Option(min=1, help="designs to draw from the space")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="of the drawing; same seed, same bytes")] = 1,
    refine: Annotated[
        int,
        typer.Option(
            min=0,
            max=2,
            help="parameters changed at a time on the way from the best to the best around",
        ),
    ] = 2,
    energy: Annotated[
        Path | None,
        typer.Option(help="file of `hwflow energy characterise`; without it energy is left out"),
    ] = None,
    latency: Annotated[
        int | None,
        typer.Option(min=1, max=100_000, help="of block RAM as memory, cycles; default 8"),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=0, max=256, help="processes; 0: this one; default one a processor"),
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="address of a Dask scheduler, as tcp://host:8786")
    ] = None,
    verify: Annotated[
        int, typer.Option(min=0, help="best designs to hold against synthesis and RTL")
    ] = 0,
    board: Annotated[str, typer.Option(help="board that --verify synthesises for")] = "ulx3s-85f",
    out: Annotated[
        Path, typer.Option(help="folder of results; a search that was interrupted goes on there")
    ] = BUILD / "explore",
    json: Json = False,
) -> None:
    """Search a space of designs for those that nothing beats in speed, area, energy and accuracy (docs/explore.md).

    Resources and energies are estimates, cycles the cycle model's. Exit status 1 when a verified design differs.
    """
    from hwflow.explore.space import load_space

    chosen = load_space(space)
    if scheduler is not None and workers is not None:
        raise FlowError("--scheduler and --workers exclude each other; give one of them")
    _check_board(chosen, board, verify=bool(verify))
    for name in ("explore.json", "verified.json"):
        check_file(out / name, makes_folder=True)
    setup = _setup(chosen, network, calibration, energy, latency)
    with locked(out):
        found, rate = _search(
            chosen, setup, out, points=points, seed=seed, refine=refine, workers=workers, scheduler=scheduler,
        )  # fmt: skip
        values = found.to_dict()
        _write(found, values, out)
        checked = _verified(found, verify, network, calibration, board, out) if verify else []
    if json:
        print_json(values | {"verified": [each.to_dict() for each in checked]})
    else:
        _print(found, values, out, rate)
        _print_verified(checked)
    if not all(each.equal for each in checked):
        raise typer.Exit(1)


def _check_board(space: Space, board: str, *, verify: bool) -> None:
    """Raises FlowError for a board that is unknown, or, where designs are to be verified, cannot have them."""
    from rtl_gen.boards.board import board as named

    named(board)
    if not verify:
        return
    from hwflow.explore.verify import check

    check(board, space.part.name, space.memory)


def _setup(
    space: Space, network: Path, calibration: Path, energy: Path | None, latency: int | None
) -> Setup:
    from hwflow.explore.accuracy import measured
    from hwflow.explore.evaluate import Setup

    if latency is not None and space.memory == "sdram":
        raise FlowError(
            f"--latency: the memory of space {space.name} is SDRAM, whose latency follows from the clock; leave it out"
        )
    networks = _networks(space, network, calibration)
    integers = next(iter(networks.values()))
    ace = characterisation = memories = None
    if energy is not None:
        from hwflow.ace import count
        from hwflow.cli.reconcile import counted_network
        from hwflow.energy.characterisation import load
        from hwflow.energy.memory_constants import memory_constants, technology_of

        characterisation = load(energy)
        memories = memory_constants(technology_of(characterisation.library.name))
        with progress_console().status(f"tracing {integers.name}"):
            ace = count(counted_network(network, None, None, None))
    return Setup(
        networks=networks,
        part=space.part,
        block_ram=space.memory == "block-ram",
        latency=LATENCY if latency is None else latency,
        accuracy=measured(network),
        ace=ace,
        characterisation=characterisation,
        memories=memories,
    )


def _networks(space: Space, network: Path, calibration: Path) -> dict[int, IntegerNetwork]:
    """The network at every width of the space; an integer network has but its own."""
    from hwflow.numerics import RESIDUAL_BITS

    if network.suffix == INTEGER_SUFFIX:
        only = integer_network(network, calibration)
        return {only.residual_bits: only}
    widths = [int(bits) for bits in space.axes["residual_bits"] if bits in RESIDUAL_BITS]
    if not widths:
        raise FlowError(
            f"space {space.name}: axes.residual_bits has none of {RESIDUAL_BITS.start}..{RESIDUAL_BITS[-1]}"
        )
    return {bits: integer_network(network, calibration, residual_bits=bits) for bits in widths}


def _search(
    space: Space,
    setup: Setup,
    out: Path,
    *,
    points: int,
    seed: int,
    refine: int,
    workers: int | None,
    scheduler: str | None,
) -> tuple[Found, str]:
    """What was found, and a line on how fast."""
    from hwflow.config import load_target
    from hwflow.explore.evaluate import Evaluator, setup_hash
    from hwflow.explore.models_hash import models_hash
    from hwflow.explore.search import evaluate_all
    from hwflow.explore.search import refine as walk
    from hwflow.explore.space import CLOCK, valid
    from hwflow.explore.store import Store
    from hwflow.explore.summary import Found, least_top1

    models = models_hash()
    digest = setup_hash(setup, models)
    with progress_console().status("drawing points"):
        drawn = space.points(points, seed)
    start = list(drawn)
    if space.baseline is not None:
        like = space.nearest(load_target(space.baseline))
        start += [like] if valid(like) and like not in start else []
    with closing(Store(out)) as store:
        if store.damaged:
            progress_console().print(
                f"{number(store.damaged)} damaged lines in {out}: their points are evaluated again"
            )
        began, known = time.monotonic(), len(store)
        with _running(setup, digest, workers, scheduler) as run:
            with counted_progress(f"evaluating {space.name}") as told:
                results = evaluate_all(start, digest, store, run, told)
            if refine:
                with counted_progress("looking around the best") as told:
                    for least in sorted({0, space.least_binary_macs}):
                        results = walk(
                            space,
                            results,
                            lambda fresh: evaluate_all(fresh, digest, store, run, told),
                            changes=refine,
                            least_binary_macs=least,
                            least_top1=least_top1(space, setup),
                        )
        seconds = time.monotonic() - began
        rate = _rate(len(store) - known, seconds)
    baselines: list[Result] = []
    if space.baseline is not None:
        target, evaluator = load_target(space.baseline), Evaluator(setup)
        baselines = [
            {"point": {CLOCK: clock}} | evaluator.config(target, float(clock))
            for clock in space.axes[CLOCK]
        ]
    return (
        Found(
            space=space,
            setup=setup,
            seed=seed,
            drawn=len(drawn),
            results=results,
            baselines=baselines,
            models=models,
        ),
        rate,
    )


def _rate(fresh: int, seconds: float) -> str:
    if not fresh:
        return "every point was known"
    return f"{number(fresh)} points evaluated in {seconds:.1f} s, {fresh / seconds:.0f} a second"


def _running(
    setup: Setup, digest: str, workers: int | None, scheduler: str | None
) -> AbstractContextManager[Run]:
    from hwflow.explore.workers import here, local, remote

    if scheduler is not None:
        return remote(setup, digest, scheduler)
    count = os.cpu_count() or 1 if workers is None else workers
    return local(setup, digest, count) if count else here(setup, digest)


def _write(found: Found, values: dict[str, Any], out: Path) -> None:
    from hwflow.explore import summary
    from hwflow.explore.plot import plot
    from hwflow.report.charts import still

    write_atomically(out / "explore.json", summary.text(values).encode())
    write_atomically(out / "front.csv", summary.table(values["front"]).encode())
    chosen = [each for each in found.choices().values() if each is not None]
    drawn = plot(found, chosen, values["front"])
    write_atomically(out / "explore.vl.json", summary.text(drawn).encode())
    write_atomically(out / "explore.svg", still(drawn, "explore").encode())


def _verified(
    found: Found, count: int, network: Path, calibration: Path, board: str, out: Path
) -> list[Verified]:
    from hwflow.explore import summary
    from hwflow.explore.pareto import ranked
    from hwflow.explore.summary import least_top1
    from hwflow.explore.verify import verify
    from models.data import load_images

    image = load_images(TEST_IMAGES, "test").images[0]
    if image.shape != found.setup.network.image_shape:
        raise FlowError(
            f"--verify: the images of the repository are {image.shape}, {found.setup.network.name} takes "
            f"{found.setup.network.image_shape}; verify a design with `hwflow sim --target FILE --data FOLDER`"
        )
    designs = list(found.choices().values())
    designs += ranked(found.results, least_top1=least_top1(found.space, found.setup))
    best: list[Result] = []
    for each in designs:
        if each is not None and all(each["config"] != other["config"] for other in best):
            best.append(each)
    checked: list[Verified] = []
    for index, each in enumerate(best[:count], 1):
        with progress_console().status("") as status:
            checked.append(
                verify(
                    each,
                    found.setup.networks[each["config"]["residual_bits"]],
                    image,
                    board=board,
                    block_ram=found.setup.block_ram,
                    latency=found.setup.latency,
                    clock_mhz=float(each["point"]["clock_mhz"]),
                    told=lambda at, index=index: status.update(
                        f"verifying {index} of {count}: {at}"
                    ),
                )
            )
        document = {"verified": [one.to_dict() for one in checked]}
        write_atomically(out / "verified.json", summary.text(document).encode())
    return checked


def _print(found: Found, values: dict[str, Any], out: Path, rate: str) -> None:
    from hwflow.explore.reasons import rendered

    screen = console()
    columns = (
        "", "R", "C", "K", "stages", "G", "Km", "B", "rings", "binary MACs", "MHz", "cycles", "frames/s", "LUT4",
        "block RAM", "DSP", "µJ (ASIC)", "top-1", "extrapolated",
    )  # fmt: skip
    best = values["front"]
    shown = table(
        f"{values['network']} in space {values['space']}, memory {values['memory']} (cycles: "
        f"{values['evidence']['cycles']}; top-1: integer; the rest: estimates)",
        columns,
    )
    for each in found.baselines:
        shown.add_row(*_row(f"target {found.space.baseline}", each))
    for name, each in found.choices().items():
        shown.add_row(*_row(f"best, {name}", each) if each else (f"best, {name}", "none"))
    for each in best[:SHOWN]:
        shown.add_row(*_row("front", each))
    screen.print(shown)
    for each in found.baselines:
        if not each["feasible"]:
            why = "; ".join(map(rendered, each["reasons"]))
            screen.print(f"* target {found.space.baseline} is not feasible in this space: {why}")
            break
    kinds = ", ".join(f"{number(count)} {what}" for what, count in values["infeasible"].items())
    screen.print(
        f"{number(values['points'])} of {number(values['combinations'])} combinations, {number(values['feasible'])} "
        f"feasible (not: {kinds or 'none'}); {number(len(best))} on the front of {', '.join(values['objectives'])}"
    )
    screen.print(f"{rate}; results in {out}")


def _row(name: str, each: Result) -> list[str]:
    if not each["feasible"]:
        name += " *"
    if "cycles" not in each:
        return [name, "none"]
    config = each["config"]
    fields = (
        "rows", "cols", "popcount_width", "popcount_stages", "pixel_lanes", "mac_depth", "memory_bytes",
    )  # fmt: skip
    rings = "/".join(str(config[name]) for name in ("weight_words", "mac_words", "constant_words"))
    joules, top1 = each["energy"], each["top1"]
    return [
        name, *(str(config[field]) for field in fields), rings, number(each["binary_macs"]),
        f"{each['point']['clock_mhz']:g}", number(each["cycles"]),
        number(each["frames_per_second"]), number(each["lut4"]), number(each["block_rams"]),
        number(each["multipliers"]), "" if joules is None else f"{1e6 * joules:.4g}",
        "" if top1 is None else f"{100 * top1:.2f}%", " ".join(each["extrapolated"]),
    ]  # fmt: skip


def _print_verified(checked: list[Verified]) -> None:
    from hwflow.explore.verify import COMPARED

    if not checked:
        return
    shown = table(
        "predicted and measured (cycles: rtl-sim, the rest: synthesis)",
        ("design", *COMPARED, "RTL equal", "fits"),
    )
    for number_, each in enumerate(checked, 1):
        cells = (
            f"{number(each.predicted[name])} → {number(each.measured[name])} ({100 * each.error(name):+.1f}%)"
            for name in COMPARED
        )
        shown.add_row(
            str(number_), *cells, "yes" if each.equal else "NO", "yes" if each.fits else "no"
        )
    console().print(shown)
    for each in checked:
        for line in each.differences:
            console().print(line)
