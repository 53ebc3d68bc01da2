"""Control of the streams to and from external memory (rtl_gen/long_stream.py, stream_control.py, spill_writer.py)."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from hwflow import timing
from hwflow.config import AcceleratorConfig
from hwflow.cycle_model.parts import BufferedFifo, MemoryPort
from hwflow.spilling import reads_stream, writes_stream


class Streams:
    """Levels of the long stream and of the store FIFO, and the writes to memory.

    free: beats of the long stream that may be written; bytes: written to memory in this frame.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._words = config.row_groups
        self._beats = config.stream_beats if config.long_words else 0
        self._beat_bytes = config.memory_bytes
        self.free = config.long_words * self._beats
        self._level = 0
        self._beat = 0
        self._arrived = False
        self._takes: deque[int] = deque()
        self._stores: deque[int] = deque()
        self._room = config.store_words
        self._fifo: BufferedFifo[int] = BufferedFifo(config.store_words)
        self._sent_beat = 0
        self._outstanding = 0
        self._reads = self._writes = False
        self._claimed = self._promised = False
        self.bytes = 0

    @property
    def ready(self) -> bool:
        """The next tile finds its words and its room."""
        if self._reads and self._level < self._words:
            return False
        return not self._writes or self._room >= self._words

    @property
    def idle(self) -> bool:
        """Everything stored is acknowledged, but for a word that enters the FIFO in this cycle."""
        return self._fifo.level == 0 and self._outstanding == 0

    def begin_group(self, conv: Mapping[str, int], cg: int) -> None:
        """Output group `cg` is next to be issued, from the following cycle on."""
        if self._beats and cg < conv["groups"]:
            self._reads, self._writes = reads_stream(conv, cg), writes_stream(conv, cg)

    def issue(self) -> None:
        """The first step of a tile is issued in this cycle."""
        self._claimed = self._reads
        self._promised = self._writes

    def leave(self, first: int) -> None:
        """The last step of a tile is issued; its first pixel group reaches the back end in cycle `first`."""
        for n in range(self._words):
            if self._reads:
                self._takes.append(first + n + timing.LONG_TAKE)
            if self._writes:
                self._stores.append(first + n + timing.vector_latency())

    def step(self, cycle: int, write: bool, port: MemoryPort) -> None:
        """One clock edge; `write`: a beat of the long stream arrives."""
        if not self._beats:
            return
        take = bool(self._takes) and self._takes[0] == cycle
        if take:
            self._takes.popleft()
        stored = bool(self._stores) and self._stores[0] == cycle
        if stored:
            self._stores.popleft()
            if not self._fifo.writable:
                raise RuntimeError(f"cycle {cycle}: a word is stored into a full FIFO and lost")
        self._level += self._arrived - (self._words if self._claimed else 0)
        self.free += take * self._beats - write
        self._arrived = False
        if write:
            self._beat += 1
            if self._beat == self._beats:
                self._beat = 0
                self._arrived = True
        sent = self._fifo.readable and self._outstanding != timing.WRITES_AHEAD
        sent = sent and port.write_ready
        freed = sent and self._sent_beat == self._beats - 1
        self._outstanding += sent - port.written
        self._room += freed - (self._words if self._promised else 0)
        self._fifo.step(1 if stored else None, freed)
        if sent:
            self._sent_beat = 0 if freed else self._sent_beat + 1
            self.bytes += self._beat_bytes
        port.write = sent
        self._claimed = self._promised = False
