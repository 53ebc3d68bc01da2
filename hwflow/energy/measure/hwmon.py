"""Power from Linux hwmon: INA219, INA226, INA260, PMBus rails and whatever else has a power or a voltage and a current.

Files and units: Documentation/hwmon/sysfs-interface of the kernel: `powerN_input` microwatts, `inN_input` millivolts,
`currN_input` milliamperes, `*_label` names, `update_interval` milliseconds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hwflow.errors import FlowError

ROOT = Path("/sys/class/hwmon")
NUMBERED = ("ina3221",)
"""Drivers that label voltages only, and give a rail's voltage and current one number (the kernel's ina3221.rst)."""
USUAL_INTERVAL = 0.01
"""Seconds between samples where the device names none."""


@dataclass(frozen=True)
class Channel:
    """A rail that can be read. power: file of microwatts, or None: voltage (mV) times current (mA)."""

    device: str
    folder: Path
    label: str
    power: Path | None
    voltage: Path | None
    current: Path | None
    interval: float

    def read(self) -> float:
        """Watts now.

        Raises:
            FlowError: the file cannot be read or holds no number.
        """
        if self.power is not None:
            return _number(self.power) * 1e-6
        assert self.voltage is not None
        assert self.current is not None
        return _number(self.voltage) * 1e-3 * (_number(self.current) * 1e-3)


def channels(root: Path = ROOT) -> list[Channel]:
    """Every rail of every device, in the order of their names.

    Raises:
        FlowError: no such folder.
    """
    if not root.is_dir():
        raise FlowError(f"{root}: no such folder; name the hwmon tree with --hwmon-root")
    found: list[Channel] = []
    for folder in sorted(root.iterdir(), key=lambda path: (len(path.name), path.name)):
        name = folder / "name"
        if not name.is_file():
            continue
        device = name.read_text().strip()
        update = folder / "update_interval"
        interval = _number(update) * 1e-3 if update.is_file() else 0.0
        interval = interval or USUAL_INTERVAL
        powers = sorted(folder.glob("power*_input"))
        for path in powers:
            label = _label(folder, path.name.removesuffix("_input"))
            found.append(Channel(device, folder, label, path, None, None, interval))
        if not powers:
            found += [
                Channel(device, folder, label, None, voltage, current, interval)
                for label, current, voltage in _pairs(device, folder)
                if voltage is not None
            ]
    return found


def _pairs(device: str, folder: Path) -> list[tuple[str, Path, Path | None]]:
    """Every current of a device without power files: its name, its file and the voltage that it goes with.

    Labels decide (`vout1` goes with `iout1`, `VCC` with `VCC`), as numbers of labelled files need not agree (PMBus: in2 is
    vout1, curr1 may be iout1). Where neither has a label, or the driver's documentation says so, numbers do: an INA219's
    or INA226's shunt is in0, its bus in1, which goes with curr1. None: several voltages or none fit.
    """
    found: list[tuple[str, Path, Path | None]] = []
    voltages = sorted(folder.glob("in*_input"))
    for current in sorted(folder.glob("curr*_input")):
        number = current.name.removeprefix("curr").removesuffix("_input")
        label, same = _label(folder, f"curr{number}"), folder / f"in{number}_input"
        if device in NUMBERED and same.is_file():
            fitting = [same]
            label = _label(folder, f"in{number}")
        elif _labelled(current):
            fitting = [
                path
                for path in voltages
                if _labelled(path) and _one_rail(_label(folder, _prefix(path)), label)
            ]
        else:
            fitting = [same] if same.is_file() and not _labelled(same) else []
        found.append((label, current, fitting[0] if len(fitting) == 1 else None))
    return found


def _unpaired(root: Path, device: str) -> str:
    """What to say of a device's currents that go with no voltage; "" where there is none."""
    names: list[str] = []
    for folder in sorted(root.iterdir()):
        name = folder / "name"
        driver = name.read_text().strip() if name.is_file() else ""
        if device not in (driver, folder.name) or not driver or any(folder.glob("power*_input")):
            continue
        names += [
            f"{folder.name}/{driver}:{label}"
            for label, _, voltage in _pairs(driver, folder)
            if voltage is None
        ]
    said = "; no voltage, or several, by the label (or, without labels, the number) of the current "
    return said + ", ".join(names) if names else ""


def choose(root: Path, device: str, channel: str | None) -> Channel:
    """The rail of a device (its name, or its folder's) and, where it has several, a label.

    Raises:
        FlowError: none or several fit; lists them.
    """
    all_rails = channels(root)
    shown = ", ".join(f"{c.folder.name}/{c.device}:{c.label}" for c in all_rails) or "none"
    fitting = [c for c in all_rails if device in (c.device, c.folder.name)]
    if channel is not None:
        fitting = [c for c in fitting if c.label == channel]
    if not fitting:
        wanted = device if channel is None else f"{device}:{channel}"
        raise FlowError(f"{root}: no rail {wanted}; there are {shown}{_unpaired(root, device)}")
    if len(fitting) > 1:
        raise FlowError(
            f"{root}: {len(fitting)} rails of {device}; give --channel, or the folder's name: {shown}"
        )
    return fitting[0]


def record(
    channel: Channel,
    seconds: float,
    *,
    interval: float | None = None,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> str:
    """Samples a rail for so long; returns a CSV log, times in seconds since 1970 as the host's markers have them.

    A sample's time is the middle of its reading. Moments at which the machine was late are missing from the log.

    Raises:
        FlowError: the rail cannot be read any more.
    """
    step = channel.interval if interval is None else interval
    lines = [f"# {channel.device} {channel.label}", "time [s],power [W]"]
    began = clock()
    total = max(1, round(seconds / step))
    number = 0
    while number < total:
        late = clock() - (began + number * step)
        if late > step / 2:
            number += math.ceil(late / step)
            continue
        if late < 0:
            sleep(-late)
        before = clock()
        watts = channel.read()
        lines.append(f"{(before + clock()) / 2:.6f},{watts:.9g}")
        number += 1
        progress(number, total)
    return "\n".join(lines) + "\n"


def _prefix(path: Path) -> str:
    return path.name.removesuffix("_input")


def _labelled(path: Path) -> bool:
    return (path.parent / f"{_prefix(path)}_label").is_file()


def _one_rail(voltage: str, current: str) -> bool:
    """Whether labels name one rail: alike, or but for the letter of the quantity, as `vout1` and `iout1`."""
    voltage, current = voltage.lower(), current.lower()
    return voltage == current or (
        (voltage[:1], current[:1]) == ("v", "i") and voltage[1:] == current[1:]
    )


def _label(folder: Path, prefix: str) -> str:
    path = folder / f"{prefix}_label"
    return path.read_text().strip() if path.is_file() else prefix


def _number(path: Path) -> float:
    try:
        return float(int(path.read_text()))
    except OSError as error:
        raise FlowError(
            f"{path}: cannot be read ({error.strerror}); check the sensor and your rights"
        ) from error
    except ValueError as error:
        raise FlowError(f"{path}: holds no number; check the sensor's driver") from error
