"""The ECP5's PLL: which dividers make a clock."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from amaranth.hdl import Instance, Signal

from hwflow.errors import FlowError

DIVIDERS = range(1, 129)
VCO_HZ = (400_000_000, 800_000_000)
PHASE_DETECTOR_HZ = (3_125_000, 400_000_000)
"""Ranges of the oscillator and of the phase detector. Source: Lattice FPGA-DS-02012, sysCLOCK PLL timing."""


@dataclass(frozen=True, kw_only=True)
class Pll:
    """Dividers of an EHXPLLL with feedback from its first output: f = input / reference * feedback.

    Attributes:
        input_hz: of CLKI. reference, feedback, output: CLKI_DIV, CLKFB_DIV, CLKOP_DIV.
    """

    input_hz: int
    reference: int
    feedback: int
    output: int

    @property
    def hz(self) -> Fraction:
        """Frequency of the output."""
        return Fraction(self.input_hz * self.feedback, self.reference)

    @classmethod
    def of(cls, input_hz: int, hz: int) -> Pll:
        """Dividers that make exactly `hz`, with the fastest phase detector and then the fastest oscillator.

        Raises:
            FlowError: there are none; names the nearest frequency that can be made.
        """
        found: list[tuple[int, int, int]] = []
        nearest: Fraction | None = None
        low, high = PHASE_DETECTOR_HZ
        for reference in DIVIDERS:
            if not low * reference <= input_hz <= high * reference:
                continue
            for feedback in DIVIDERS:
                made = Fraction(input_hz * feedback, reference)
                outputs = [n for n in DIVIDERS if VCO_HZ[0] <= made * n <= VCO_HZ[1]]
                if not outputs:
                    continue
                if nearest is None or abs(made - hz) < abs(nearest - hz):
                    nearest = made
                if made == hz:
                    found.append((reference, feedback, outputs[-1]))
        if not found:
            text = f"{float(nearest) / 1e6:.4f} MHz" if nearest else "none"
            raise FlowError(
                f"the PLL makes no clock of {hz / 1e6:.6g} MHz from {input_hz / 1e6:g} MHz; nearest valid: {text}"
            )
        reference, feedback, output = found[0]
        return cls(input_hz=input_hz, reference=reference, feedback=feedback, output=output)

    def instance(
        self,
        *,
        source: Signal,
        clock: Signal,
        locked: Signal,
        later: tuple[Signal, int] | None = None,
    ) -> Instance:
        """The PLL: `source` in, `clock` and `locked` out; `later`: a second clock, and its delay in oscillator periods."""
        second: dict[str, object] = {}
        if later is not None:
            second = {
                "p_CLKOS_DIV": self.output,
                "p_CLKOS_CPHASE": self.output - 1 + later[1],
                "p_CLKOS_FPHASE": 0,
                "p_CLKOS_ENABLE": "ENABLED",
                "o_CLKOS": later[0],
            }
        return Instance(
            "EHXPLLL",
            a_FREQUENCY_PIN_CLKI=f"{self.input_hz / 1e6:g}",
            a_FREQUENCY_PIN_CLKOP=f"{float(self.hz) / 1e6:g}",
            p_CLKI_DIV=self.reference,
            p_CLKFB_DIV=self.feedback,
            p_CLKOP_DIV=self.output,
            p_CLKOP_CPHASE=self.output - 1,
            p_CLKOP_FPHASE=0,
            p_CLKOP_ENABLE="ENABLED",
            p_FEEDBK_PATH="CLKOP",
            i_CLKI=source,
            i_CLKFB=clock,
            i_RST=0,
            i_STDBY=0,
            i_PHASESEL0=0,
            i_PHASESEL1=0,
            i_PHASEDIR=0,
            i_PHASESTEP=0,
            i_PHASELOADREG=0,
            i_PLLWAKESYNC=0,
            i_ENCLKOP=0,
            o_CLKOP=clock,
            o_LOCK=locked,
            **second,
        )
