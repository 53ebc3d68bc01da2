"""A board as an image classifier: load a compiled network, classify images, read what the hardware counted.

```
with Accelerator.open("/dev/ttyUSB0") as board:
    board.load(Program.load("build/fmnist-small-ecp5-85f"))
    print(board.classify(images).predictions)
```
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Callable, Generator
from types import TracebackType
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from hwflow.compiler.program import Program
from hwflow.errors import FlowError
from hwflow.host.extents import check_fits, fixed_parts, result_words
from hwflow.host.link import (
    MARGIN_SECONDS,
    Capabilities,
    Link,
    LinkError,
    LinkStatistics,
    LongFrameError,
    SessionLostError,
)
from hwflow.host.protocol import (
    ATTEMPTS,
    BAUD,
    TALLY_FIELDS,
    WORD_BYTES,
    Flag,
    Keep,
    Kind,
    Status,
    unpack,
)
from hwflow.host.results import Classification, FrameRecords, Repetition, decode_results
from hwflow.signature import logits_signature

SESSIONS = 4
"""Times that an image, or a load, is begun again after the board was reset."""
RUN_SECONDS = 60.0
"""Time for a frame before the accelerator is taken for hung; a simulated one needs seconds."""
POLL_SECONDS = (0.0, 0.0005, 0.002, 0.01, 0.05)
"""Waits between looks for a run's end; the last one from then on."""
BEAT_CYCLES = 24
"""Cycles that the board may need to read a beat, beside one for each of its bytes."""

SIGNATURES = Keep.LAYERS | Keep.SCALARS
"""Every layer's signature, logits and the frame's counters."""
EVERYTHING = SIGNATURES | Keep.COUNTERS
LOGITS = Keep(0)
"""Logits, their signature and the frame's counters."""

T = TypeVar("T")
Progress = Callable[[int, int], None]
"""Called with (done, of how many)."""


class OtherProgramError(FlowError):
    """The board's memory holds another network than it should."""


