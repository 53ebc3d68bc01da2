"""Boards: pins, clocks, size and timing reports, and the tools' errors."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwflow.config import load_target, target_names
from hwflow.errors import FlowError
from hwflow.sdram import CHIPS, ULX3S, SdramChip
from rtl_gen.boards import bitstream, place, report
from rtl_gen.boards.board import BOARDS, LFE5U_25F, LFE5U_85F, ULX3S_85F, Board, board
from rtl_gen.boards.pll import VCO_HZ, Pll
from rtl_gen.boards.sdram_clock import IoTiming, SdramClock
from rtl_gen.synthesis.resources import Resources


def test_constraints_name_every_pin() -> None:
    lines = ULX3S_85F.constraints().splitlines()
    assert 'FREQUENCY PORT "clk25" 25 MHZ;' in lines
    assert 'LOCATE COMP "clk25" SITE "G2";' in lines
    assert 'LOCATE COMP "uart_rx" SITE "M1";' in lines
    assert 'LOCATE COMP "uart_tx" SITE "L4";' in lines
    assert 'IOBUF PORT "led_0" IO_TYPE=LVCMOS33 DRIVE=4;' in lines
    for port in ULX3S_85F.pins:
        assert sum(f'LOCATE COMP "{port}"' in line for line in lines) == 1


@pytest.mark.parametrize("each", BOARDS.values(), ids=BOARDS)
def test_a_board_is_usable(each: Board) -> None:
    """Its target is there, the PLL makes its clock, the clock its baud rate, and every pin is named once."""
    assert load_target(each.target).name == each.target
    assert board(each.name) is each
    pll = Pll.of(each.oscillator_hz, each.clock_hz)
    assert pll.hz == each.clock_hz
    if each.sdram is not None:
        assert SdramClock.of(each.sdram, each.clock_hz, pll.output).margin_ps >= 0
    assert abs(each.clock_hz / each.divisor(each.clock_hz) / each.baud - 1) <= 0.02
    assert each.constraints().count(f'"clk25" {each.oscillator_hz / 1e6:g} MHZ') == 1
    for sdram, wanted in ((False, each.pins), (True, {**each.pins, **each.sdram_pins})):
        if sdram and each.sdram is None:
            continue
        lines = each.constraints(sdram=sdram).splitlines()
        ports = [line.split('"')[1] for line in lines if line.startswith("LOCATE")]
        sites = [line.split('"')[3] for line in lines if line.startswith("LOCATE")]
        assert {port.partition("[")[0] for port in ports} == set(wanted)
        assert len(set(ports)) == len(ports) == len(set(sites))


def test_a_board_whose_clock_misses_its_baud_rate() -> None:
    """2% is let pass, more is not."""
    fast = dataclasses.replace(ULX3S_85F, baud=4_000_000)
    assert fast.divisor(40_700_000) == 10
    with pytest.raises(FlowError, match="more than 2% from 4000000"):
        fast.divisor(40_900_000)


def test_constraints_name_every_pin_of_the_sdram() -> None:
    assert "sdram" not in ULX3S_85F.constraints()
    lines = ULX3S_85F.constraints(sdram=True).splitlines()
    assert 'LOCATE COMP "sdram_clk" SITE "F19";' in lines
    assert 'LOCATE COMP "sdram_dq[15]" SITE "J17";' in lines
    located = [
        line.split('"')[3] for line in lines if line.startswith("LOCATE") and "sdram" in line
    ]
    assert len(located) == len(set(located)) == 1 + 1 + 4 + 2 + 13 + 2 + 16


@given(st.integers(20, 110), st.sampled_from(list(CHIPS.values())))
def test_sdram_clock_keeps_every_condition(megahertz: int, chip: SdramChip) -> None:
    io, divider, period = IoTiming(), 8, 1e6 / megahertz
    try:
        clock = SdramClock.of(chip, megahertz * 1_000_000, divider, io)
    except FlowError:
        assert megahertz > 100, "slower clocks have a phase"
        return
    delay = clock.steps * period / divider
    spare = (
        delay - io.skew - chip.setup,
        period - delay - io.skew - chip.hold,
        clock.edge * period - (delay + io.out_most + chip.ac + io.in_most),
        delay + period + io.out_least + chip.oh + io.in_least - clock.edge * period,
    )
    assert min(spare) == pytest.approx(clock.margin_ps, abs=1)
    assert clock.margin_ps >= 0


def test_sdram_too_fast_for_its_pins() -> None:
    with pytest.raises(FlowError, match="no phase of the SDRAM's clock is safe at 160 MHz"):
        SdramClock.of(ULX3S, 160_000_000, 4)


def test_board_without_sdram() -> None:
    bare = dataclasses.replace(ULX3S_85F, name="bare", sdram=None)
    with pytest.raises(FlowError, match="bare has no SDRAM; use --memory block-ram"):
        bitstream.generate(bare, load_target("sim-small"), beats=None, clock_hz=50_000_000)


def test_unknown_board() -> None:
    with pytest.raises(FlowError, match="unknown board 'basys'; known: ulx3s-85f"):
        board("basys")


@pytest.mark.parametrize("mhz", [25, 40, 50, 62.5, 80, 100, 120])
def test_pll(mhz: float) -> None:
    pll = Pll.of(25_000_000, round(mhz * 1e6))
    assert pll.hz == round(mhz * 1e6)
    assert VCO_HZ[0] <= pll.hz * pll.output <= VCO_HZ[1]


def test_pll_names_the_nearest() -> None:
    with pytest.raises(FlowError, match=r"no clock of 80.1234 MHz.*nearest valid: 80.0000 MHz"):
        Pll.of(25_000_000, 80_123_400)


def test_baud_too_far_off() -> None:
    with pytest.raises(FlowError, match=r"divides to .* baud.*nearest valid clock: 4 MHz"):
        bitstream.generate(ULX3S_85F, load_target("ecp5-85f"), beats=512, clock_hz=3_100_000)


def test_too_large() -> None:
    needed = Resources(lut4=90000, ebr=210, mult=10)
    with pytest.raises(FlowError) as caught:
        bitstream.check_size(ULX3S_85F, needed)
    assert "90,000 LUT4 of 83,640 (6,360 too many: lower pixel_lanes" in str(caught.value)
    assert "210 EBR of 208 (2 too many: lower main_rows" in str(caught.value)
    assert not LFE5U_85F.excess(Resources(lut4=83640, mult=156))
    assert LFE5U_25F.excess(Resources(mult=29)) == {"MULT18X18D": (29, 28)}


@pytest.mark.parametrize("name", target_names())
def test_memories_that_can_never_fit(name: str) -> None:
    """Known from the target: nothing is synthesised. What was placed on the part is never refused."""
    config = load_target(name)
    if name in ("mid-4k", "zu7ev"):
        with pytest.raises(FlowError, match=r"at least [\d,]+ EBR of 208 .*lower main_rows"):
            bitstream.check_memories(ULX3S_85F, config, None)
    else:
        bitstream.check_memories(ULX3S_85F, config, 14_156)


def routed(mhz: float) -> dict[str, Any]:
    """As nextpnr writes it: two clocks, the slower one's path through two units."""
    step = {"delay": 1.0, "type": "logic"}
    cells = ["a.b.c.d.x", "a.b.c.d.e.y", "a.q.z"]
    path = [
        {**step, "type": kind, "from": {"cell": start}, "to": {"cell": end}}
        for kind, start, end in (
            ("clk-to-q", cells[0], cells[0]),
            ("routing", cells[0], cells[1]),
            ("logic", cells[1], cells[1]),
            ("routing", cells[1], cells[2]),
            ("setup", cells[2], cells[2]),
        )
    ]
    return {
        "fmax": {"core": {"achieved": mhz}, "io": {"achieved": mhz + 1}},
        "critical_paths": [
            {"from": "<async>", "to": "posedge core", "path": []},
            {"from": "posedge io", "to": "posedge io", "path": []},
            {"from": "posedge core", "to": "posedge core", "path": path},
        ],
    }


