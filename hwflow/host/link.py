"""The host's end of the serial link: requests and their answers, with retries (docs/host-link.md)."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import serial

from hwflow import isa
from hwflow.errors import FlowError
from hwflow.host.protocol import (
    ANSWER,
    ATTEMPTS,
    BAUD,
    CAPABILITIES,
    DATA_LIMIT,
    HASH_BYTES,
    HELLO_BYTES,
    HELLO_FIELDS,
    REQUESTS,
    STATE,
    TARGET_BYTES,
    VERSION,
    Flag,
    Frame,
    FrameReader,
    Kind,
    Status,
    fields_bytes,
    pack,
    unpack,
)

MARGIN_SECONDS = 0.5
"""Time for an answer beyond that of its bytes."""
BITS_A_BYTE = 10
READ_SECONDS = 0.1
"""Longest time without a byte before the clock is looked at."""
SEQUENCES = 1 << 16
LEAST_BLOCK = 64
"""Data bytes of a frame on a link that damages long ones."""
SHORTER_AFTER = 2
"""Attempts after which a long frame is given up for shorter ones."""
GROW_AFTER = 16
"""Blocks without a fault after which they become longer again."""


REMEDIES = {
    Status.REQUEST: "the board does not understand the request; use the bitstream of this version",
    Status.BUSY: "the accelerator is busy; reset the board",
    Status.RANGE: "that lies outside the board's memory; take a smaller network",
    Status.MEMORY: "the board's memory gave no answer; check it and reset the board",
}
"""What to do when a board refuses."""


class LinkError(FlowError):
    """The board does not answer, or is gone."""


class LongFrameError(LinkError):
    """A frame was given up because a shorter one may come through."""


class SessionLostError(FlowError):
    """The board was reset, or is out of step: begin again with HELLO."""


@dataclass(frozen=True)
class Answer:
    """An answer's state (protocol.STATE) and what follows it."""

    status: Status
    flags: Flag
    words: int
    run: int
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What a board says of itself; hashes are SHA-256 in hexadecimal."""

    protocol: int
    isa: int
    clock_hz: int
    memory_bytes: int
    buffer_words: int
    data_bytes: int
    beat_bytes: int
    target: str
    target_hash: str
    gateware_hash: str


@dataclass
class LinkStatistics:
    """What went over the link. damaged: frames received with a wrong CRC, or reported as such by the board."""

    requests: int = 0
    retries: int = 0
    damaged: int = 0
    sessions: int = 0
    bytes_out: int = 0
    bytes_in: int = 0


class Link:
    """An open serial port with a board behind it, to be closed.

    Args:
        port: name of the port.
        baud: bits a second; also what the time for an answer is reckoned with.
        margin: seconds for an answer beyond that.
        attempts: times that a request is sent.
        note: called with a line when a request is sent again.

    Raises:
        LinkError: the port does not exist, is in use, or cannot be set up.
    """

    def __init__(
        self,
        port: str,
        *,
        baud: int = BAUD,
        margin: float = MARGIN_SECONDS,
        attempts: int = ATTEMPTS,
        note: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.port = port
        self.statistics = LinkStatistics()
        self._byte_seconds = BITS_A_BYTE / baud
        self._margin, self._attempts, self._note = margin, attempts, note
        self._sequence = int.from_bytes(os.urandom(2), "little")
        self._reader = FrameReader()
        self._block, self._clean = DATA_LIMIT, 0
        try:
            self._serial = serial.Serial(port, baud, timeout=READ_SECONDS, exclusive=True)
        except (OSError, ValueError) as error:
            raise LinkError(_open_problem(port, baud, error)) from error
        if hasattr(self._serial, "set_low_latency_mode"):
            # Only some drivers have it; without it answers come some milliseconds later.
            with contextlib.suppress(OSError, ValueError):
                self._serial.set_low_latency_mode(True)

    def close(self) -> None:
        """Gives the port back."""
        self._serial.close()

    @property
    def block(self) -> int:
        """Data bytes of a frame that the link carries well."""
        return self._block

    def hello(self) -> Capabilities:
        """Begins a session: the board takes the host's sequence numbers from here.

        Raises:
            LinkError: no answer, or one of another version.
        """
        nonce = int.from_bytes(os.urandom(4), "little")
        answer = self.request(Kind.HELLO, {"nonce": nonce})
        self.statistics.sessions += 1
        greeting = unpack(HELLO_FIELDS, answer.data)
        if greeting["protocol"] != VERSION:
            raise LinkError(
                f"{self.port}: the board speaks version {greeting['protocol']} of the link protocol, this "
                f"program version {VERSION}; program the board with this version's bitstream"
            )
        if greeting["isa"] != isa.VERSION:
            raise LinkError(
                f"{self.port}: the board executes version {greeting['isa']} of the instruction set, this "
                f"program compiles version {isa.VERSION}; program the board with this version's bitstream"
            )
        expected = HELLO_BYTES
        if greeting["nonce"] != nonce or len(answer.data) != expected:
            raise LinkError(f"{self.port}: the board's greeting makes no sense; program it again")
        at = fields_bytes(HELLO_FIELDS)
        numbers = unpack(CAPABILITIES, answer.data[at:])
        at += fields_bytes(CAPABILITIES)
        name, hashes = answer.data[at : at + TARGET_BYTES], answer.data[at + TARGET_BYTES :]
        return Capabilities(
            protocol=greeting["protocol"],
            isa=greeting["isa"],
            target=name.rstrip(b"\0").decode(errors="replace"),
            target_hash=hashes[:HASH_BYTES].hex(),
            gateware_hash=hashes[HASH_BYTES:].hex(),
            **numbers,
        )

    def request(
        self,
        kind: Kind,
        values: dict[str, int],
        data: bytes = b"",
        *,
        answer_bytes: int = 0,
        patience: float = 0.0,
        divisible: bool = False,
    ) -> Answer:
        """Sends a request until it is answered; the board carries it out once.

        Args:
            kind: of the request.
            values: of its fields, by name.
            data: behind them.
            answer_bytes: data expected in the answer, for the time it may take.
            patience: seconds that the board may need to carry it out.
            divisible: it could be sent as several with less data.

        Returns:
            The answer, whatever its status is, except SESSION and SEQUENCE.

        Raises:
            SessionLostError: the board knows no session, or another one.
            LongFrameError: no answer in some attempts; `block` is smaller now. Only if `divisible`.
            LinkError: no answer in all attempts, or the port is gone.
        """
        self._sequence = (self._sequence + 1) % SEQUENCES
        payload = pack(REQUESTS[kind], values) + data
        frame = Frame(kind, self._sequence, payload).encode()
        size = len(frame) + answer_bytes + 64
        seconds = self._margin + patience + 2 * size * self._byte_seconds
        self.statistics.requests += 1
        shorter = divisible and self._block > LEAST_BLOCK
        total = min(SHORTER_AFTER, self._attempts) if shorter else self._attempts
        clean = True
        for attempt in range(total):
            if attempt:
                clean = False
                self.statistics.retries += 1
                self._note(f"{kind.name}: attempt {attempt + 1} of {total}")
            answer = self._exchange(kind, frame, seconds)
            if answer is None:
                continue
            self._adapt(clean)
            if answer.status in (Status.SESSION, Status.SEQUENCE):
                raise SessionLostError(f"{self.port}: the board was reset or lost count")
            return answer
        self._adapt(False)
        raise (LongFrameError if shorter else LinkError)(
            f"{self.port}: no answer to {kind.name} in {total} attempts of {seconds:.1f} s; check the cable, "
            "the baud rate and that the board has hwflow's bitstream"
        )

    def _adapt(self, clean: bool) -> None:
        """Long frames are more often damaged, short ones slower."""
        self._clean = self._clean + 1 if clean else 0
        if not clean:
            self._block = max(LEAST_BLOCK, self._block // 2)
        elif self._clean % GROW_AFTER == 0:
            self._block = min(DATA_LIMIT, self._block * 2)

    def _exchange(self, kind: Kind, frame: bytes, seconds: float) -> Answer | None:
        """One attempt; None without a usable answer in time."""
        try:
            self._serial.write(frame)
            self.statistics.bytes_out += len(frame)
            return self._await(kind, time.monotonic() + seconds)
        except (OSError, TypeError) as error:
            # pyserial: TypeError where the port was closed in between.
            raise LinkError(
                f"{self.port}: the link was cut ({error}); connect the board again and rerun"
            ) from error

    def _await(self, kind: Kind, deadline: float) -> Answer | None:
        while time.monotonic() < deadline:
            data = self._serial.read(max(1, self._serial.in_waiting))
            self.statistics.bytes_in += len(data)
            for frame in self._reader.feed(data):
                if frame is None or frame.kind == ANSWER:
                    self.statistics.damaged += 1
                    return None
                answer = self._answer(kind, frame)
                if answer is not None:
                    return answer
        return None

    def _answer(self, kind: Kind, frame: Frame) -> Answer | None:
        """The answer, if the frame is one to the present request; older ones are passed over."""
        if frame.kind != kind | ANSWER or frame.sequence != self._sequence:
            return None
        size = fields_bytes(STATE)
        if len(frame.payload) < size:
            return None
        state = unpack(STATE, frame.payload)
        try:
            status = Status(state["status"])
        except ValueError:
            return None
        flags = Flag(state["flags"])
        return Answer(status, flags, state["words"], state["run"], frame.payload[size:])

    def expect_ok(self, answer: Answer, kind: Kind) -> Answer:
        """The answer, if the board did what it was asked.

        Raises:
            FlowError: it did not; says what to do.
        """
        if answer.status is Status.OK:
            return answer
        remedy = REMEDIES.get(answer.status, "reset the board")
        raise FlowError(f"{self.port}: {kind.name} failed ({answer.status.name}): {remedy}")


def _open_problem(port: str, baud: int, error: Exception) -> str:
    text = str(error)
    if isinstance(error, FileNotFoundError) or "No such file" in text:
        return f"{port}: no such port; `python -m serial.tools.list_ports` lists those there are"
    if "exclusively lock" in text or "busy" in text.lower():
        return f"{port}: another program uses the port; end it first"
    if "Permission denied" in text:
        return f"{port}: no permission to open it; add yourself to the port's group (often dialout)"
    return f"{port}: cannot be opened as a serial port at {baud} baud ({text}); check --port and --baud"
