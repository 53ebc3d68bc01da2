"""The phase of an SDRAM's clock: when chip and FPGA both find what the other drives."""

from __future__ import annotations

from dataclasses import dataclass

from hwflow.errors import FlowError
from hwflow.sdram import SECOND_PS, SdramChip

LATEST = 4
"""Clock edges after which a word would be looked for at most."""


@dataclass(frozen=True, kw_only=True)
class IoTiming:
    """The FPGA's pins with a register in each, and the board's traces, in picoseconds.

    These are assumptions, wide enough for an ECP5 of speed grade 6 with fast LVCMOS33 outputs and traces of some
    centimetres: the tools have no timing of pins, and no board was measured.

    Attributes:
        out_least, out_most: clock edge to pin. skew: between two output pins, the clock's among them.
        in_least, in_most: pin to where the input register samples, its hold and its setup time included.
    """

    out_least: int = 1_500
    out_most: int = 4_500
    skew: int = 1_000
    in_least: int = 0
    in_most: int = 1_500


ECP5_IO = IoTiming()


@dataclass(frozen=True, kw_only=True)
class SdramClock:
    """When the chip's clock rises.

    Attributes:
        steps: delay against the design's clock, in steps of the PLL's oscillator.
        step_ps: one of them, rounded.
        edge: the design's clock edge, counted from the one that the chip's clock is delayed from, that samples the
            word which the chip drives: 1 is the next.
        margin_ps: what every condition has to spare, at least.
    """

    steps: int
    step_ps: int
    edge: int
    margin_ps: int

    @property
    def board_cycles(self) -> int:
        """`SdramTiming.board_cycles`: an output register, an input register, and edges that are waited for."""
        return 1 + self.edge

    @classmethod
    def of(cls, chip: SdramChip, hz: int, divider: int, io: IoTiming = ECP5_IO) -> SdramClock:
        """The phase of most margin, for the fewest edges.

        Conditions, for a chip's clock that is d later than the design's, both of period T: the chip's setup,
        d - skew >= setup; its hold, T - d - skew >= hold; the word is there in time, d + out_most + ac + in_most <=
        edge * T; and the one after it does not come too early, d + T + out_least + oh + in_least >= edge * T.

        Args:
            chip: the SDRAM.
            hz: of both clocks.
            divider: oscillator periods in a clock period.
            io: the FPGA's pins.

        Raises:
            FlowError: no phase keeps all of them.
        """
        period = SECOND_PS / hz
        for edge in range(1, LATEST + 1):
            low = max(
                chip.setup + io.skew, (edge - 1) * period - io.out_least - chip.oh - io.in_least
            )
            high = min(
                period - chip.hold - io.skew, edge * period - io.out_most - chip.ac - io.in_most
            )
            steps = round((low + high) / 2 * divider / period)
            at = steps * period / divider
            margin = min(at - low, high - at)
            if margin >= 0:
                return cls(
                    steps=steps, step_ps=round(period / divider), edge=edge, margin_ps=int(margin)
                )
        raise FlowError(
            f"no phase of the SDRAM's clock is safe at {hz / 1e6:g} MHz ({chip.name}); lower --clock-mhz"
        )
