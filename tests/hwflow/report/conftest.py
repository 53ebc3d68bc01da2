"""A small build with every result, its document and its page."""

from __future__ import annotations

from typing import Any

import pytest

from hwflow.cli.reconcile import measured
from hwflow.compiler.lower import lower
from hwflow.compiler.program import Program
from hwflow.config import load_target
from hwflow.report.gather import Sources, gather
from hwflow.report.page import render
from hwflow.report.sections.order import sections
from models.config import PokeBNNConfig
from models.integer.random import random_network, small_config
from tests.hwflow.report import results


@pytest.fixture(scope="session")
def counted() -> PokeBNNConfig:
    return small_config()


@pytest.fixture(scope="session")
def program(counted: PokeBNNConfig) -> Program:
    return lower(random_network(3, counted), load_target("sim-small"))


@pytest.fixture(scope="session")
def document(
    program: Program, counted: PokeBNNConfig, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    folder = results.save_simulation(program, tmp_path_factory.mktemp("sim"))
    simulated = results.simulation(program) | {"summary": {"images": 4, "top1": 0.75}}
    sources = Sources(
        program=program,
        counted=counted,
        frames=measured(folder)[1],
        simulation=simulated,
        board=results.board(program),
        accuracy=results.accuracy(program),
        energy=results.energy(program, counted),
    )
    return gather(sources)


@pytest.fixture(scope="session")
def bare(program: Program) -> dict[str, Any]:
    """The document of a build alone."""
    return gather(Sources(program=program))


@pytest.fixture(scope="session")
def page(document: dict[str, Any]) -> str:
    """The page of the whole document."""
    made = render("A build", "all parts", sections(document), document)
    return made.decode()
