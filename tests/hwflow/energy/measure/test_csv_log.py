"""CSV logs: columns and units as meters export them, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hwflow.energy.measure.csv_log import Columns, read_csv
from hwflow.energy.measure.log import PowerLog
from hwflow.errors import FlowError

COUNT = 60


def write(path: Path, header: str, rows: list[str], separator: str = ",") -> Path:
    path.write_text("# a comment\n" + header + "\n" + "\n".join(rows) + "\n", encoding="utf-8")
    assert separator in header
    return path


def lines(form: str, count: int = COUNT) -> list[str]:
    """form: of a row, with t (seconds) and w (watts)."""
    return [
        form.format(t=0.1 * k, ms=100 * k, w=1 + k / 100, mw=1000 + 10 * k) for k in range(count)
    ]


def read(path: Path, columns: Columns | None = None, missing: float = 0.0) -> tuple[PowerLog, str]:
    return read_csv(path, columns or Columns(), allow_missing=missing, allow_negative_w=0.001)


@pytest.mark.parametrize(
    ("header", "form", "columns"),
    [
        ("time [s],power [W]", "{t},{w}", None),
        ("time_ms,power_mW", "{ms},{mw}", None),
        ("Time (ms);Ch1;Power (mW)", "{ms};9;{mw}", None),
        ("time/s\tcurrent/mA\tvoltage/V", "{t}\t{mw}\t1.0", None),
        ("stamp,P1,P2", "{t},{mw},5", Columns(time="stamp=s", power="P1=mW")),
        ("time [s],Voltage [mV],Current [A]", "{t},1000,{w}", None),
        ("time [s],power [µW]", "{t},{mw}000", None),
    ],
)
def test_units_and_columns(tmp_path: Path, header: str, form: str, columns: Columns | None) -> None:
    path = tmp_path / "log.csv"
    path.write_text("\ufeff" + header + "\n\n" + "\n".join(lines(form)) + "\n", encoding="utf-8")
    log, title = read(path, columns)
    assert log.power == pytest.approx(1 + np.arange(COUNT) / 100)
    assert log.step == pytest.approx(0.1)
    assert log.missing == 0
    assert title


@pytest.mark.parametrize(
    ("header", "form", "columns", "said"),
    [
        ("time [s],watts", "{t},{w}", None, "no column of voltage named 'voltage'"),
        ("time [s],power", "{t},{w}", None, "column 'power' has no unit; expected W, mW, uW"),
        ("time [s],power [kW]", "{t},{w}", None, "has the unit 'kW'"),
        ("time [s],power [mA]", "{t},{w}", None, "has the unit 'mA', one of current"),
        ("time [s],power [mW]", "{t},{w}", Columns(power="power=W"), "the unit 'W'; drop one"),
        ("time [s],power [W]", "{t},{w}", Columns(power="P9=W"), "named 'P9'"),
        ("time [s],power [W],power [mW]", "{t},{w},{mw}", None, "2 columns are named 'power'"),
        ("time [s];power [W]", "{t};1,5", None, "line 3: '1,5' in column 'power [W]' is no number"),
        ("time [s],power [W]", "{t},-{w}", None, "line 3: power is -1 W, 60 samples are negative"),
        ("time [s],power [W]", "5,{w}", None, "line 4: time does not increase"),
        ("time [s],power [W]", ",{w}", None, "'' in column 'time [s]' is no number"),
        ("time [s],power [W]", "inf,{w}", None, "line 3: time is inf, expected a finite number"),
        ("time [s],power [W]", "nan,{w}", None, "line 3: time is nan, expected a finite number"),
        ("time [s],power [W]", "{t},inf", None, "line 3: power is inf, expected a finite number"),
        ("time [s],power [W]", "{t},-1e999", None, "line 3: power is -inf, expected a finite"),
        ("time [s],power [W]", "{t},1e30", None, "line 3: power is 1e+30, expected a finite"),
        ("time [s],voltage [V],current [A]", "{t},1e300,1e300", None, "line 3: power is inf"),
    ],
)
def test_wrong_logs_are_named(
    tmp_path: Path, header: str, form: str, columns: Columns | None, said: str
) -> None:
    path = write(tmp_path / "log.csv", header, lines(form), header[8])
    with pytest.raises(FlowError) as error:
        read(path, columns)
    assert said in str(error.value)
    assert str(path) in str(error.value)


def test_gaps_are_counted_and_refused(tmp_path: Path) -> None:
    rows = lines("{t},{w}")
    path = write(tmp_path / "log.csv", "time [s],power [W]", rows[:20] + rows[30:])
    with pytest.raises(FlowError, match=r"10 of 60 samples are missing; the longest gap of 1\.1 s"):
        read(path)
    log, _ = read(path, missing=0.2)
    assert (log.missing, len(log.time)) == (10, 50)
    assert log.index[20] == 30
    empty = rows.copy()
    empty[7] = "0.7,"
    path = write(tmp_path / "empty.csv", "time [s],power [W]", empty)
    with pytest.raises(FlowError, match="line 10 is the first without a value"):
        read(path)
    assert read(path, missing=0.02)[0].missing == 1


def test_a_step_of_one_and_a_half_is_no_gap(tmp_path: Path) -> None:
    """One rule for what is counted as missing and what is named as the gap."""
    times = [0.5 * k + (0.25 if k >= 30 else 0.0) for k in range(COUNT)]
    path = write(tmp_path / "log.csv", "time [s],power [W]", [f"{t},1" for t in times])
    assert read(path)[0].missing == 0
    times = [t + (0.25 + 2**-10 if t > 20 else 0.0) for t in times]
    path = write(tmp_path / "gap.csv", "time [s],power [W]", [f"{t},1" for t in times])
    with pytest.raises(FlowError, match=r"1 of 61 samples are missing; the longest gap of 0\.75"):
        read(path)


def test_files_that_are_no_logs(tmp_path: Path) -> None:
    short = write(tmp_path / "short.csv", "time [s],power [W]", lines("{t},{w}", 5))
    empty = tmp_path / "empty.csv"
    empty.write_text("# nothing\n")
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00\x01")
    for path, said in (
        (short, "5 samples are too few"),
        (empty, "empty"),
        (binary, "not UTF-8"),
        (tmp_path / "none.csv", "cannot be read"),
    ):
        with pytest.raises(FlowError, match=said):
            read(path)
