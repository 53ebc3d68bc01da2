"""Parameters of a generated accelerator, shared by the compiler, the cycle model and the RTL.

`AcceleratorConfig` holds what a user chooses (a YAML target) and derives everything else from it, so that a
bank count or a latency has one formula. See docs/architecture.md for what each unit does.
"""

from __future__ import annotations

import dataclasses
import importlib.resources
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from hwflow.errors import FlowError, suggestion
from hwflow.numerics import RESIDUAL_BITS, STORED_BITS

CHANNEL_GROUPS = 511
"""Most channel groups of a tensor: the instructions' fields for them have 9 bits."""

FC_STEPS = 4095
"""Most steps of a matrix-vector product: FC's field for them has 12 bits."""

LARGE = 2048
"""Designs of more binary MACs a cycle are made for routing on an FPGA (`AcceleratorConfig.for_routing`)."""

STORE_WORDS = 3
"""Least words of the store FIFO: with fewer, a buffered FIFO has no room for words of consecutive cycles."""


@dataclass(frozen=True, kw_only=True)
class AcceleratorConfig:
    """One accelerator. All sizes are in the unit the field's comment names.

    Raises:
        FlowError: a value the hardware cannot have; names the field, the reason and the nearest valid value.
    """

    name: str
    rows: int  # R: output pixels of a tile
    cols: int  # C: output channels of a group; a power of two
    popcount_width: int  # K: input channels one PE reduces per cycle; a power of two
    popcount_stages: int  # pipeline stages of a popcount, 1 or 2
    pixel_lanes: int  # G: pixels leaving the arrays per cycle; vector lanes V = G*C
    mac_depth: int  # Km: 8-bit products one MAC PE adds per cycle; M = R*C*Km
    memory_bytes: int  # B: bytes per beat of the memory port
    weight_words: int  # binary weight ring, words of C*K bits
    mac_words: int  # 8-bit weight ring, words of R*C*Km bytes
    constant_words: int  # channel constant ring, records of 256 bits
    bit_rows: int  # bit-plane memory, words of K bits per bank
    byte_rows: int  # 8-bit feature memory, words of C bytes per bank
    residual_bits: int = STORED_BITS  # N: width of a stored element
    main_rows: int  # main residual memory, words of C*N bits per bank
    side_rows: int  # side residual memory, words of C*N bits per bank
    pool_rows: int  # pooled residual memory, words of C*N bits per bank
    line_pixels: int  # widest tensor row that is pooled, pixels
    channel_limit: int  # most channels of a tensor
    long_words: int  # FIFO of the long stream, words of G*C*16 bits; 0: activations are never in external memory
    store_words: (
        int  # FIFO of what is stored to external memory, words of G*C*16 bits; 0 with long_words 0
    )
    head_rows: int  # head memory of pooled long shortcuts, words of C*N bits per bank; 0: none (hwflow/heads.py)

    def __post_init__(self) -> None:
        self._power_of_two("cols", 8, 64)
        self._power_of_two("popcount_width", 16, 128)
        self._power_of_two("pixel_lanes", 1, 16)
        self._power_of_two("mac_depth", 1, 8)
        self._power_of_two("memory_bytes", 8, 64)
        self._in_range("rows", 2, 32)
        self._in_range("popcount_stages", 1, 2)
        for field in ("weight_words", "mac_words", "constant_words", "bit_rows", "byte_rows"):
            self._in_range(field, 16, 65536)
        self._in_range("residual_bits", RESIDUAL_BITS.start, RESIDUAL_BITS[-1])
        for field in ("main_rows", "side_rows", "pool_rows"):
            self._in_range(field, 16, 65536)
        self._in_range("line_pixels", 1, 511)
        self._check_streams()
        if self.head_rows:
            self._in_range("head_rows", 16, 65536)
        self._in_range("channel_limit", self.cols, 8192)
        if self.channel_groups_limit > CHANNEL_GROUPS:
            raise FlowError(
                f"target {self.name}: channel_limit {self.channel_limit} gives {self.channel_groups_limit} groups of "
                f"{self.cols} channels, but an instruction counts at most {CHANNEL_GROUPS}; "
                f"nearest valid: {CHANNEL_GROUPS * self.cols}"
            )
        if self.channel_limit > FC_STEPS * self.fc_inputs:
            raise FlowError(
                f"target {self.name}: channel_limit {self.channel_limit} takes more than {FC_STEPS} steps of "
                f"rows*mac_depth = {self.fc_inputs} inputs, but an instruction counts no more; raise mac_depth, or "
                f"lower channel_limit; nearest valid: {FC_STEPS * self.fc_inputs}"
            )
        if self.rows % self.pixel_lanes:
            nearest = max(
                g for g in (1, 2, 4, 8, 16) if self.rows % g == 0 and g <= self.pixel_lanes
            )
            raise FlowError(
                f"target {self.name}: pixel_lanes {self.pixel_lanes} must divide rows {self.rows}; nearest valid: {nearest}"
            )
        if self.popcount_width < self.cols:
            raise FlowError(
                f"target {self.name}: popcount_width {self.popcount_width} must be at least cols {self.cols}, because a "
                f"group's sign bits are written into one bit-plane word; nearest valid: {self.cols}"
            )
        if self.constant_words % self.records_per_beat:
            raise FlowError(
                f"target {self.name}: constant_words {self.constant_words} must be a multiple of the "
                f"{self.records_per_beat} records of a beat; nearest valid: {self.constant_words + 1}"
            )
        if 8 * self.memory_bytes < self.popcount_width:
            raise FlowError(
                f"target {self.name}: memory_bytes {self.memory_bytes} must hold one column word of {self.popcount_width} "
                f"bits; nearest valid: {self.popcount_width // 8}"
            )
        if self.weight_beats < 1:
            raise FlowError(
                f"target {self.name}: a binary weight word has cols*popcount_width = {self.cols * self.popcount_width} "
                f"bits, less than a memory beat; nearest valid memory_bytes: {self.cols * self.popcount_width // 8}"
            )
        if self.mac_word_bytes % (2 * self.memory_bytes):
            raise FlowError(
                f"target {self.name}: a word of the 8-bit ring has rows*cols*mac_depth = {self.mac_word_bytes} bytes, but "
                f"must hold whole pairs of beats; {self._whole_pairs_of_beats()}"
            )

    def _check_streams(self) -> None:
        if not self.long_words and not self.store_words:
            return
        self._in_range("long_words", 2 * self.row_groups, 4096)
        self._in_range("store_words", max(STORE_WORDS, 2 * self.row_groups), 4096)
        if self.stream_word_bytes % self.memory_bytes:
            raise FlowError(
                f"target {self.name}: a word of the long stream has 2*pixel_lanes*cols = {self.stream_word_bytes} "
                f"bytes, no whole beats; nearest valid memory_bytes: {self.stream_word_bytes}"
            )

    def _in_range(self, field: str, low: int, high: int) -> None:
        value = getattr(self, field)
        if not low <= value <= high:
            nearest = min(max(value, low), high)
            raise FlowError(
                f"target {self.name}: {field} {value} must be {low}..{high}; nearest valid: {nearest}"
            )

    def _power_of_two(self, field: str, low: int, high: int) -> None:
        value = getattr(self, field)
        if value < low or value > high or value & (value - 1):
            candidates = [1 << i for i in range(16) if low <= 1 << i <= high]
            nearest = min(candidates, key=lambda c: (abs(c - value), c))
            raise FlowError(
                f"target {self.name}: {field} {value} must be a power of two {low}..{high}; nearest valid: {nearest}"
            )

    def _whole_pairs_of_beats(self) -> str:
        """The change that lets a word of the 8-bit ring hold whole pairs of beats."""
        needed = max(8, self.popcount_width // 8)
        fitting = [
            size
            for size in (64, 32, 16, 8)
            if size >= needed and self.mac_word_bytes % (2 * size) == 0
        ]
        if fitting:
            return f"nearest valid memory_bytes: {fitting[0]}"
        return "no memory_bytes does; raise mac_depth, or take an even number of rows"

    # Derived sizes -------------------------------------------------------------------------------
    @property
    def banks(self) -> int:
        """Banks of the bit and byte memories: the smallest odd number >= R.

        An odd count lets R consecutive pixels (stride 1) and R alternate pixels (stride 2) fall into
        distinct banks with one raster layout (docs/decisions.md).
        """
        return self.rows | 1

    @property
    def shared_features(self) -> bool:
        """Whether bit planes and 8-bit features lie in one memory, bytes after bits: words of both are as wide."""
        return self.popcount_width == 8 * self.cols

    @property
    def byte_origin(self) -> int:
        """First row of the 8-bit features in their memory."""
        return self.bit_rows if self.shared_features else 0

    @property
    def row_groups(self) -> int:
        """R/G: cycles a tile needs to leave an array."""
        return self.rows // self.pixel_lanes

    @property
    def binary_macs(self) -> int:
        """P: binary MACs per cycle."""
        return self.rows * self.cols * self.popcount_width

    @property
    def for_routing(self) -> bool:
        """Whether a board is made for routing: popcounts of LUTs, constants off the routing, cells spread wider.

        LUTs take more room than carry cells, but place and route may exchange their inputs (docs/board.md). Smaller
        designs route without.
        """
        return self.binary_macs > LARGE

    @property
    def vector_lanes(self) -> int:
        """V: stored outputs per cycle."""
        return self.pixel_lanes * self.cols

    @property
    def mac_lanes(self) -> int:
        """M: 8-bit MACs per cycle."""
        return self.rows * self.cols * self.mac_depth

    @property
    def mac_word_bytes(self) -> int:
        """Bytes of one word of the 8-bit weight ring."""
        return self.mac_lanes

    @property
    def mac_half_beats(self) -> int:
        """Beats of half a word of the 8-bit ring: the ring's unit, and a word's worth of 4-bit values."""
        return self.mac_word_bytes // (2 * self.memory_bytes)

    @property
    def fc_inputs(self) -> int:
        """Vector elements a matrix-vector step consumes."""
        return self.rows * self.mac_depth

    @property
    def beat_bits(self) -> int:
        """Bits of one memory beat."""
        return 8 * self.memory_bytes

    @property
    def weight_beats(self) -> int:
        """Beats of one binary weight word (C*K bits)."""
        return self.cols * self.popcount_width // self.beat_bits

    @property
    def records_per_beat(self) -> int:
        """Constant records (32 bytes) in a beat that holds more than one, else 1; an instruction's fill whole beats."""
        return max(1, self.memory_bytes // 32)

    @property
    def record_beats(self) -> int:
        """Beats of a constant record that takes several, else 1."""
        return max(1, 32 // self.memory_bytes)

    @property
    def constant_ring_beats(self) -> int:
        """Beats the constant ring holds."""
        return self.constant_words * 32 // self.memory_bytes

    @property
    def residual_word_bits(self) -> int:
        """Bits of a word of one bank of a residual memory: C stored elements."""
        return self.cols * self.residual_bits

    @property
    def stream_word_bytes(self) -> int:
        """Bytes of a word of the streams to and from external memory: G pixels of C channels, sign-extended."""
        return self.vector_lanes * STORED_BITS // 8

    @property
    def stream_beats(self) -> int:
        """Beats of such a word."""
        return self.stream_word_bytes // self.memory_bytes

    @property
    def ring_bytes(self) -> int:
        """Bytes the three rings hold: binary weights, 8-bit weights, 256-bit constant records."""
        binary = self.weight_words * self.cols * self.popcount_width // 8
        return binary + self.mac_words * self.mac_word_bytes + 32 * self.constant_words

    @property
    def stream_bytes(self) -> int:
        """Bytes both FIFOs of the streams hold."""
        return (self.long_words + self.store_words) * self.stream_word_bytes

    @property
    def tensor_bytes(self) -> int:
        """Bytes of the memories that hold tensors and heads."""
        bits = self.bit_rows * self.banks * self.popcount_width // 8
        rows = self.main_rows + self.side_rows + self.pool_rows + self.head_rows
        residual = rows * self.pixel_lanes * self.residual_word_bits // 8
        return bits + self.byte_rows * self.banks * self.cols + residual

    @property
    def on_chip_bytes(self) -> int:
        """Bytes of all large memories: rings, tensors, streams."""
        return self.ring_bytes + self.tensor_bytes + self.stream_bytes

    @property
    def channel_groups_limit(self) -> int:
        """Most channel groups of a tensor."""
        return math.ceil(self.channel_limit / self.cols)

    @classmethod
    def from_dict(cls, values: dict[str, Any], *, source: str) -> AcceleratorConfig:
        """Build from a mapping (a parsed YAML target).

        Raises:
            FlowError: unknown, missing or ill-typed fields, named with `source`.
        """
        fields = {f.name: f for f in dataclasses.fields(cls)}
        for key in values:
            if key not in fields:
                hint = suggestion(str(key), fields) or f"; fields are {', '.join(fields)}"
                raise FlowError(f"{source}: unknown field {key!r}{hint}")
        needed = [name for name, f in fields.items() if f.default is dataclasses.MISSING]
        missing = [name for name in needed if name not in values]
        if missing:
            raise FlowError(f"{source}: missing field {missing[0]!r}; add it (see docs/targets.md)")
        for key, value in values.items():
            wanted = str if key == "name" else int
            if not isinstance(value, wanted) or isinstance(value, bool):
                raise FlowError(f"{source}: {key} must be {wanted.__name__}, got {value!r}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """The user's fields, in declaration order."""
        return dataclasses.asdict(self)


def target_names() -> list[str]:
    """Names of the targets that ship with the package, sorted."""
    folder = importlib.resources.files("hwflow") / "targets"
    return sorted(Path(p.name).stem for p in folder.iterdir() if p.name.endswith(".yaml"))


def load_target(target: str | Path) -> AcceleratorConfig:
    """Read a target: a shipped name (`sim-small`) or a path to a YAML file.

    Raises:
        FlowError: no such target or file, not YAML, or values the hardware cannot have.
    """
    text = str(target)
    if text.endswith((".yaml", ".yml")):
        path = Path(text)
        if not path.is_file():
            raise FlowError(f"target file {text} does not exist")
        try:
            content = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise FlowError(
                f"target {text} is not UTF-8 text ({error}); save it as such"
            ) from error
    else:
        if text not in target_names():
            near = suggestion(text, target_names())
            raise FlowError(
                f"unknown target {text!r}{near}; targets are {', '.join(target_names())}, or a .yaml file"
            )
        content = (importlib.resources.files("hwflow") / "targets" / f"{text}.yaml").read_text()
    try:
        values = yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise FlowError(f"target {text} is not valid YAML: {error}".replace("\n", " ")) from error
    if not isinstance(values, dict):
        raise FlowError(f"target {text} must be a YAML mapping of fields")
    return AcceleratorConfig.from_dict(cast(dict[str, Any], values), source=f"target {text}")
