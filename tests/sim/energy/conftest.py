"""A recording made without the accelerator: PEs driven by steps of known rhythm."""

from __future__ import annotations

import numpy as np
import pytest

from hwflow.compiler.lower import lower
from hwflow.energy.characterisation import UnitName
from models.integer.random import random_network
from sim.energy.designs import answers, design
from sim.energy.traces import packed, to_bits
from sim.energy.units import Unit, units
from sim.recording import Layer, Recording
from tests.sim.configs import SMALL

CYCLES = 3000
LAYER = Layer(0, "third", 1500, 1800)


@pytest.fixture(scope="session")
def known() -> dict[UnitName, Unit]:
    return units(SMALL)


@pytest.fixture(scope="session")
def recording(known: dict[UnitName, Unit]) -> Recording:
    """PEs that work for 200 cycles and rest for 100; sums of 5 steps, some masked."""
    rng = np.random.default_rng(1)
    at = np.arange(CYCLES)
    step = at % 300 < 200
    last = step & (at % 5 == 4)

    def later(flags: np.ndarray) -> np.ndarray:
        return np.concatenate([[False], flags[:-1]])

    def bits(flags: np.ndarray) -> np.ndarray:
        return to_bits(flags.astype(np.int64), 1)

    instances: dict[str, np.ndarray] = {}
    for name, data in (("binary_pe", ("act", "opposed")), ("mac8_pe", ("operands", "weights"))):
        unit = design(known[name].make, name)
        ports = {
            "step": bits(step),
            "add": bits(step & (rng.random(CYCLES) < 0.8)),
            "step_next": bits(later(step)),
            "last_next": bits(later(last)),
        }
        for port in data:
            drawn = rng.integers(0, 2, (CYCLES, unit.ports[port]), np.uint8)
            ports[port] = drawn[np.maximum.accumulate(np.where(step, at, 0))]
        for path in known[name].instances:
            given = {**ports, **answers(unit, ports)}
            instances[path] = packed(path, unit.ports, given).words
    program = lower(random_network(1), SMALL)
    return Recording(program, instances, at.astype(np.uint32), (LAYER,))
