"""The SDRAM's commands: rows opened ahead of the bursts that need them, bursts one after the other, refresh, start-up."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.enum import Enum
from amaranth.lib.wiring import In, Out

from hwflow.sdram import INITIAL_REFRESHES, SdramTiming
from rtl_gen.bindings.sdram_layouts import (
    BANK_BITS,
    ISSUED,
    access_layout,
    burst_column_bits,
)
from rtl_gen.registered_fifo import BufferedRegisteredFIFO

BANKS = 1 << BANK_BITS
ALL_BANKS = 1 << 10
"""A10 with PRECHARGE."""

BURSTS_AHEAD = 4
"""Bursts that wait for their turn on the bus, their rows open: the time in which rows of others are opened."""

REFRESHES_OWED = 8
"""More are not counted: the chip's data are lost then."""


class Command(Enum, shape=3):
    """RAS, CAS, WE, each active low; bit 2 is RAS."""

    MODE = 0b000
    REFRESH = 0b001
    PRECHARGE = 0b010
    ACTIVATE = 0b011
    WRITE = 0b100
    READ = 0b101
    NOP = 0b111


class Countdown:
    """Cycles until something is allowed: `after(n)` in cycle t makes it `over` from cycle t + n on.

    Never shortens a wait that is under way. `over` is a register: every command waits for some of them.
    """

    def __init__(self, m: Module, most: int, name: str) -> None:
        self._m = m
        self._left = Signal(range(max(2, most)), name=name)
        self.over = Signal(init=1, name=f"{name}_over")
        m.d.sync += self.over.eq(self._left <= 1)
        with m.If(~self.over):
            m.d.sync += self._left.eq(self._left - 1)

    def after(self, cycles: int) -> None:
        """To be called within an If of the module."""
        with self._m.If(self._left < cycles):
            self._m.d.sync += self._left.eq(cycles - 1)
        if cycles > 1:
            self._m.d.sync += self.over.eq(0)