class Accelerator:
    """A board that answers; made by `open`. A context manager."""

    def __init__(self, link: Link, capabilities: Capabilities) -> None:
        self._link = link
        self.capabilities = capabilities
        self._program: Program | None = None
        self._run = int.from_bytes(os.urandom(4), "little")

    @classmethod
    def open(
        cls,
        port: str,
        *,
        baud: int = BAUD,
        margin: float = MARGIN_SECONDS,
        attempts: int = ATTEMPTS,
        note: Callable[[str], None] = lambda line: None,
    ) -> Accelerator:
        """Opens a serial port and greets the board behind it; arguments as Link's.

        Raises:
            LinkError: no such port, one in use, no answer, or a board of another version.
        """
        link = Link(port, baud=baud, margin=margin, attempts=attempts, note=note)
        try:
            return cls(link, link.hello())
        except BaseException:
            link.close()
            raise

    def __enter__(self) -> Accelerator:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Gives the port back; the board keeps what is in its memory."""
        self._link.close()

    @property
    def statistics(self) -> LinkStatistics:
        """What went over the link so far."""
        return self._link.statistics

    def load(self, program: Program, *, progress: Progress | None = None) -> int:
        """Brings a program into the board's memory, unless it is there already; returns the bytes that were sent.

        Raises:
            FlowError: the program is for another target or too large for the memory.
            LinkError: the board does not answer.
        """
        check_fits(program, self.capabilities, self._link.port)
        self._program = program
        return self._again(lambda: self._load(program, progress))

    def attach(self, program: Program) -> None:
        """Uses a program that is in the board's memory already.

        Raises:
            OtherProgramError: it is not, or not as it was compiled.
            FlowError: as `load`.
        """
        check_fits(program, self.capabilities, self._link.port)
        for first, beats, _ in self._again(lambda: list(self._differing(program))):
            raise OtherProgramError(
                f"{self._link.port}: the board's memory holds another network than {program.manifest.network} "
                f"(beats {first} to {first + beats - 1} differ); run without --no-load to load it"
            )
        self._program = program

    def classify(
        self,
        images: npt.NDArray[np.uint8],
        *,
        keep: Keep = SIGNATURES,
        progress: Progress | None = None,
    ) -> Classification:
        """Runs a batch of images (N, H, W, c) through the loaded program, one after the other.

        Args:
            images: uint8, of the program's shape.
            keep: which records the board keeps.
            progress: called after every image.

        Raises:
            FlowError: nothing is loaded, images of another shape, a run that ended with a memory error,
                or more records than the board's buffer holds.
            LinkError: the board does not answer.
        """
        program = self._program
        if program is None:
            raise FlowError("no program is loaded; call load() first")
        wanted = result_words(program, keep)
        if wanted > self.capabilities.buffer_words:
            raise FlowError(
                f"the records of a frame of {program.manifest.network} have {wanted} words, the board keeps "
                f"{self.capabilities.buffer_words}; ask for fewer with --records"
            )
        began = time.monotonic()
        records: list[FrameRecords] = []
        for image in images:
            packed = program.pack_image(image)
            records.append(self._again(lambda packed=packed: self._frame(program, packed, keep)))
            if progress is not None:
                progress(len(records), len(images))
        return Classification(records=tuple(records), seconds=time.monotonic() - began)

    def repeat(
        self, image: npt.NDArray[np.uint8], runs: int, *, keep: Keep = SIGNATURES
    ) -> Repetition:
        """Computes one image (H, W, c) `runs` times without a pause, its marker high from the first start to the last done.

        A frame beforehand brings the image and tells how long one takes; the link is silent until all should be over.
        Arguments and errors as `classify`; also FlowError when two runs had other signatures.
        """
        if not 1 <= runs < 1 << 32:
            raise FlowError(f"{runs} runs: give 1 to {(1 << 32) - 1}")
        (first,) = self.classify(image[None], keep=keep).records
        program = self._program
        assert program is not None
        seconds = runs * first.counters["cycles"] / self.capabilities.clock_hz
        packed = program.pack_image(image)

        def once() -> Repetition:
            began = time.time()
            self._start(program, packed, keep, runs)
            late = time.time() - began
            time.sleep(seconds)
            record = self._finish(program, keep, max(RUN_SECONDS, seconds))
            tally = self._link.expect_ok(
                self._link.request(Kind.TALLY, {"run": self._run}), Kind.TALLY
            )
            counted = unpack(TALLY_FIELDS, tally.data)
            if tally.flags & Flag.DIFFERENT or counted["tally"] != runs:
                raise FlowError(
                    f"{self._link.port}: run {counted['tally']} of {runs} of one image had other signatures than the "
                    "one before; the board computes wrongly: check its clock, supply and memory"
                )
            if record.signed != first.signed:
                raise SessionLostError(f"{self._link.port}: the repetition has other signatures")
            return Repetition(record, runs, counted["cycles"], began, late)

        return self._again(once)

    def reset(self) -> None:
        """Resets the accelerator and its memory's controller; what is in the memory stays."""
        self._link.expect_ok(self._link.request(Kind.RESET, {}), Kind.RESET)

    # Programs ------------------------------------------------------------------------------------
    def _differing(self, program: Program) -> Generator[tuple[int, int, bytes]]:
        """(first beat, beats, bytes) of the parts of a program that the board's memory does not have."""
        beat = self.capabilities.beat_bytes
        for first, last in fixed_parts(program):
            data = program.memory[first * beat : last * beat]
            if self._check(first, last - first) != zlib.crc32(data):
                yield first, last - first, data

    def _load(self, program: Program, progress: Progress | None) -> int:
        self._settle()
        missing = list(self._differing(program))
        total, done = sum(len(data) for _, _, data in missing), 0
        for first, _, data in missing:
            for sent in self._write(first, data):
                done += sent
                if progress is not None:
                    progress(done, total)
        if list(self._differing(program)):
            raise FlowError(
                f"{self._link.port}: the board's memory does not keep what is written to it; check the memory"
            )
        return total

    def _check(self, first: int, beats: int) -> int:
        """CRC-32 of a part of the board's memory."""
        answer = self._link.request(
            Kind.CHECK, {"address": first, "beats": beats}, patience=self._reading(beats)
        )
        return int.from_bytes(self._link.expect_ok(answer, Kind.CHECK).data[:4], "little")

    def _reading(self, beats: int) -> float:
        """Seconds that the board may need to read so many beats."""
        board = self.capabilities
        return beats * (board.beat_bytes + BEAT_CYCLES) / board.clock_hz

    def _write(self, first: int, data: bytes) -> Generator[int]:
        """Writes whole beats in frames; yields the bytes of each."""
        board = self.capabilities
        at = 0
        while at < len(data):
            most = min(self._link.block, board.data_bytes)
            part = data[
                at : at + max(board.beat_bytes, most // board.beat_bytes * board.beat_bytes)
            ]
            address = first + at // board.beat_bytes
            try:
                answer = self._link.request(
                    Kind.WRITE, {"address": address}, part, divisible=len(part) > board.beat_bytes
                )
            except LongFrameError:
                continue
            self._link.expect_ok(answer, Kind.WRITE)
            at += len(part)
            yield len(part)

    # Frames --------------------------------------------------------------------------------------
    def _settle(self) -> None:
        """A run that another host began is ended."""
        if self._link.request(Kind.STATUS, {}).flags & Flag.BUSY:
            self.reset()

    def _frame(self, program: Program, packed: bytes, keep: Keep) -> FrameRecords:
        """One image, from its bytes to its records.

        The run names the CRC of the image and has a number of its own, and the logits have a signature: results
        of another image, or of another run, cannot be taken for this one's.
        """
        for _ in self._write(program.manifest.image.address, packed):
            pass
        self._start(program, packed, keep, 1)
        return self._finish(program, keep, RUN_SECONDS)

    def _start(self, program: Program, packed: bytes, keep: Keep, runs: int) -> None:
        """RUN of the image that is in memory."""
        manifest = program.manifest
        self._run = (self._run + 1) % (1 << 32)
        beats = len(packed) // self.capabilities.beat_bytes
        answer = self._link.request(
            Kind.RUN,
            {
                "run": self._run,
                "schedule": manifest.schedule_address,
                "address": manifest.image.address,
                "beats": beats,
                "crc": zlib.crc32(packed),
                "keep": int(keep),
                "runs": runs,
            },
            patience=self._reading(beats),
        )
        if answer.status is Status.MISMATCH:
            raise SessionLostError(f"{self._link.port}: the board's memory has another image")
        self._link.expect_ok(answer, Kind.RUN)

    def _finish(self, program: Program, keep: Keep, limit: float) -> FrameRecords:
        """Records of the last run, when it is over; limit: seconds."""
        manifest = program.manifest
        stream = self._results(result_words(program, keep), limit)
        counters = bool(keep & Keep.COUNTERS)
        (frame,) = decode_results(stream, manifest.classes, counters=counters)
        if frame.error is not None:
            names = {layer.number: layer.name for layer in manifest.layers}
            raise FlowError(f"{self._link.port}: {frame.error.describe(names)}")
        if logits_signature(frame.logits) != frame.signature:
            raise SessionLostError(f"{self._link.port}: the logits contradict their signature")
        return frame

    def _results(self, expected: int, limit: float) -> bytes:
        """The words of the run when it is over; asks for `expected` in the first place."""
        block = self.capabilities.data_bytes // WORD_BYTES
        stream = bytearray()
        total = expected
        deadline, looks = time.monotonic() + limit, 0
        while len(stream) < total * WORD_BYTES:
            first = len(stream) // WORD_BYTES
            count = min(total - first, block, max(1, self._link.block // WORD_BYTES))
            try:
                answer = self._link.request(
                    Kind.RESULTS,
                    {"run": self._run, "first": first, "count": count},
                    answer_bytes=count * WORD_BYTES,
                    divisible=count > 1,
                )
            except LongFrameError:
                continue
            if answer.flags & Flag.OVERFLOW and answer.flags & Flag.DONE:
                raise FlowError(
                    f"{self._link.port}: the run sent more records than the board keeps; ask for fewer with --records"
                )
            if answer.status is Status.OK:
                stream += answer.data
                total = answer.words
            elif answer.status is Status.RANGE and answer.words < total:
                total = answer.words  # a run that ended early
            elif answer.status is Status.NO_RESULTS and answer.run == self._run:
                if not answer.flags & Flag.BUSY:
                    raise SessionLostError(f"{self._link.port}: the results are gone")
                if time.monotonic() > deadline:
                    raise LinkError(
                        f"{self._link.port}: the accelerator has not ended in {limit:.0f} s; "
                        "reset the board and run again"
                    )
                time.sleep(POLL_SECONDS[min(looks, len(POLL_SECONDS) - 1)])
                looks += 1
            else:
                raise SessionLostError(f"{self._link.port}: the board has results of another run")
        return bytes(stream)

    # Recovery ------------------------------------------------------------------------------------
    def _again(self, step: Callable[[], T]) -> T:
        """`step`, begun again after the board was reset."""
        reason: SessionLostError | None = None
        for _ in range(SESSIONS):
            try:
                if reason is not None:
                    self._resume()
                return step()
            except SessionLostError as error:
                reason = error
        raise LinkError(
            f"{reason}, {SESSIONS} times; check the board's power and cable"
        ) from reason

    def _resume(self) -> None:
        """A new session with the same board, its memory as it was."""
        found = self._link.hello()
        if found != self.capabilities:
            raise LinkError(
                f"{self._link.port}: another board answers than before; open the port again"
            )
        self._settle()
        if self._program is not None:
            self._load(self._program, None)
