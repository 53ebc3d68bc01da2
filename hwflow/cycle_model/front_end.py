"""Control of the sequencer, of what is in flight behind it, and of the weight rings (rtl_gen/sequencer.py)."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from hwflow import timing
from hwflow.config import AcceleratorConfig
from hwflow.cycle_model.parts import Delay
from hwflow.cycle_model.streams import Streams
from hwflow.isa import CYCLE_COUNTERS, Store


@dataclass
class LayerTiming:
    """What a LAYER record reports of time: first and last cycle, and the cycles of each phase.

    starved: those of `stall_scale` in which the scalar engine itself waited for memory (in no record).
    """

    layer: int
    start: int
    end: int = 0
    cycles: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CYCLE_COUNTERS, 0))
    starved: int = 0


class WeightRing:
    """Level in words and free room in beats of the binary weight ring."""

    def __init__(self, config: AcceleratorConfig) -> None:
        self._beats = config.weight_beats
        self.level = 0
        self.free = config.weight_words * self._beats
        self._beat = 0
        last_read = timing.WEIGHT_RELEASE + config.cols - 1
        self._release = Delay[int](last_read, 0)

    def step(self, write: bool, claimed: int, released: int) -> None:
        """One clock edge; words `claimed` by a group's first step and `released` by its last."""
        self.free += self._release.step(released) * self._beats - write
        if write:
            self._beat += 1
            if self._beat == self._beats:
                self._beat = 0
                self.level += 1
        self.level -= claimed


class MacRing:
    """Level in half words and free room in beats of the 8-bit weight ring."""

    def __init__(self, config: AcceleratorConfig) -> None:
        self._beats = config.mac_half_beats
        self.level = 0
        self.free = 2 * config.mac_words * self._beats
        self._beat = 0
        self._conv = Delay[int](timing.WEIGHT_RELEASE, 0)
        self._vector = Delay[int](1, 0)

    def step(self, write: bool, claimed: int, released: int, vector: int) -> None:
        """One clock edge; words of a convolution, `vector` half words released by a matrix-vector group."""
        freed = 2 * self._conv.step(released) + self._vector.step(vector)
        self.free += freed * self._beats - write
        if write:
            self._beat += 1
            if self._beat == self._beats:
                self._beat = 0
                self.level += 1
        self.level -= 2 * claimed + vector


