"""A small network's work, counted once."""

from __future__ import annotations

import pytest

from hwflow.ace import AceReport, count
from hwflow.compiler.lower import lower
from hwflow.compiler.program import Program
from hwflow.config import load_target
from hwflow.cycle_model.shares import frame_shares
from hwflow.energy.work import Work, work
from models.integer.random import random_network, small_config


@pytest.fixture(scope="session")
def report() -> AceReport:
    return count(small_config())


@pytest.fixture(scope="session")
def program() -> Program:
    return lower(random_network(3, small_config()), load_target("sim-small"))


@pytest.fixture(scope="session")
def counted(program: Program, report: AceReport) -> Work:
    return work(program, report, shares=frame_shares(program))
