"""Kept expected values: read back equal, made again when anything about them changes or is damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hwflow.compiler.lower import lower
from hwflow.config import load_target
from models.integer.random import random_images, random_network
from sim import expected_store
from sim.expected import ExpectedImage, expected_images
from sim.expected_store import stored_expected
from sim.network import conv_instructions


def same(one: ExpectedImage, other: ExpectedImage) -> bool:
    """Whether every value of two images is equal."""
    if one.signature != other.signature or not np.array_equal(one.logits, other.logits):
        return False
    for a, b in zip(one.layers, other.layers, strict=True):
        if (a.number, a.name, a.signature, a.saturated) != (
            b.number,
            b.name,
            b.signature,
            b.saturated,
        ):
            return False
        for name in ("stored", "mean", "pool"):
            x, y = getattr(a, name), getattr(b, name)
            if (x is None) != (y is None) or (x is not None and not np.array_equal(x, y)):
                return False
        if list(a.scalars) != list(b.scalars):
            return False
        if not all(np.array_equal(a.scalars[kind], b.scalars[kind]) for kind in a.scalars):
            return False
    return True


def test_kept_values_are_reused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = random_network(5)
    convs = conv_instructions(lower(network, load_target("sim-small")))
    images = random_images(5, 3, network.image_shape)
    wanted = expected_images(network, convs, images)

    first, kept, seconds = stored_expected(network, convs, images[:2], tmp_path)
    assert kept == 0 and seconds > 0
    again, kept, then = stored_expected(network, convs, images, tmp_path)
    assert kept == 2 and then > seconds
    for one, other in zip(wanted, again, strict=True):
        assert same(one, other)
    assert same(first[0], wanted[0])

    files = sorted(tmp_path.iterdir())
    assert len(files) == 3
    whole = files[0].read_bytes()
    method = bytearray(whole)
    method[whole.rindex(b"PK\x01\x02") + 10] = 99  # a compression method that zipfile does not know
    for damaged in (whole[:-200], bytes(method)):
        files[0].write_bytes(damaged)
        repaired, kept, _ = stored_expected(network, convs, images, tmp_path)
        assert kept == 2
        assert all(same(one, other) for one, other in zip(wanted, repaired, strict=True))

    other = {layer: {**conv, "pool_en": 0} for layer, conv in convs.items()}
    changed, kept, _ = stored_expected(network, other, images[:1], tmp_path)
    assert kept == 0
    assert all(layer.pool is None for layer in changed[0].layers)
    assert stored_expected(random_network(6), convs, images[:1], tmp_path)[1] == 0

    with monkeypatch.context() as patch:
        patch.setattr(expected_store, "definition_digest", lambda: "of other code")
        assert stored_expected(network, convs, images[:1], tmp_path)[1] == 0

    def never(*_: object) -> None:
        raise AssertionError("evaluated although everything is kept")

    monkeypatch.setattr(expected_store, "expected_images", never)
    assert stored_expected(network, convs, images, tmp_path)[1] == 3
