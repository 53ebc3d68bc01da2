"""The real tools on a small design with a board's pins: its bytes, a part that is too small, a clock that is missed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from hwflow.errors import FlowError
from rtl_gen.boards import bitstream
from rtl_gen.boards.board import ULX3S_85F
from rtl_gen.boards.place import pack, place_and_route
from rtl_gen.synthesis.ecp5 import Synthesis, synthesise

TEXT = """
module sum(input clk, input [31:0] a, output reg [31:0] b);
  reg [31:0] kept;
  always @(posedge clk) begin
    kept <= a;
    b <= (kept ^ {kept[0], kept[31:1]}) + (kept + {kept[7:0], kept[31:8]});
  end
endmodule

module board(input clk25, input uart_rx, output uart_tx, output led_0, output led_1, output led_2, output led_3);
  reg [31:0] bits;
  wire [31:0] total;
  always @(posedge clk25) bits <= {bits[30:0], uart_rx ^ total[31]};
  sum adder(.clk(clk25), .a(bits), .b(total));
  assign uart_tx = total[0];
  assign {led_0, led_1, led_2, led_3} = total[31:28];
endmodule
"""
MEGAHERTZ = 600
"""More than any register of the part can do."""


@pytest.fixture(scope="module")
def netlist() -> Synthesis:
    return synthesise(TEXT, bitstream.TOP)


def routed(netlist: Synthesis, folder: Path, clock_hz: int) -> tuple[bytes, dict[str, Any]]:
    """The bitstream, and the report's part on timing."""
    folder.mkdir()
    placed = place_and_route(
        netlist.json, ULX3S_85F.constraints(), ULX3S_85F.part, folder, clock_hz=clock_hz, seed=1
    )
    timing = bitstream.timing(netlist, placed.report, clock_hz)
    return pack(placed.config, folder), {"clock_hz": clock_hz, **timing}


def test_a_part_that_is_too_small(netlist: Synthesis) -> None:
    part = dataclasses.replace(ULX3S_85F.part, lut4=20, ff=20)
    board = dataclasses.replace(ULX3S_85F, part=part)
    bitstream.check_size(ULX3S_85F, netlist.resources)
    with pytest.raises(FlowError, match=r"LUT4 of 20 \(\d+ too many: lower .*FF of 20 \(\d+ too"):
        bitstream.check_size(board, netlist.resources)


@pytest.mark.slow
def test_a_clock_that_is_met_and_one_that_is_not(netlist: Synthesis, tmp_path: Path) -> None:
    once, met = routed(netlist, tmp_path / "met", 25_000_000)
    again, _ = routed(netlist, tmp_path / "again", 25_000_000)
    assert once == again, "the same seed gave other bytes"
    bitstream.check_timing(met)
    _, missed = routed(netlist, tmp_path / "missed", MEGAHERTZ * 1_000_000)
    assert missed["slack_ns"] < 0
    with pytest.raises(FlowError) as caught:
        bitstream.check_timing(missed)
    message = str(caught.value)
    assert f"MHz of {MEGAHERTZ} MHz, slack -" in message
    assert "adder" in message, "the slowest path is the adder's"
    assert "lower --clock-mhz" in message
