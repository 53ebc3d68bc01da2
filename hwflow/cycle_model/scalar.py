"""Control of the scalar engine and its matrix-vector source (rtl_gen/scalar_engine.py, rtl_gen/matvec_source.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hwflow import isa, timing
from hwflow.config import AcceleratorConfig
from hwflow.cycle_model.parts import BufferedFifo, Delay
from hwflow.tokens import padding_records


@dataclass(frozen=True)
class ScalarTiming:
    """What a SCALAR record reports of one FC."""

    layer: int
    wide: bool
    start: int
    end: int
    steps: int


class MatvecSource:
    """Output groups computed one ahead of their use; a group's steps are consecutive cycles."""

    def __init__(self, config: AcceleratorConfig) -> None:
        self._groups_left = 0
        self._steps = 0
        self._halves = 0
        self._ahead = 0
        self._guard = 0
        self._issuing = False
        self._step = 0
        self._waiting = False
        self.valid = False
        # Requests are registered once on their way to the array and the ring.
        self._result = Delay[bool](1 + timing.matvec_latency(config), False)
        self._release = Delay[int](1, 0)
        self.step_issued = False

    def starved(self, level: int) -> bool:
        """Nothing is on the array or done, and the next group's weights are not all there."""
        return self._ahead == 0 and self._groups_left != 0 and level < self._halves

    def step(self, start: tuple[int, int, bool] | None, level: int, finished: bool) -> int:
        """One clock edge; `start` = (groups, steps, wide), `finished` drops the current group.

        Returns half words of the ring released.
        """
        begin = (
            not self._issuing
            and self._groups_left != 0
            and self._ahead != 2
            and self._guard == 0
            and level >= self._halves
        )
        last = self._issuing and self._step == self._steps - 1
        released = self._release.step(self._halves if last else 0)
        result = self._result.step(last)
        self.step_issued = self._issuing
        self._ahead += begin - finished
        if self._guard:
            self._guard -= 1
        if self._issuing:
            self._step += 1
            if last:
                self._issuing, self._step = False, 0
                self._guard = timing.matvec_release_latency()
        # The last assignment wins, as in the RTL: a group that ends may be followed at once.
        move = self._waiting and (not self.valid or finished)
        if finished:
            self.valid = False
        if move:
            self.valid, self._waiting = True, False
        if result:
            self._waiting = True
        if start is not None:
            self._groups_left, self._steps, wide = start
            self._halves = self._steps << wide
        elif begin:
            self._issuing = True
            self._groups_left -= 1
        return released