class Sequencer:
    """Registers of the sequencer and the tiles in flight."""

    def __init__(self, config: AcceleratorConfig, streams: Streams) -> None:
        self._config = config
        self._streams = streams
        self._state = "IDLE"
        self._row = 0
        self._wait = 0
        self._steps = self._step = 0
        self._tile = self._cg = 0
        self._quiet = 0
        self._left = 0
        self._drain = 1
        self._flight = 0
        self._groups: deque[tuple[int, bool]] = deque()
        self._tokens: deque[int] = deque()
        self._stores: deque[int] = deque()  # when each tile's bytes are about to be written
        self._reported = Delay[bool](timing.EVENTS, False)
        self.current: Mapping[str, int] = {}
        self.reports: list[LayerTiming] = []
        self.claimed = self.released = 0
        self.phase = ""
        self.waits_for_scale = False
        self.sum_token = self.layer_done = self.issued = False
        self.bytes_stall = False

    @property
    def ready(self) -> bool:
        """Takes an instruction in this cycle, as far as the sequencer is concerned."""
        return self._state == "IDLE"

    @property
    def mac(self) -> bool:
        """The running CONV uses the MAC array."""
        return bool(self.current.get("mac", 0))

    def step(
        self,
        cycle: int,
        instruction: Mapping[str, int] | None,
        level: int,
        scale: bool,
        image_slots: int | None,
    ) -> None:
        """One clock edge; `image_slots`: how many are written, None: all are.

        Sets `claimed`, `released` (ring words), `issued`, `sum_token`, `layer_done`, `bytes_stall` of this cycle, and
        `phase`: the counter of isa.CYCLE_COUNTERS that it belongs to, "" between layers.
        """
        config = self._config
        state = self._state
        issue = tile_end = False
        done = False
        self.claimed = self.released = 0
        self.waits_for_scale = False
        self.phase = ""
        wait = self._wait
        if wait:
            self._wait = wait - 1
        if state == "RUN":
            phase = "issue"
            if self._step == 0:
                missing = self._tile == 0 and level < self.current["weight_words"]
                if missing or (image_slots is not None and not self._image_here(image_slots)):
                    phase = "stall_weights"
                elif self._tile == 0 and not scale:
                    phase = "stall_scale"
                    self.waits_for_scale = True
                elif wait:
                    phase = "stall_interval"
                elif not self._streams.ready:
                    phase = "stall_stream"
            issue = phase == "issue"
            self.reports[-1].cycles[phase] += 1
            self.phase = phase
            if issue:
                tile_end = self._issue(cycle)
        elif state == "SETUP":
            self.reports[-1].cycles["setup"] += 1
            self.phase = "setup"
            self._row += 1
            if self._row == timing.conv_setup_cycles(config):
                self._state = "RUN"
        elif state == "DRAIN":
            self.reports[-1].cycles["drain"] += 1
            self.phase = "drain"
            idle = self.lanes_idle(cycle) and self._streams.idle
            done = self._quiet == timing.SETTLE and idle
            if done:
                self.reports[-1].end = cycle
                self._state = "REPORT"
        elif state == "IDLE" and instruction is not None:
            self._accept(cycle, instruction)
        self.issued = issue
        self.layer_done = self._reported.step(done)
        if state == "REPORT" and self.layer_done:
            self._state = "IDLE"
        self._in_flight(cycle, issue, tile_end)

    def _accept(self, cycle: int, instruction: Mapping[str, int]) -> None:
        self.current = instruction
        self.reports.append(LayerTiming(instruction["layer"], cycle + 1))
        self._state, self._row = "SETUP", 0
        self._steps = instruction["kernel"] ** 2 * instruction["words"]
        self._step = self._tile = self._cg = 0
        self._streams.begin_group(instruction, 0)
        features = instruction["bits_en"] or instruction["store"] == Store.BYTES
        self._drain = timing.conv_drain(
            self._config, pool=bool(instruction["pool_en"]), features=bool(features)
        )

    def _image_here(self, slots: int) -> bool:
        """The slots that the next tile reads are written."""
        conv, rows = self.current, self._config.rows
        if not conv["mac"]:
            return True
        stride = 1 + conv["stride2"]
        if conv["row_aligned"]:
            line, column = divmod(self._tile, -(-conv["out_w"] // rows))
            origin = (line * conv["in_w"] + column * rows) * stride
        else:
            origin = self._tile * rows
        origin -= conv["pad_top"] * conv["in_w"] + conv["pad_left"]
        span = (rows - 1) * stride + (conv["kernel"] - 1) * (conv["in_w"] + 1)
        return origin + span < slots

    def _issue(self, cycle: int) -> bool:
        """A step; True for the last of its tile."""
        conv = self.current
        if self._step == 0:
            self._wait = max(conv["interval"] - 1, 0)
            self._streams.issue()
            if self._tile == 0:
                self.claimed = conv["weight_words"]
        self._step += 1
        if self._step < self._steps:
            return False
        self._step = 0
        self._tile += 1
        group_end = self._tile == conv["tiles"]
        config = self._config
        first = cycle + (
            timing.mac_group_latency() if self.mac else timing.binary_group_latency(config)
        )
        self._groups.append((first, group_end))
        if conv["store"] == Store.BYTES:
            self._stores.append(first + timing.vector_latency() + 1)
        self._streams.leave(first)
        if group_end:
            self._tile = 0
            self._cg += 1
            self.released = conv["weight_words"]
            self._streams.begin_group(conv, self._cg)
            if conv["sums_en"]:
                last = first + config.row_groups - 1
                self._tokens.append(last + timing.sum_token_latency())
            if self._cg == conv["groups"]:
                self._state = "DRAIN"
        return True

    def lanes_idle(self, cycle: int) -> bool:
        """No tile is in the vector lanes in this cycle."""
        group_valid = bool(self._groups) and self._groups[0][0] <= cycle
        return not group_valid and self._left == 0

    def _in_flight(self, cycle: int, issue: bool, tile_end: bool) -> None:
        """Registers that follow the tiles: in flight, quiet, the back end's countdown, sum tokens."""
        self.sum_token = bool(self._tokens) and self._tokens[0] == cycle
        if self.sum_token:
            self._tokens.popleft()
        stores = self._stores
        self.bytes_stall = bool(stores) and stores[0] <= cycle
        if stores and stores[0] + self._config.row_groups - 1 == cycle:
            stores.popleft()
        flight, groups = self._flight, self._groups
        if groups and groups[0][0] <= cycle:
            self._left = self._drain - 1
        elif self._left:
            self._left -= 1
        # A tile leaves the array in the cycle before its last row group is on the group stream.
        leaving = False
        rows = self._config.row_groups
        if groups:
            if groups[0][0] + rows - 1 == cycle:
                groups.popleft()
            leaving = any(first + rows - 2 == cycle for first, _ in groups)
        self._flight += tile_end - leaving
        if issue or flight:
            self._quiet = 0
        elif self._quiet != timing.SETTLE:
            self._quiet += 1
