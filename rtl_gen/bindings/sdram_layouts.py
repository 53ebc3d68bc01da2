"""What the parts of the SDRAM controller hand to each other, and the chip's pins."""

from __future__ import annotations

from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hwflow.sdram import SdramTiming

BANK_BITS = 2


def burst_column_bits(timing: SdramTiming) -> int:
    """Bits of the number of a burst in its row."""
    return timing.chip.column_bits - (timing.burst.bit_length() - 1)


def access_layout(timing: SdramTiming) -> data.StructLayout:
    """One burst to read or write: burst `column` of a bank's row.

    `first`, `last`: it begins, ends a beat; `beyond`: its address is larger than the memory.
    """
    return data.StructLayout(
        {
            "column": burst_column_bits(timing),
            "bank": BANK_BITS,
            "row": timing.chip.row_bits,
            "beyond": 1,
            "write": 1,
            "first": 1,
            "last": 1,
        }
    )


ISSUED = data.StructLayout({"read": 1, "write": 1, "begin": 1, "beyond": 1, "last": 1})
"""In the cycle in which a READ or WRITE is chosen; the pins show it in the next. `begin`: a WRITE that begins a beat."""


class SdramPins(wiring.Signature):
    """A 16-bit SDR SDRAM's pins but for the clock, seen from the controller; all outputs are registers.

    `dq_o` is driven while `dq_oe`; `dq_i` is what the bus carries.
    """

    def __init__(self, timing: SdramTiming) -> None:
        super().__init__(
            {
                "cke": Out(1),
                "cs_n": Out(1),
                "ras_n": Out(1),
                "cas_n": Out(1),
                "we_n": Out(1),
                "ba": Out(BANK_BITS),
                "a": Out(timing.chip.row_bits),
                "dqm": Out(2),
                "dq_o": Out(16),
                "dq_oe": Out(1),
                "dq_i": In(16),
            }
        )
