"""What the units do in one cycle, for who watches the cycle model."""

from __future__ import annotations

from typing import NamedTuple


class Activity(NamedTuple):
    """One cycle of the accelerator.

    phase: the counter of isa.CYCLE_COUNTERS that the cycle belongs to, "" between layers; mac: the running CONV uses
    the MAC array; matvec: a step of a matrix-vector product was issued; lanes: a tile is in the vector lanes; scalar: the
    scalar engine has an instruction, which may wait; beat: the memory port moves one.
    """

    phase: str
    mac: bool
    matvec: bool
    lanes: bool
    scalar: bool
    beat: bool