class ScalarEngine:
    """Registers of the scalar engine. `scale_tokens` and `frame_done` are read by the rest of the model."""

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        self._cols = config.cols
        self._promised = False
        self._source = MatvecSource(config)
        self._state = "IDLE"
        self._word: Mapping[str, int] = {"op": 0, "layer": 0}
        self._issued = self._produced = self._written = 0
        self._column = self._written_column = 0
        self._sum_tokens = 0
        self.scale_tokens = 0
        self._produce = Delay[bool](timing.scalar_output_latency(), False)
        self._affine = Delay[bool](timing.affine_unit_latency(), False)
        self._records: BufferedFifo[int] = BufferedFifo(1)
        self._words: BufferedFifo[int] = BufferedFifo(timing.RESULT_WORDS)
        self._record_word = 0
        self._started = 0
        self._steps = 0
        self._source_step = False
        self.last_logit = 0
        self.frame_done = False
        self.reports: list[ScalarTiming] = []

    @property
    def ready(self) -> bool:
        """Takes an instruction in this cycle."""
        return self._state == "IDLE"

    def starved(self, record_level: int, matvec_level: int) -> bool:
        """An instruction waits for its constants or its weights to come from memory."""
        op = self._word["op"]
        if self._state != "RUN":
            return False
        if op == isa.Op.MEAN:
            there = self._sum_tokens != 0 or self._column != 0
            return bool(self._word["records"]) and there and record_level == 0
        return record_level == 0 or (op == isa.Op.FC and self._source.starved(matvec_level))

    @property
    def stepping(self) -> bool:
        """A step of a matrix-vector product was issued in the last cycle."""
        return self._source.step_issued

    @property
    def word(self) -> int | None:
        """The word offered to the result stream: 1 if it ends a record, 0 if not, None if there is none."""
        return self._words.head if self._words.readable else None

    def step(
        self,
        cycle: int,
        instruction: Mapping[str, int] | None,
        record_level: int,
        matvec_level: int,
        sum_token: bool,
        scale_take: bool,
        quiet: bool,
        result_ready: bool,
    ) -> tuple[int, int]:
        """One clock edge. Returns (constant records taken, half words of the 8-bit ring released)."""
        op = self._word["op"]
        mean, fc, affine = op == isa.Op.MEAN, op == isa.Op.FC, op == isa.Op.AFFINE
        dest = self._word.get("dest", -1)
        records = not mean or bool(self._word["records"])
        to_scale = affine or (fc and dest == isa.FcDest.SCALE)
        to_logits = fc and dest == isa.FcDest.LOGITS
        count = self._word.get("outputs" if fc else "count", 0)
        starting = self._state == "START"
        running = self._state == "RUN"

        room = self._words.level <= timing.RESULT_WORDS - timing.scalar_output_latency() - 1
        issue = (
            running
            and self._issued != count
            and (not mean or self._sum_tokens != 0 or self._column != 0)
            and (not records or record_level != 0)
            and (not fc or self._source.valid)
            and (not to_logits or (room and self._records.level == 0))
        )
        group_end = self._issued == count - 1 or self._column == self._cols - 1
        take_sum = issue and mean and self._column == 0
        rest = min(count - self._issued, self._cols - self._column)
        promise = issue and fc and to_scale and not self._promised and record_level >= rest

        valid = self._produce.step(issue)
        written = self._affine.step(valid and to_scale)
        finished = (self._written if to_scale else self._produced) == count
        group_written = written and (
            self._written_column == self._cols - 1 or self._written == count - 1
        )
        logit = valid and to_logits

        # Records and logits leave through one FIFO of words.
        record: int | None = None
        state = self._state
        self.frame_done = False
        step_count = self._steps + self._source_step
        if state == "IDLE":
            self._started = cycle
            step_count = 0
            if instruction is not None:
                self._word = instruction
                self._state = "START"
        elif starting:
            self._state = "END" if op == isa.Op.END else "RUN"
        elif running and finished:
            if not fc:
                self._state = "IDLE"
            elif self._records.writable:
                record = 1 + len(isa.SCALAR_COUNTERS)
                self.reports.append(
                    ScalarTiming(
                        self._word["layer"],
                        bool(self._word["wide"]),
                        self._started,
                        cycle,
                        self._steps,
                    )
                )
                self._state = "IDLE"
        elif state == "END" and quiet and self._records.writable:
            record = 1 + len(isa.END_COUNTERS)
            self._state = "DRAIN"
        elif state == "DRAIN" and self._records.level == 0 and self._words.level == 0:
            self.frame_done = True
            self._state = "IDLE"
        if logit:
            self.last_logit = cycle

        send = self._records.readable and self._words.writable and not logit
        record_done = send and self._record_word == self._records.head - 1
        if send:
            self._record_word = 0 if record_done else self._record_word + 1
        word = int(logit or record_done) if self._records.readable or logit else None
        self._words.step(word, result_ready)
        self._records.step(record, record_done)

        start: tuple[int, int, bool] | None = None
        if starting and fc:
            start = (-(-count // self._cols), self._word["steps"], bool(self._word["wide"]))
        released = self._source.step(start, matvec_level, issue and fc and group_end)
        self._source_step = self._source.step_issued
        self._steps = step_count

        taken = 0
        if issue and records:
            taken = 1 + (padding_records(count, self._config) if self._issued == count - 1 else 0)
        if issue:
            self._issued += 1
            self._column = (self._column + 1) % self._cols
        if valid:
            self._produced += 1
        if written:
            self._written += 1
            self._written_column = (self._written_column + 1) % self._cols
        if starting:
            self._issued = self._column = 0
            self._produced = self._written = self._written_column = 0
        self._sum_tokens += sum_token - take_sum
        if issue:
            self._promised = (self._promised or promise) and rest != 1
        self.scale_tokens += (group_written if affine else promise) - scale_take
        return taken, released
