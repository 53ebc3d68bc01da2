"""The SDRAM controller with its timing-checked chip as simulation sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hwflow.config import AcceleratorConfig
from hwflow.sdram import INITIAL_REFRESHES, SECOND_PS, ULX3S, SdramChip, SdramTiming
from rtl_gen import instances
from rtl_gen.bindings.sdram import Sdram
from rtl_gen.boards.board import ULX3S_85F
from rtl_gen.boards.pll import Pll
from rtl_gen.boards.sdram_clock import SdramClock

FOLDER = Path(__file__).parent / "verilog"
CHIP = (FOLDER / "sdram_chip.sv", FOLDER / "sdram_board.sv")
MEMORY = (*CHIP, FOLDER / "sdram_memory.sv")

CHIP_TIMES = (
    "rc", "ras", "ras_max", "rcd", "rp", "rrd", "wr", "rfc", "mrd", "ck2", "ck3", "power_up",
)  # fmt: skip
"""Fields of SdramChip that the chip model checks; its parameters are the same in capitals."""


@dataclass(frozen=True, kw_only=True)
class SdramModel:
    """A controller made for `timing` between an accelerator of `config` and `chip` (default: the one it is made for).

    registers_in: those of the timing's `board_cycles` on the way back; the others are on the way out.
    """

    config: AcceleratorConfig
    timing: SdramTiming
    chip: SdramChip | None = None
    registers_in: int = 0

    @property
    def period_ps(self) -> int:
        """A clock cycle, rounded down: checks are never laxer."""
        return SECOND_PS // self.timing.clock_hz

    @property
    def ready(self) -> int:
        """Cycle after power-up by which the chip answers."""
        timing = self.timing
        return timing.power_up + (INITIAL_REFRESHES + 4) * (timing.rfc + timing.rp + timing.mrd)

    def sources(self) -> dict[str, str]:
        """File name -> Verilog text of the module `sdram_memory` and what it needs."""
        controller = instances.emit(Sdram(self.config, self.timing), "sdram")
        return {"sdram.sv": controller, **{path.name: path.read_text() for path in MEMORY}}

    def parameters(self) -> dict[str, int]:
        """Parameters of `sdram_memory`."""
        return {"BYTES": self.timing.memory_bytes, **self.board_parameters()}

    def board_parameters(self) -> dict[str, int]:
        """Parameters of `sdram_board`."""
        chip = self.chip or self.timing.chip
        return {
            "REGISTERS_IN": self.registers_in,
            "REGISTERS_OUT": self.timing.board_cycles - self.registers_in,
            "ROW_BITS": chip.row_bits,
            "COLUMN_BITS": chip.column_bits,
            "PERIOD": self.period_ps,
            "INTERVAL": int(chip.refresh_interval),
            **{name.upper(): getattr(chip, name) for name in CHIP_TIMES},
        }

    def connections(self) -> str:
        """The parameters as Verilog writes them at an instance."""
        return connections(self.parameters())


def board_model(config: AcceleratorConfig, clock_hz: int) -> SdramModel:
    """The ULX3S's SDRAM behind the registers that its pins have at that clock.

    Raises:
        FlowError: neither chip nor pins allow the clock.
    """
    pll = Pll.of(ULX3S_85F.oscillator_hz, clock_hz)
    phase = SdramClock.of(ULX3S, clock_hz, pll.output)
    timing = SdramTiming(
        clock_hz=clock_hz, memory_bytes=config.memory_bytes, board_cycles=phase.board_cycles
    )
    return SdramModel(config=config, timing=timing, registers_in=phase.edge)


def connections(parameters: Mapping[str, int]) -> str:
    """Parameters as Verilog writes them at an instance."""
    return ",".join(f".{name}({value})" for name, value in parameters.items())
