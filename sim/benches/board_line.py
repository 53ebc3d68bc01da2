"""A simulated board at a pseudo-terminal: the bench moves bytes between it and sim/verilog/board.sv.

Environment: HWFLOW_BOARD_PORT, a symbolic link to make to the terminal; HWFLOW_BOARD_FAULTS, a FaultPlan as JSON.
It ends when a file `stop` is in the working folder, and leaves what it did in `board.json`.
"""

from __future__ import annotations

import json
import os
import pty
import select
import tty
from pathlib import Path
from typing import Any

import cocotb
from cocotb.triggers import Timer

from sim.link_faults import FaultPlan, FaultyLine

CHUNK, RING = 256, 64
POLL = 400
"""Clock cycles between two looks; the ring holds the bytes of more."""
PERIOD_NS = 2
LINGER = 20
"""Polls after the last activity for which the clock still runs: the UART's last byte."""
IDLE_SECONDS = 0.05


@cocotb.test()
async def board(dut: Any) -> None:
    plan = FaultPlan(**json.loads(os.environ.get("HWFLOW_BOARD_FAULTS", "{}")))
    master, slave = pty.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    link = Path(os.environ["HWFLOW_BOARD_PORT"])
    link.unlink(missing_ok=True)
    link.symlink_to(os.ttyname(slave))
    dut.board_reset.value = 0
    dut.send.value = 0
    dut.send_count.value = 0
    to_board, to_host = FaultyLine(plan, "to board"), FaultyLine(plan, "to host")
    resets = sorted(plan.resets)
    seen = toggled = quiet = from_host = resets_done = 0
    reset_left = 0
    await Timer(20 * PERIOD_NS, "ns")
    stop = Path("stop")
    cut = False
    pending = bytearray()
    while not stop.exists():
        await Timer(POLL * PERIOD_NS, "ns")
        arrived = int(dut.received.value) - seen
        active = bool(arrived) or bool(int(dut.busy.value)) or bool(int(dut.sending.value))
        if arrived:
            assert arrived <= RING, "the bench looked too late"
            ring = int(dut.ring.value).to_bytes(RING, "little")
            to_host.put(bytes(ring[(seen + i) % RING] for i in range(arrived)))
            seen += arrived
        if not cut:
            pending += to_host.take(CHUNK)
            if pending:
                _to_terminal(master, pending)
            data = _from_terminal(master, CHUNK)
            from_host += len(data)
            to_board.put(data)
            active = active or bool(data)
            if plan.cut is not None and from_host >= plan.cut:
                link.unlink()
                os.close(master)
                os.close(slave)
                cut = True
        if resets and from_host >= resets[0]:
            resets.pop(0)
            resets_done += 1
            reset_left = 2
        dut.board_reset.value = int(reset_left > 0)
        reset_left -= reset_left > 0
        if not int(dut.sending.value) and (data := to_board.take(CHUNK)):
            dut.send_data.value = int.from_bytes(data, "little")
            dut.send_count.value = len(data)
            toggled ^= 1
            dut.send.value = toggled
        to_board.tick()
        to_host.tick()
        quiet = 0 if active or not (to_board.empty and to_host.empty) else quiet + 1
        if quiet > LINGER:
            # Nothing moves: the clock stands still until the host writes.
            select.select([] if cut else [master], [], [], IDLE_SECONDS)
    report = {
        "cycles": int(dut.cycle.value),
        "bytes_from_host": from_host,
        "bytes_from_board": seen,
        "resets": resets_done,
        "cut": cut,
        "faults": {"to_board": to_board.counts, "to_host": to_host.counts},
    }
    assert not int(dut.violated.value), "the SDRAM was used wrongly"
    Path("board.json").write_text(json.dumps(report, indent=1) + "\n")


def _to_terminal(master: int, pending: bytearray) -> None:
    """Writes what the terminal has room for: a host that is gone reads nothing."""
    try:
        del pending[: os.write(master, bytes(pending))]
    except BlockingIOError:
        return


def _from_terminal(master: int, most: int) -> bytes:
    try:
        return os.read(master, most)
    except BlockingIOError:
        return b""