def test_critical_path_by_unit() -> None:
    units = {"a.b.c.d.e": 0, "a.b.c.d": 0, "a.q": 0}
    assert report.slowest_clock(routed(70.0)) == ("core", 70.0)
    path = report.critical_path(routed(70.0), units)
    assert [part["unit"] for part in path] == ["a.b.c.d", "a.q"]
    assert path[0]["logic_ns"] == 2.0 and path[0]["routing_ns"] == 1.0
    assert path[1]["logic_ns"] == 1.0 and path[1]["routing_ns"] == 1.0
    assert (path[0]["from"], path[1]["to"]) == ("a.b.c.d.x", "a.q.z")


def test_timing_missed() -> None:
    made = {
        "slack_ns": -1.786,
        "fmax_mhz": 70.0,
        "clock_hz": 80_000_000,
        "critical_path": [{"unit": "a"}, {"unit": "b"}],
    }
    with pytest.raises(FlowError, match=r"70.0 MHz of 80 MHz, slack -1.79 ns, on the path a -> b;"):
        bitstream.check_timing(made)
    bitstream.check_timing({**made, "slack_ns": 0.0})


def test_missing_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXTPNR_ECP5", "no-such-program")
    with pytest.raises(FlowError, match="NEXTPNR_ECP5=no-such-program is no program"):
        place.tool(place.NEXTPNR)


def test_tool_that_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "fake"
    fake.write_text("#!/bin/sh\necho 'ERROR: no such thing'\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("NEXTPNR_ECP5", str(fake))
    with pytest.raises(FlowError, match="nextpnr failed: no such thing; its log is"):
        place.place_and_route(b"{}", "", LFE5U_85F, tmp_path, clock_hz=1, seed=1)


def test_popcounts_of_many_binary_macs_are_made_of_luts() -> None:
    config = load_target("ecp5-4k")
    assert config.binary_macs == 4096 and config.for_routing
    text = bitstream.generate(ULX3S_85F, config, beats=None, clock_hz=40_000_000).text
    assert "CCU2C" not in text and "$countones(a ^ b)" in text


def test_top_level() -> None:
    config = dataclasses.replace(load_target("sim-small"), name="small")
    generated = bitstream.generate(ULX3S_85F, config, beats=1024, clock_hz=50_000_000)
    text = generated.text
    assert "EHXPLLL" in text and "CCU2C" in text and "$countones(a ^ b)" not in text
    header = text[text.index("module board(") :].split(";", 1)[0]
    for port in ULX3S_85F.pins:
        assert port in header
    assert "sdram" not in header and generated.sdram_clock is None


def test_top_level_with_sdram() -> None:
    config = dataclasses.replace(load_target("sim-small"), name="small")
    generated = bitstream.generate(ULX3S_85F, config, beats=None, clock_hz=50_000_000)
    text = generated.text
    header = text[text.index("module board(") :].split(";", 1)[0]
    for port in (*ULX3S_85F.pins, *ULX3S_85F.sdram_pins):
        assert port in header
    assert generated.sdram_clock is not None
    assert f".CLKOS_CPHASE(32'd{15 + generated.sdram_clock.steps})" in text
    assert text.count("OFS1P3BX") == 16 and text.count("IFS1P3DX") == 16
    assert generated.beats * config.memory_bytes == 32 << 20
