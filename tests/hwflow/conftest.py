"""Fixtures of the command line's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.integer.random import random_network


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File of a small random integer network."""
    path = tmp_path_factory.mktemp("network") / "small.network"
    random_network(5).save(path)
    return path