class SdramCommands(wiring.Component):
    """From bursts, in order, to commands.

    Bursts pass two places. At the first the row is opened, which takes PRECHARGE and ACTIVATE in cycles in which the
    second issues nothing; a row is closed only when no burst that waits needs it. At the second READ or WRITE are
    issued as soon as data bus and bank allow. A refresh that is due lets no further burst enter, waits until those
    inside are issued and closes all banks. A reset forgets what is inside, but neither the memory's contents nor that
    the chip has had its pause after power-up.

    Members: `access` In stream; `issued` Out (sdram_layouts.ISSUED); `command` Out {command, bank, address}, a register;
    `started` Out: the chip has its mode.
    """

    def __init__(self, timing: SdramTiming) -> None:
        self._timing = timing
        command = data.StructLayout(
            {"command": Command, "bank": BANK_BITS, "address": timing.chip.row_bits}
        )
        super().__init__(
            {
                "access": In(stream.Signature(access_layout(timing))),
                "issued": Out(ISSUED),
                "command": Out(command, init={"command": Command.NOP}),
                "started": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The circuit."""
        m = Module()
        timing = self._timing
        m.submodules.bursts = bursts = BufferedRegisteredFIFO(
            width=access_layout(timing).size + 1, depth=BURSTS_AHEAD
        )
        self._elaborate_refresh(m)

        # Waits.
        longest_activate = max(timing.rc, timing.rp, timing.rfc, timing.mrd)
        longest_close = max(timing.ras, timing.write_precharge, timing.read_precharge)
        columns = [Countdown(m, timing.rcd, f"column_{bank}") for bank in range(BANKS)]
        closes = [Countdown(m, longest_close, f"close_{bank}") for bank in range(BANKS)]
        activates = [Countdown(m, longest_activate, f"activate_{bank}") for bank in range(BANKS)]
        another = Countdown(m, timing.rrd, "another_bank")
        bus = Countdown(m, timing.burst, "bus")
        turn = Countdown(m, timing.read_write, "turn")
        waiting = [Signal(range(BURSTS_AHEAD + 1), name=f"waiting_{n}") for n in range(BANKS)]
        pushed = Signal(BANKS)
        popped = Signal(BANKS)
        for bank in range(BANKS):
            with m.If(pushed[bank] & ~popped[bank]):
                m.d.sync += waiting[bank].eq(waiting[bank] + 1)
            with m.Elif(popped[bank] & ~pushed[bank]):
                m.d.sync += waiting[bank].eq(waiting[bank] - 1)

        # The second place.
        head, head_begins = Signal(access_layout(timing)), Signal()
        issue = Signal()
        m.d.comb += [
            Cat(head, head_begins).eq(bursts.r_data),
            issue.eq(
                bursts.r_rdy
                & bus.over
                & Cat(column.over for column in columns).bit_select(head.bank, 1)
                & (~head.write | turn.over)
            ),
            bursts.r_en.eq(issue),
            self.issued.read.eq(issue & ~head.write),
            self.issued.write.eq(issue & head.write),
            self.issued.beyond.eq(head.beyond),
            self.issued.begin.eq(issue & head_begins),
            self.issued.last.eq(head.last),
        ]
        with m.If(issue):
            bus.after(timing.burst)
            with m.If(~head.write):
                turn.after(timing.read_write)
            for bank in range(BANKS):
                with m.If(head.bank == bank):
                    m.d.comb += popped[bank].eq(1)
                    with m.If(head.write):
                        closes[bank].after(timing.write_precharge)
                    with m.Else():
                        closes[bank].after(timing.read_precharge)

        # The first place.
        current = Signal(access_layout(timing))
        rows = [Signal(timing.chip.row_bits, name=f"row_{bank}") for bank in range(BANKS)]
        opened = Signal(BANKS)
        hit, is_open = Signal(), Signal()
        closable = Cat(
            close.over & (count == 0) for close, count in zip(closes, waiting, strict=True)
        )
        activatable = Cat(activate.over for activate in activates)
        may_shut, may_open = Signal(), Signal()
        m.d.comb += [
            may_shut.eq(closable.bit_select(current.bank, 1)),
            may_open.eq(activatable.bit_select(current.bank, 1) & another.over),
        ]
        refreshes = Signal(range(INITIAL_REFRESHES + 1), init=INITIAL_REFRESHES)
        power_up = Signal(range(timing.power_up + 1), init=timing.power_up)
        # After a reset that is no power-up rows may be open and time runs on for the chip: no pause, but for what waits.
        running = Signal(reset_less=True)
        settled = timing.power_up - max(longest_activate, longest_close) - timing.burst
        # Whether a burst may enter is known a cycle ahead, but for the queue's room: the memory's `ready` goes through the
        # accelerator and back. In TAKE there is nothing to be put into the queue, and `hit` is 1.
        may_enter, taking = Signal(), Signal()
        m.d.sync += [may_enter.eq(0), taking.eq(0)]
        m.d.comb += [
            self.access.ready.eq(may_enter & hit & (bursts.w_rdy | taking)),
            bursts.w_data.eq(Cat(current, current.write & current.first)),
        ]
        # What the first place sends if the second issues nothing.
        first_command = Signal(Command, init=Command.NOP)
        first_bank, first_address = Signal(BANK_BITS), Signal(timing.chip.row_bits)
        low = timing.chip.column_bits - burst_column_bits(timing)
        m.d.comb += first_bank.eq(current.bank)
        m.d.sync += [
            self.command.bank.eq(Mux(issue, head.bank, first_bank)),
            self.command.address.eq(Mux(issue, head.column << low, first_address)),
        ]
        with m.If(issue):
            m.d.sync += self.command.command.eq(Mux(head.write, Command.WRITE, Command.READ))
        with m.Else():
            m.d.sync += self.command.command.eq(first_command)

        def go_on() -> None:
            """Take the next burst in the next cycle."""
            m.d.sync += [may_enter.eq(~self._next_due), taking.eq(1), hit.eq(1)]
            m.next = "TAKE"

        def take() -> None:
            """The next burst, unless a refresh is due."""
            m.d.sync += may_enter.eq(0)
            with m.If(self._due):
                m.next = "CLOSE"
            with m.Elif(self.access.valid):
                m.d.sync += current.eq(self.access.payload)
                m.next = "TEST"
            with m.Else():
                go_on()

        with m.FSM() as fsm:
            with m.State("POWER_UP"):
                m.d.sync += power_up.eq(power_up - 1)
                with m.If((power_up == 0) | (running & (power_up == settled))):
                    m.next = "CLOSE"
            with m.State("TAKE"):
                take()
            with m.State("TEST"):
                m.d.sync += [
                    hit.eq(
                        opened.bit_select(current.bank, 1)
                        & (Array(rows)[current.bank] == current.row)
                    ),
                    is_open.eq(opened.bit_select(current.bank, 1)),
                    may_enter.eq(~self._next_due),
                ]
                m.next = "OPEN"
            with m.State("OPEN"):
                m.d.sync += may_enter.eq(~self._next_due)
                m.d.comb += first_address.eq(Mux(is_open, 0, current.row))
                with m.If(hit):
                    m.d.comb += bursts.w_en.eq(1)
                    with m.If(bursts.w_rdy):
                        m.d.comb += pushed.eq(1 << current.bank)
                        take()
                with m.Elif(is_open), m.If(may_shut):
                    m.d.comb += first_command.eq(Command.PRECHARGE)
                with m.Elif(may_open):
                    m.d.comb += first_command.eq(Command.ACTIVATE)
            with m.State("CLOSE"), m.If(closable.all() & activatable.all()):
                m.d.comb += [first_command.eq(Command.PRECHARGE), first_address.eq(ALL_BANKS)]
                m.d.sync += opened.eq(0)
                for activate in activates:
                    activate.after(timing.rp)
                m.next = "REFRESH"
            with m.State("REFRESH"), m.If(activatable.all()):
                m.d.comb += first_command.eq(Command.REFRESH)
                for activate in activates:
                    activate.after(timing.rfc)
                with m.If(refreshes != 0):
                    m.d.sync += refreshes.eq(refreshes - 1)
                    with m.If(refreshes == 1):
                        m.next = "MODE"
                with m.Else():
                    m.d.comb += self._done.eq(1)
                    go_on()
            with m.State("MODE"), m.If(activatable.all()):
                m.d.comb += [
                    first_command.eq(Command.MODE),
                    first_bank.eq(0),
                    first_address.eq(timing.mode),
                ]
                m.d.sync += [self.started.eq(1), running.eq(1)]
                for activate in activates:
                    activate.after(timing.mrd)
                go_on()

        # The row of `current` is closed or opened.
        shuts, opens = Signal(), Signal()
        may_send = fsm.ongoing("OPEN") & ~hit & ~issue
        m.d.comb += [
            shuts.eq(may_send & is_open & may_shut),
            opens.eq(may_send & ~is_open & may_open),
        ]
        with m.If(shuts):
            m.d.sync += is_open.eq(0)
        with m.If(opens):
            m.d.sync += hit.eq(1)
            another.after(timing.rrd)
        for bank in range(BANKS):
            with m.If(shuts & (current.bank == bank)):
                activates[bank].after(timing.rp)
            with m.If(opens & (current.bank == bank)):
                columns[bank].after(timing.rcd)
                closes[bank].after(timing.ras)
                activates[bank].after(timing.rc)
                m.d.sync += [rows[bank].eq(current.row), opened[bank].eq(1)]
        return m

    def _elaborate_refresh(self, m: Module) -> None:
        """Count the refreshes that are owed."""
        interval = self._timing.refresh_interval
        clock = Signal(range(interval))
        owed = Signal(range(REFRESHES_OWED + 1))
        self._due, self._next_due = Signal(), Signal()  # some are owed; will be in the next cycle
        self._done = Signal()
        fell_due = Signal()
        m.d.comb += [
            fell_due.eq(clock == interval - 1),
            self._next_due.eq(Mux(self._done & ~fell_due, owed > 1, self._due | fell_due)),
        ]
        m.d.sync += self._due.eq(self._next_due)
        with m.If(self.started):
            m.d.sync += clock.eq(Mux(fell_due, 0, clock + 1))
        with m.If(fell_due & ~self._done & (owed != REFRESHES_OWED)):
            m.d.sync += owed.eq(owed + 1)
        with m.Elif(self._done & ~fell_due & self._due):
            m.d.sync += owed.eq(owed - 1)
