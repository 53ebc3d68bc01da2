"""Free room of the rings, at sizes that no simulation fills."""

from __future__ import annotations

import gc

import pytest

from hwflow.config import AcceleratorConfig
from rtl_gen.accelerator import Accelerator
from rtl_gen.constant_ring import ConstantRing
from rtl_gen.instances import emit
from rtl_gen.loader import Loader
from rtl_gen.mac_ring import MacRing
from rtl_gen.weight_ring import WeightRing
from tests.rtl_gen.control_bench import small_config


def widths(config: AcceleratorConfig) -> dict[str, tuple[int, int]]:
    """Bits of each ring's free room: at the loader, and at the ring."""
    loader = Loader(config)
    return {
        "macs": (len(loader.macs_free), len(MacRing(config).free)),
        "weights": (len(loader.weights_free), len(WeightRing(config).free)),
        "constants": (len(loader.constants_free), len(ConstantRing(config).free)),
    }


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
def test_free_room_is_never_cut() -> None:
    """The largest rings: free room has as many bits at the loader as where it comes from."""
    largest = small_config(
        rows=32,
        cols=64,
        popcount_width=128,
        mac_depth=8,
        memory_bytes=16,
        weight_words=65536,
        mac_words=65536,
        constant_words=65536,
    )
    found = widths(largest)
    gc.collect()  # the units go here, where their never being elaborated is no warning
    for name, (at_loader, at_ring) in found.items():
        assert at_loader == at_ring, name
    assert found["macs"][0] == (65536 * 32 * 64 * 8 // 16).bit_length()


def test_a_ring_of_fewer_beats_than_a_burst() -> None:
    config = small_config(
        rows=2,
        pixel_lanes=1,
        memory_bytes=16,
        mac_depth=2,
        long_words=4,
        store_words=64,
    )
    assert "module accelerator" in emit(Accelerator(config), "accelerator")
