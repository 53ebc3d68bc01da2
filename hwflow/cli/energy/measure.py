"""`hwflow energy measure`: what a board took, from a power log and the accelerator's own markers."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwflow.cli.output import (
    Json,
    console,
    counted_progress,
    number,
    print_json,
    progress_console,
    refuse_beside,
    table,
)
from hwflow.errors import FlowError

if TYPE_CHECKING:
    from hwflow.energy.measure.csv_log import Columns
    from hwflow.energy.measure.log import PowerLog
    from hwflow.energy.measurement import Estimate, Measurement, Meter

ROOT = Path("/sys/class/hwmon")


def measure(
    context: typer.Context,
    log: Annotated[Path | None, typer.Option(help="CSV log of a meter")] = None,
    hwmon: Annotated[
        str | None, typer.Option(help="record this hwmon device (ina226, hwmon3, ..) instead")
    ] = None,
    channel: Annotated[str | None, typer.Option(help="label of the device's rail")] = None,
    hwmon_root: Annotated[Path, typer.Option(help="the hwmon tree")] = ROOT,
    seconds: Annotated[float, typer.Option(min=0.1, help="how long to record")] = 60.0,
    interval: Annotated[
        float | None, typer.Option(min=1e-4, help="seconds between samples; else the device's")
    ] = None,
    save_log: Annotated[Path | None, typer.Option(help="keep the recording as CSV")] = None,
    markers: Annotated[
        list[Path] | None, typer.Option(help="markers of `hwflow run --repeat`; may be repeated")
    ] = None,
    unconfigured: Annotated[
        Path | None, typer.Option(help="CSV log of the FPGA before its bitstream is loaded")
    ] = None,
    gain_accuracy: Annotated[
        float | None,
        typer.Option(min=0, help="largest relative error of the meter's gain (shunt included)"),
    ] = None,
    offset_accuracy: Annotated[
        float | None, typer.Option(min=0, help="largest offset of the meter in watts")
    ] = None,
    clock_accuracy: Annotated[
        float, typer.Option(min=0, help="largest relative error of the clocks")
    ] = 1e-4,
    align: Annotated[
        str, typer.Option(help="clock: one clock for log and host; edges: steps of the power")
    ] = "clock",
    shift: Annotated[
        float | None, typer.Option(help="seconds from the host's clock to the log's, if known")
    ] = None,
    settle: Annotated[
        float | None, typer.Option(min=0, help="seconds left out after an edge; else two samples")
    ] = None,
    allow_missing: Annotated[
        float, typer.Option(min=0, max=0.9, help="largest share of missing samples")
    ] = 0.01,
    precision: Annotated[
        float | None, typer.Option(min=0, help="refuse a wider 95% interval, such as 0.05")
    ] = None,
    time_column: Annotated[str | None, typer.Option(help="NAME or NAME=UNIT")] = None,
    power_column: Annotated[str | None, typer.Option(help="NAME or NAME=UNIT")] = None,
    voltage_column: Annotated[str | None, typer.Option(help="NAME or NAME=UNIT")] = None,
    current_column: Annotated[str | None, typer.Option(help="NAME or NAME=UNIT")] = None,
    out: Annotated[Path | None, typer.Option(help="write the record for compare")] = None,
    json: Json = False,
) -> None:
    """Energy of a run on a board: unconfigured, waiting and running power, taken apart (docs/measuring.md).

    Without --markers a recording is only saved. Evidence: board.
    """
    from hwflow.energy.measure.csv_log import Columns
    from hwflow.files import check_file

    if (log is None) == (hwmon is None):
        raise FlowError("give either --log FILE or --hwmon DEVICE")
    for path in (out, save_log):
        if path is not None:
            check_file(path)
    if log is not None:
        refuse_beside(context, "log", ("channel", "hwmon_root", "seconds", "interval", "save_log"))
    columns = Columns(time_column, power_column, voltage_column, current_column)
    if hwmon is not None:
        if markers is None and save_log is None:
            raise FlowError("--hwmon without --markers only records; give --save-log FILE")
        if save_log is None:
            scratch = context.with_resource(TemporaryDirectory(prefix="hwflow-"))
            log = Path(scratch) / "log.csv"
        else:
            log = save_log
        _record(hwmon_root, hwmon, channel, seconds, interval, log)
        columns = Columns()
    assert log is not None
    if not markers:
        if hwmon is None:
            raise FlowError("--log needs --markers, the file that `hwflow run --repeat` writes")
        progress_console().print(f"recorded {save_log}")
        return
    if gain_accuracy is None or offset_accuracy is None:
        raise FlowError(
            "--gain-accuracy and --offset-accuracy are needed: take them from the meter's data sheet and the shunt's "
            "tolerance"
        )
    from hwflow.energy.measure.measure import Options
    from hwflow.energy.measurement import Meter

    with progress_console().status("analysing"):
        found = _analyse(
            log,
            columns,
            markers,
            unconfigured,
            Meter(
                source="csv" if hwmon is None else "hwmon",
                name=log.name if hwmon is None else hwmon,
                channel=channel or "",
                gain_limit=gain_accuracy,
                offset_limit_w=offset_accuracy,
                clock_limit=clock_accuracy,
            ),
            Options(align=align, shift_s=shift, settle_s=settle, precision=precision),
            allow_missing,
        )
    if out is not None:
        found.save(out)
    if json:
        from dataclasses import asdict

        print_json(asdict(found))
    else:
        _print(found)


def _record(
    root: Path,
    device: str,
    channel: str | None,
    seconds: float,
    interval: float | None,
    path: Path,
) -> None:
    """Records a rail into a file."""
    from hwflow.energy.measure.hwmon import choose, record
    from hwflow.files import write_atomically

    rail = choose(root, device, channel)
    with counted_progress(f"recording {rail.device} {rail.label}") as progress:
        text = record(rail, seconds, interval=interval, progress=progress)
    write_atomically(path, text.encode())


def _analyse(
    path: Path,
    columns: Columns,
    marker_files: list[Path],
    unconfigured: Path | None,
    meter: Meter,
    options: Any,
    allow_missing: float,
) -> Measurement:
    import dataclasses

    from hwflow.energy.measure.csv_log import read_csv
    from hwflow.energy.measure.markers import Markers, merge
    from hwflow.energy.measure.measure import measure as analyse

    def read(one: Path) -> tuple[PowerLog, str]:
        return read_csv(
            one, columns, allow_missing=allow_missing, allow_negative_w=meter.offset_limit_w
        )

    merged = merge([(str(each), Markers.load(each)) for each in marker_files])
    log, title = read(path)
    bare = None if unconfigured is None else read(unconfigured)[0]
    if not meter.channel:
        meter = dataclasses.replace(meter, channel=title)
    return analyse(log, merged, meter, options, bare)


def _print(found: Measurement) -> None:
    screen = console()
    phases = table(
        f"{found.network} on {found.target}: phases (evidence: board)",
        ("phase", "markers", "samples", "independent", "mean W", "std W", "min W", "max W"),
        left=2,
    )
    for phase in found.phases:
        phases.add_row(
            phase.kind,
            phase.name,
            number(phase.samples),
            number(phase.effective, 1),
            *(number(v, 6) for v in (phase.mean_w, phase.std_w, phase.min_w, phase.max_w)),
        )
    screen.print(phases)
    energies = table(
        "Energy of one run, or of one pass of a layer, in microjoules, 95% intervals",
        ("of", "runs", "cycles", "above waiting", "configured, waiting", "everything on the rail"),
    )
    for energy in found.energies:
        energies.add_row(
            energy.layer or energy.scope,
            number(energy.runs),
            number(energy.cycles, 1),
            *(_interval(each) for each in (energy.active, energy.configured, energy.total)),
        )
    screen.print(energies)
    for energy in found.energies:
        causes = ", ".join(f"{cause} {share:.0%}" for cause, share in energy.budget.items())
        screen.print(f"variance of {energy.layer or energy.scope}, above waiting: {causes}")
    aligned, drift = found.alignment, found.drift_w_per_s
    screen.print(
        f"{number(found.samples)} samples at {number(found.sample_rate_hz, 2)} a second, {found.missing} missing; "
        f"aligned by {aligned.method} to {1000 * aligned.standard_error_s:.3g} ms; drift {1e6 * drift.mean:.3g} uW/s; "
        f"clock {found.clock_hz / 1e6:g} MHz; {found.images} images"
    )


def _interval(found: Estimate | None) -> str:
    if found is None:
        return "not measured"
    half = (found.high - found.low) / 2
    return f"{1e6 * found.mean:,.4f} +- {1e6 * half:,.4f}"
