"""The host link's parts in Amaranth's simulator (sim/benches/link.py)."""

from __future__ import annotations

import pytest

from rtl_gen.link.uart import check_divisor
from sim.benches import link
from tests.rtl_gen.control_bench import simulate_unit


@pytest.mark.parametrize("divisor", [8, 13, 26])
@pytest.mark.parametrize("error", [-0.02, 0.0, 0.02])
def test_uart_receiver(divisor: int, error: float) -> None:
    simulate_unit(link.uart_receiver(divisor, error))


@pytest.mark.parametrize("divisor", [4, 5, 8])
def test_uart_at_few_cycles_a_bit(divisor: int) -> None:
    simulate_unit(link.uart_receiver(divisor))
    simulate_unit(link.uart_transmitter(divisor))


def test_uart_needs_four_cycles_a_bit() -> None:
    with pytest.raises(ValueError, match="at least 4"):
        check_divisor(3)


@pytest.mark.parametrize("seed", range(6))
def test_frame_decoder(seed: int) -> None:
    simulate_unit(link.frame_decoder(seed))


@pytest.mark.parametrize("stall", [0.0, 0.3, 0.8])
def test_frame_encoder(stall: float) -> None:
    simulate_unit(link.frame_encoder(stall))


@pytest.mark.parametrize("keep", range(8))
def test_result_keeper(keep: int) -> None:
    simulate_unit(link.result_keeper(keep))


def test_result_keeper_overflows() -> None:
    simulate_unit(link.result_keeper(7, depth=32))
