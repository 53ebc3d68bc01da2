"""A simulated hwmon tree: INA226 with power, INA219 without, PMBus with several rails."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwflow.energy.measure.csv_log import Columns, read_csv
from hwflow.energy.measure.hwmon import channels, choose, record
from hwflow.errors import FlowError


def device(root: Path, number: int, name: str, files: dict[str, str]) -> Path:
    folder = root / f"hwmon{number}"
    folder.mkdir(parents=True)
    for file, text in (files | {"name": name}).items():
        (folder / file).write_text(text + "\n")
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    device(tmp_path, 0, "coretemp", {"temp1_input": "40000"})
    device(
        tmp_path,
        1,
        "ina226",
        {
            "power1_input": "1250000",
            "in1_input": "5000",
            "curr1_input": "250",
            "update_interval": "20",
        },
    )
    device(tmp_path, 2, "ina219", {"in0_input": "3", "in1_input": "1200", "curr1_input": "500"})
    device(
        tmp_path,
        10,
        "pmbus",
        {
            "power1_input": "9000000",
            "power1_label": "pin",
            "power2_input": "7000000",
            "power2_label": "pout1",
        },
    )
    return tmp_path


def test_every_rail_is_found(tree: Path) -> None:
    found = channels(tree)
    assert [(c.device, c.label) for c in found] == [
        ("ina226", "power1"),
        ("ina219", "curr1"),
        ("pmbus", "pin"),
        ("pmbus", "pout1"),
    ]
    assert [c.read() for c in found] == pytest.approx([1.25, 0.6, 9.0, 7.0])
    assert [c.interval for c in found] == pytest.approx([0.02, 0.01, 0.01, 0.01])


def test_rails_are_chosen(tree: Path) -> None:
    assert choose(tree, "ina226", None).read() == pytest.approx(1.25)
    assert choose(tree, "hwmon2", None).device == "ina219"
    assert choose(tree, "pmbus", "pout1").read() == pytest.approx(7.0)
    with pytest.raises(FlowError, match=r"2 rails of pmbus; give --channel.*hwmon10/pmbus:pin"):
        choose(tree, "pmbus", None)
    with pytest.raises(FlowError, match=r"no rail ina260; there are hwmon1/ina226:power1"):
        choose(tree, "ina260", None)
    with pytest.raises(FlowError, match="no such folder"):
        choose(tree / "none", "ina226", None)
    with pytest.raises(FlowError, match="there are none"):
        choose(tree / "hwmon0", "ina226", None)


def test_labels_decide_which_voltage_goes_with_a_current(tmp_path: Path) -> None:
    """PMBus without power files: in1 is the input's 12 V, curr1 the output's 2 A, which is at 1 V."""
    rails = {"in1_input": "12000", "in2_input": "1000", "curr1_input": "2000"}
    labels = {"in1_label": "vin", "in2_label": "vout1", "curr1_label": "iout1"}
    device(tmp_path, 0, "pmbus", rails | labels)
    (rail,) = channels(tmp_path)
    assert (rail.label, rail.read()) == ("iout1", pytest.approx(2.0))
    device(tmp_path, 1, "same", rails | {"in2_label": "VCC", "curr1_label": "VCC"})
    assert choose(tmp_path, "same", "VCC").read() == pytest.approx(2.0)
    device(tmp_path, 2, "ina3221", {"in1_input": "5000", "in1_label": "USB", "curr1_input": "100"})
    assert choose(tmp_path, "ina3221", "USB").read() == pytest.approx(0.5)


@pytest.mark.parametrize(
    "labels",
    [
        {"in1_label": "vin", "in2_label": "vout1", "curr1_label": "iout2"},
        {"in1_label": "vout1", "in2_label": "vout1", "curr1_label": "iout1"},
        {"curr1_label": "iout1"},
        {"in1_label": "vin"},
    ],
    ids=["other label", "twice", "current only", "voltage only"],
)
def test_a_current_without_its_voltage_is_no_rail(labels: dict[str, str], tmp_path: Path) -> None:
    rails = {"in1_input": "12000", "in2_input": "1000", "curr1_input": "2000"}
    device(tmp_path, 0, "pmbus", rails | labels)
    assert channels(tmp_path) == []
    with pytest.raises(FlowError, match=r"no voltage, or several.*hwmon0/pmbus:(iout|curr1)"):
        choose(tmp_path, "pmbus", None)


def test_sensors_that_fail(tree: Path) -> None:
    rail = choose(tree, "ina226", None)
    path = tree / "hwmon1" / "power1_input"
    path.write_text("N/A\n")
    with pytest.raises(FlowError, match="holds no number"):
        rail.read()
    path.unlink()
    with pytest.raises(FlowError, match="cannot be read"):
        rail.read()


def test_a_recording_is_a_log(tree: Path, tmp_path: Path) -> None:
    """A clock that stands still but for sleeping, and a machine that is late for half a second."""
    rail = choose(tree, "ina226", None)
    now = [1_700_000_000.0]
    told: list[int] = []

    def sleep(seconds: float) -> None:
        now[0] += seconds
        if len(told) == 30:
            now[0] += 0.5
        (tree / "hwmon1" / "power1_input").write_text(f"{1_000_000 + 1000 * len(told)}\n")

    text = record(
        rail,
        4.0,
        clock=lambda: now[0],
        sleep=sleep,
        progress=lambda done, total: told.append(done),
    )
    path = tmp_path / "log.csv"
    path.write_text(text)
    with pytest.raises(FlowError, match="samples are missing"):
        read_csv(path, Columns(), allow_missing=0.0, allow_negative_w=0.0)
    log, _ = read_csv(path, Columns(), allow_missing=0.2, allow_negative_w=0.0)
    assert log.began == pytest.approx(1_700_000_000, abs=1e-3)
    assert log.step == pytest.approx(0.02)
    assert log.missing == pytest.approx(25, abs=2)
    assert log.power[0] == pytest.approx(1.25)  # read before the first pause
    assert log.power[1:20] == pytest.approx([1 + k / 1000 for k in range(1, 20)])
