"""The simulator runner: building, caching, running, and its errors."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from amaranth.back import verilog

from hwflow.errors import FlowError
from rtl_gen.logit_signature import LogitSignature
from sim import runner, simulators

HERE = Path(__file__).parent
COUNTER = (HERE / "counter.sv").read_text()


@pytest.fixture(autouse=True)
def benches_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))


def test_build_and_run(tmp_path: Path) -> None:
    model = runner.build("counter", {"counter.sv": COUNTER}, "counter", parameters={"STEP": 7})
    again = runner.build("counter", [HERE / "counter.sv"], "counter", parameters={"STEP": 7})
    assert again.path == model.path
    runner.run(model, "bench_counter", folder=tmp_path, environment={"EXPECTED_STEP": "7"}).check()
    wrong = runner.run(model, "bench_counter", folder=tmp_path, environment={"EXPECTED_STEP": "6"})
    assert not wrong.passed
    assert [case.name for case in wrong.cases if not case.passed] == ["counts"]
    with pytest.raises(AssertionError, match="counts"):
        wrong.check()


def test_other_options_give_another_model() -> None:
    first = runner.build("counter", {"counter.sv": COUNTER}, "counter", parameters={"STEP": 7})
    second = runner.build("counter", {"counter.sv": COUNTER}, "counter", parameters={"STEP": 8})
    assert first.path != second.path


def test_compile_error_is_one_line() -> None:
    with pytest.raises(FlowError, match=r"broken.*failed: .*broken\.sv") as caught:
        runner.build("broken", {"broken.sv": "module broken; assign x = ; endmodule"}, "broken")
    assert "\n" not in str(caught.value)


def test_missing_source() -> None:
    with pytest.raises(FlowError, match=r"no\.sv does not exist"):
        runner.build("counter", [Path("no.sv")], "counter")


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
def test_icarus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIM", "icarus")
    model = runner.build("counter", {"counter.sv": COUNTER}, "counter", parameters={"STEP": 3})
    result = runner.run(
        model,
        "bench_counter",
        folder=tmp_path,
        environment={"EXPECTED_STEP": "3"},
        testcase="counts",
    )
    result.check()


def test_unknown_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIM", "quicksim")
    with pytest.raises(FlowError, match="quicksim"):
        simulators.find_simulator()


def test_versions() -> None:
    assert simulators.parse_version("Verilator 5.006 2023-01-22 rev (Debian 5.006-3)") == (5, 6)
    assert simulators.parse_version("Verilator 5.036 2025-04-27 rev v5.036") == (5, 36)
    assert simulators.parse_version("Verilator rev vUNKNOWN-built20260516") is None


def test_hung_simulation_ends(tmp_path: Path) -> None:
    text = "module spin(input logic a); logic clk = 0; always #1 clk = ~clk; endmodule"
    model = runner.build("spin", {"spin.sv": text}, "spin")
    with pytest.raises(FlowError, match="did not end within"):
        runner.run(model, "bench_spin", folder=tmp_path, timeout=3)


def test_parities_of_masked_words(tmp_path: Path) -> None:
    """An optimisation of Verilator 5.48 that the runner turns off gets two bits of this CRC wrong."""
    text = verilog.convert(
        LogitSignature(), name="logit_signature", emit_src=False, strip_internal_attrs=True
    )
    model = runner.build("logit_signature", {"logit_signature.v": text}, "logit_signature")
    runner.run(model, "bench_logit_signature", folder=tmp_path).check()
