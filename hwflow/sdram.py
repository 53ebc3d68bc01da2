"""SDR SDRAM: what a chip asks for, in picoseconds, and what a controller at some clock makes of it, in cycles.

Shared by the controller (rtl_gen/bindings/sdram.py), the chip model of the simulation (sim/sdram.py) and the cycle
model's memory at SDRAM speed. Figures of chips are those of their data sheets' tables of AC parameters.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from fractions import Fraction

from hwflow.errors import FlowError

SECOND_PS = 10**12

WORD_BYTES = 2
"""Bytes of a word of the 16-bit data bus."""


@dataclass(frozen=True, kw_only=True)
class SdramChip:
    """A 16-bit SDR SDRAM. Times in picoseconds; minimal ones but for `ras_max`.

    rc, ras, ras_max, rcd, rp, rrd, wr, rfc, mrd: the data sheets' tRC, tRAS and so on, wr from the last data written
    to PRECHARGE; ck2, ck3: clock period at CAS latency 2 and 3; refresh: within which each of the 2**row_bits rows is
    refreshed; power_up: pause before the first command. At the pins, from its clock's rising edge: ac, longest until a
    word read is there (CAS latency 3); oh, how long the one before stays; setup, hold: of what the chip samples.
    """

    name: str
    row_bits: int = 13
    column_bits: int = 9
    rc: int
    ras: int
    ras_max: int = 100_000_000
    rcd: int
    rp: int
    rrd: int
    wr: int
    rfc: int
    mrd: int
    ck2: int
    ck3: int
    refresh: int = 64_000_000_000
    power_up: int = 200_000_000
    ac: int = 5_400
    oh: int = 2_500
    setup: int = 1_500
    hold: int = 1_000

    @property
    def bytes(self) -> int:
        """Capacity: four banks."""
        return 4 * WORD_BYTES << (self.row_bits + self.column_bits)

    @property
    def refresh_interval(self) -> Fraction:
        """Mean time between two refreshes, in picoseconds."""
        return Fraction(self.refresh, 1 << self.row_bits)


CHIPS: dict[str, SdramChip] = {
    chip.name: chip
    for chip in (
        SdramChip(
            name="IS42S16160G-7", rc=60_000, ras=37_000, rcd=15_000, rp=15_000, rrd=14_000, wr=14_000, rfc=60_000,
            mrd=14_000, ck2=10_000, ck3=7_000,
        ),
        SdramChip(
            name="MT48LC16M16A2-75", rc=66_000, ras=44_000, rcd=20_000, rp=20_000, rrd=15_000, wr=15_000, rfc=66_000,
            mrd=15_000, ck2=10_000, ck3=7_500,
        ),
        SdramChip(
            name="AS4C16M16SA-7", rc=63_000, ras=42_000, rcd=21_000, rp=21_000, rrd=14_000, wr=14_000, rfc=63_000,
            mrd=14_000, ck2=10_000, ck3=7_000,
        ),
    )
}  # fmt: skip
"""Chips found on ULX3S boards, in their slowest grade. AS4C32M16SB-7 has the times of AS4C16M16SA-7 and twice the
columns, of which the upper half stays unused."""


def slowest(name: str, *chips: SdramChip) -> SdramChip:
    """A chip that none of `chips` is slower than: what is made for it works with each of them."""
    highest = {
        field.name: max(getattr(chip, field.name) for chip in chips)
        for field in dataclasses.fields(SdramChip)
        if field.name not in ("name", "row_bits", "column_bits", "ras_max", "refresh", "oh")
    }
    lowest = {
        field: min(getattr(chip, field) for chip in chips)
        for field in ("row_bits", "column_bits", "ras_max", "refresh", "oh")
    }
    return SdramChip(name=name, **highest, **lowest)


ULX3S = slowest("ULX3S", *CHIPS.values())
"""Whatever the board carries."""

INITIAL_REFRESHES = 8
"""Refreshes before the mode is set; the data sheets ask for two or eight."""


@dataclass(frozen=True, kw_only=True)
class SdramTiming:
    """A controller's view of `chip`: every time in clock cycles.

    clock_hz: of controller and chip; memory_bytes: B, bytes of a beat; cas: CAS latency;
    board_cycles: registers between the controller's pins and the chip, those on the way there and those on the way
    back. Words of a beat lie in consecutive columns, then come banks, then rows: a stream opens the next row in
    another bank while the last words of the row before are on the bus.

    Raises:
        FlowError: a clock that the chip does not take, or a beat that is no whole burst.
    """

    chip: SdramChip = ULX3S
    clock_hz: int
    memory_bytes: int
    cas: int = 3
    board_cycles: int = 0

    def __post_init__(self) -> None:
        if self.cas not in (2, 3):
            raise FlowError(f"SDRAM CAS latency {self.cas} must be 2 or 3; nearest valid: 3")
        if self.memory_bytes not in (8, 16, 32, 64):
            raise FlowError(f"SDRAM beats of {self.memory_bytes} bytes must have 8, 16, 32 or 64")
        if not 0 <= self.board_cycles <= 8:
            nearest = min(max(self.board_cycles, 0), 8)
            raise FlowError(
                f"SDRAM board_cycles {self.board_cycles} must be 0..8; nearest valid: {nearest}"
            )
        period = self.chip.ck2 if self.cas == 2 else self.chip.ck3
        limit = SECOND_PS // period
        # Refreshing must leave time for work: a refresh and the rows it closes take less than half of the interval.
        least = 4_000_000
        if not least <= self.clock_hz <= limit:
            nearest = min(max(self.clock_hz, least), limit)
            raise FlowError(
                f"SDRAM clock {self.clock_hz} Hz must be {least}..{limit} with CAS latency {self.cas} "
                f"({self.chip.name}); nearest valid: {nearest}"
            )

    def cycles(self, picoseconds: int | Fraction) -> int:
        """Least whole cycles that last `picoseconds`."""
        product = Fraction(picoseconds) * self.clock_hz / SECOND_PS
        return -(-product.numerator // product.denominator)

    @property
    def rcd(self) -> int:
        """ACTIVATE to READ or WRITE."""
        return self.cycles(self.chip.rcd)

    @property
    def rp(self) -> int:
        """PRECHARGE to ACTIVATE or REFRESH."""
        return self.cycles(self.chip.rp)

    @property
    def ras(self) -> int:
        """ACTIVATE to PRECHARGE of a bank."""
        return self.cycles(self.chip.ras)

    @property
    def rc(self) -> int:
        """ACTIVATE to ACTIVATE of a bank."""
        return self.cycles(self.chip.rc)

    @property
    def rrd(self) -> int:
        """ACTIVATE to ACTIVATE of another bank."""
        return self.cycles(self.chip.rrd)

    @property
    def wr(self) -> int:
        """Last word written to PRECHARGE."""
        return self.cycles(self.chip.wr)

    @property
    def rfc(self) -> int:
        """REFRESH to ACTIVATE or REFRESH."""
        return self.cycles(self.chip.rfc)

    @property
    def mrd(self) -> int:
        """MODE REGISTER SET to any command: two cycles at least."""
        return max(2, self.cycles(self.chip.mrd))

    @property
    def power_up(self) -> int:
        """Pause before the first command."""
        return self.cycles(self.chip.power_up)

    @property
    def refresh_interval(self) -> int:
        """From one refresh falling due to the next: rounded down."""
        return int(self.chip.refresh_interval * self.clock_hz / SECOND_PS)

    @property
    def beat_words(self) -> int:
        """Words of a beat."""
        return self.memory_bytes // WORD_BYTES

    @property
    def burst(self) -> int:
        """Words of a READ or WRITE: the chips' burst length."""
        return min(self.beat_words, 8)

    @property
    def beat_bursts(self) -> int:
        """Bursts of a beat."""
        return self.beat_words // self.burst

    @property
    def mode(self) -> int:
        """The mode register: burst length, sequential, CAS latency, writes in bursts, too."""
        return self.cas << 4 | {4: 2, 8: 3}[self.burst]

    @property
    def read_precharge(self) -> int:
        """READ to PRECHARGE that cuts nothing off."""
        return self.burst

    @property
    def write_precharge(self) -> int:
        """WRITE to PRECHARGE."""
        return self.burst - 1 + self.wr

    @property
    def read_write(self) -> int:
        """READ to WRITE: the data, and one cycle in which nobody drives the bus."""
        return self.cas + self.burst + 1

    # How fast it is -------------------------------------------------------------------------------
    @property
    def capture_latency(self) -> int:
        """Choice of a READ to the register with its first word: pins, chip, the board's registers, input register."""
        return self.cas + 2 + self.board_cycles

    @property
    def open_latency(self) -> int:
        """Accepted request to its first beat, at an idle controller whose row is open.

        Request register, row test (2), queue of bursts (2), then the capture of all words and the beat's register.
        """
        return 5 + self.capture_latency + self.beat_words

    @property
    def closed_latency(self) -> int:
        """The same where the bank's row is closed, and all waits for it are over."""
        return self.open_latency + max(1, self.rcd - 2)

    @property
    def refresh_cost(self) -> int:
        """Cycles without data that a refresh costs a stream of reads: about.

        The last READ's burst, PRECHARGE, REFRESH, the next row's ACTIVATE and the steps from there to its READ.
        """
        return self.rp + self.rfc + self.closed_latency - self.open_latency + 4

    @property
    def stream_bandwidth(self) -> Fraction:
        """Beats a cycle of a long stream of consecutive reads: one word a cycle but for refreshes. An estimate."""
        busy = 1 - Fraction(self.refresh_cost, self.refresh_interval)
        return busy / self.beat_words
