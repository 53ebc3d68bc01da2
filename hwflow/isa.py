"""The schedule's instruction set: one table of fields serves encoder, decoder, RTL layout, JSON Schema and docs.

An instruction is 512 bits (64 bytes), little endian: fields are packed from bit 0 upwards in table order, bits above the
last field are zero. A field's kind is unsigned (`u`) or two's complement (`s`). docs/architecture.md explains the units.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

from hwflow.bit_fields import Field, pack, unpack
from hwflow.errors import FlowError

VERSION = 3
"""Version of the schedule and image format; any change of a table below raises it."""

INSTRUCTION_BYTES = 64


class Op(enum.IntEnum):
    """Opcodes; field `op` of every instruction."""

    LOAD = 1
    CONV = 2
    MEAN = 3
    FC = 4
    AFFINE = 5
    END = 6


class Ring(enum.IntEnum):
    """Destinations of a LOAD."""

    WEIGHTS = 0
    MACS = 1
    CONSTANTS = 2
    BYTES = 3
    LONG = 4


class Residual(enum.IntEnum):
    """Residual memories (operands of the vector unit)."""

    NONE = 0
    MAIN = 1
    SIDE = 2
    POOL = 3


class Store(enum.IntEnum):
    """Where a CONV writes its output tensor; NONE: nobody reads it as it is; MEANS: its channel means to main."""

    NONE = 0
    MAIN = 1
    SIDE = 2
    BYTES = 3
    POOL = 4
    MEANS = 5


class FcDest(enum.IntEnum):
    """Where an FC sends its outputs."""

    HIDDEN = 0  # vector memory B, 8 bits each
    SCALE = 1  # s -> affine pair -> channel constants of the vector unit
    LOGITS = 2  # result stream


def _f(name: str, bits: int, doc: str, signed: bool = False) -> Field:
    return Field(name, bits, doc, signed)


SHIFT_LIMIT = 30
"""Largest shift of the vector and scalar arithmetic (docs/numerics.md)."""


def _shift(name: str, bits: int, doc: str) -> Field:
    return Field(name, bits, doc, maximum=SHIFT_LIMIT)


_HEAD = (_f("op", 8, "opcode"), _f("layer", 16, "layer number, the tag of counters and traces"))

FIELDS: Mapping[Op, tuple[Field, ...]] = {
    Op.LOAD: (
        *_HEAD,
        _f(
            "ring",
            3,
            "destination: 0 binary weights, 1 8-bit weights, 2 channel constants, 3 byte memory, 4 long stream",
        ),
        _f("address", 32, "first beat in the memory image"),
        _f("beats", 24, "beats to load, at least 1"),
        _f("base", 16, "BYTES: first row of the destination tensor"),
        _f("words", 8, "BYTES: words of C channels per pixel"),
        _f("after", 16, "LONG: convolutions that must be over before the first request"),
    ),
    Op.CONV: (
        *_HEAD,
        _f("mac", 1, "0: binary array on bit planes, 1: 8-bit MAC array on the byte memory"),
        _f("grouped", 1, "MAC: output channel o reads input channel o >> group_shift"),
        _f("group_shift", 2, "MAC grouped: log2 of outputs per input channel"),
        _f("in_h", 9, "input rows"),
        _f("in_w", 9, "input columns, the pitch of the source tensor in pixels"),
        _f("out_h", 9, "output rows"),
        _f("out_w", 9, "output columns, the pitch of the stored tensor in pixels"),
        _f("kernel", 3, "kernel height and width"),
        _f("stride2", 1, "0: stride 1, 1: stride 2"),
        _f("pad_top", 2, "padding rows above"),
        _f("pad_left", 2, "padding columns on the left"),
        _f(
            "row_aligned",
            1,
            "1: every output row starts a new tile; 0: tiles run over row ends (stride 1, in_w == out_w)",
        ),
        _f("tiles", 16, "tiles of R output pixels per channel group"),
        _f("row_div", 6, "linear tiles: R // out_w"),
        _f("row_mod", 6, "linear tiles: R % out_w"),
        _f("words", 10, "steps per tap: binary ceil(Cin/K), MAC full ceil(Cin/Km), MAC grouped 1"),
        _f("src_words", 8, "words per pixel of the source tensor: ceil(Cin/K) or ceil(Cin/C)"),
        _f("last_k", 8, "valid channels of the last step of a tap: 1..K or 1..Km"),
        _f("src_base", 16, "first row of the source tensor"),
        _f("groups", 9, "output channel groups: ceil(Cout/C)"),
        _f("last_cols", 7, "valid columns of the last group: 1..C"),
        _f(
            "weight_words",
            16,
            "ring words per group: binary kernel*kernel*words, MAC ceil(kernel*kernel*words / R)",
        ),
        _shift("acc_shift", 5, "S' = rsr(S, acc_shift)"),
        _f("r_src", 2, "memory of the local shortcut r; 0 none"),
        _f("r_base", 16, "first row of r"),
        _f("r_groups", 9, "channel groups of r; groups beyond read as zero"),
        _shift("r_shift", 5, "left shift of r onto v's grid"),
        _f(
            "main_pitch",
            9,
            "words per pixel of the operand in the main memory; its groups beyond come from the long stream",
        ),
        _f("r1_src", 2, "memory of the long shortcut r1; 0 none"),
        _f("r1_base", 16, "first row of r1"),
        _f(
            "r1_groups",
            9,
            "channel groups of r1; channel o reads o mod (C*(r1_groups - 1) + r1_last)",
        ),
        _shift("r1_shift", 5, "left shift of r1 onto v's grid"),
        _f(
            "store",
            3,
            "destination of the output: 0 none, 1 main, 2 side, 3 byte memory (saturated to 8 bits), 4 pool, "
            "5 main, means of 2**store_shift consecutive channels in its place",
        ),
        _f("store_shift", 2, "MEANS: log2 of the channels averaged, 1..3"),
        _f("store_base", 16, "first row of the stored tensor"),
        _f(
            "store_pitch",
            9,
            "words per pixel of the stored tensor; MAIN: groups beyond go to external memory",
        ),
        _f("spill_address", 32, "MAIN: first beat in the memory image of those groups"),
        _f("bits_en", 1, "also write the sign bits"),
        _f("bits_base", 16, "first row of the bit plane"),
        _f("bits_words", 8, "words per pixel of the bit plane: ceil(Cout/K)"),
        _f(
            "mean_en",
            1,
            "also write means of 2**mean_shift consecutive channels",
        ),
        _f("mean_main", 1, "means go to: 0 the side memory, 1 the main memory"),
        _f("mean_shift", 2, "log2 of the channels averaged, 1..3"),
        _f("mean_base", 16, "first row of the mean tensor"),
        _f(
            "mean_groups",
            9,
            "words per pixel of the mean tensor, at least ceil(Cout / 2**mean_shift / C)",
        ),
        _f("pool_en", 1, "also write the 3x3/9 stride-2 pool to the pool memory"),
        _f("pool_base", 16, "first row of the pooled tensor"),
        _f("pool_top", 1, "padding rows above the pool windows"),
        _f("pool_left", 1, "padding columns left of the pool windows"),
        _f("pool_h", 9, "rows of the pooled tensor"),
        _f("pool_w", 9, "columns of the pooled tensor"),
        _f(
            "sums_en",
            1,
            "keep the sum of every output channel over all pixels, one sum token per group",
        ),
        _f("interval", 6, "fewest cycles from one tile's first step to the next's: R/G"),
        _f("r1_last", 7, "valid channels of r1's last group, 1..C; 0 without r1"),
        _f(
            "r1_head_base", 16, "r1 whose repetition is not a multiple of C: first row of its heads"
        ),
        _f("heads_en", 1, "also keep the first C channels of every pooled pixel as heads"),
        _f("head_base", 16, "first row of the heads"),
    ),
    Op.MEAN: (
        *_HEAD,
        _f("count", 16, "channels"),
        _shift(
            "acc_shift",
            5,
            "scalar arithmetic (docs/numerics.md): rounding right shift of the input",
        ),
        _f("alpha", 16, "multiplier, common to all channels", True),
        _f("beta", 32, "bias in the product's domain", True),
        _shift("shift", 5, "right shift of the sum"),
        _f("lo", 16, "smallest result", True),
        _f("hi", 16, "largest result", True),
        _f("records", 1, "alpha, beta and shift of each channel come from the constant ring"),
    ),
    Op.FC: (
        *_HEAD,
        _f("hidden", 1, "input: 0 vector memory A (means), 1 vector memory B (hidden)"),
        _f("inputs", 16, "input length"),
        _f("steps", 12, "ring words per group: ceil(inputs / (R*Km))"),
        _f("outputs", 16, "output length"),
        _shift("acc_shift", 5, "as in MEAN; alpha, beta and shift come from the constant ring"),
        _f("lo", 24, "smallest result", True),
        _f("hi", 24, "largest result", True),
        _f("dest", 2, "0 hidden, 1 scale, 2 logits"),
        _f("wide", 1, "1: 8-bit weights; 0: 4-bit weights, a step's are half a ring word"),
    ),
    Op.AFFINE: (*_HEAD, _f("count", 16, "channels whose constants are set with s = 1.0")),
    Op.END: (*_HEAD,),
}

CONSTANT_FIELDS: tuple[Field, ...] = (
    _f("scalar_alpha", 16, "scalar arithmetic: multiplier", True),
    _shift("scalar_shift", 8, "scalar arithmetic: right shift"),
    _f("scalar_beta", 32, "scalar arithmetic: bias in the product's domain", True),
    _f("pos", 16, "slope for t >= 0, times a2", True),
    _f("neg", 16, "slope for t < 0, times a2", True),
    _f("bias_y", 16, "bias_y times a2", True),
    _shift("bias_y_shift", 8, "its right shift after the product with s"),
    _f("offset", 24, "b2 on the output grid", True),
    _f("alpha", 16, "vector arithmetic: multiplier of S'", True),
    _shift("alpha_shift", 8, "its right shift"),
    _f("beta", 24, "bias on v's grid", True),
    _f("bias_x", 24, "threshold on v's grid", True),
    _shift("out_shift", 8, "right shift of (p or n)*t"),
)
"""A constant record: 256 bits, one per output channel of an FC or AFFINE, or of a MEAN with `records`.

Packed like an instruction.
"""

CONSTANT_BITS = 256


class Record(enum.IntEnum):
    """Kinds of words on the result stream (bits 0..7 of each 64-bit word)."""

    LAYER = 1
    SCALAR = 2
    LOGIT = 3
    END = 4
    ERROR = 5


class Fault(enum.IntEnum):
    """What an ERROR record reports of the memory port."""

    RESPONSE = 1  # the beat came with an error
    SILENCE = 2  # nothing came in timing.MEMORY_PATIENCE cycles


INSTRUCTIONS = 15
"""Stands for the schedule's beats where isa.Ring names the others' destination."""


LAYER_COUNTER_MEANINGS: Mapping[str, str] = {
    "start": "cycle of the frame in which the instruction was accepted",
    "end": "cycle in which the layer's last write was done",
    "issue": "cycles with an array step",
    "setup": "cycles preparing row coordinates and groups",
    "stall_weights": "waiting for the weight ring",
    "stall_scale": "waiting for channel constants",
    "stall_interval": "waiting for the vector unit's rate",
    "stall_stream": "waiting for the long stream, or for room to store to external memory",
    "drain": "after the last step, until all is written",
    "useful": "MAC slots with valid operands",
    "masked": "MAC slots on padded taps",
    "k_padding": "MAC slots beyond the last input channel",
    "channel_padding": "MAC slots beyond the last output channel",
    "pixel_padding": "MAC slots beyond the last output pixel",
    "saturated_t": "elements whose t saturated",
    "saturated_y": "elements whose output saturated",
}
LAYER_COUNTERS: tuple[str, ...] = tuple(LAYER_COUNTER_MEANINGS)
CYCLE_COUNTERS: tuple[str, ...] = (
    "issue",
    "setup",
    "stall_weights",
    "stall_scale",
    "stall_interval",
    "stall_stream",
    "drain",
)
"""The counters among LAYER_COUNTERS that share out a layer's cycles: exactly one counts each."""
SCALAR_COUNTER_MEANINGS: Mapping[str, str] = {
    "start": "cycle of the frame in which the instruction was taken",
    "end": "cycle in which the last output arrived",
    "steps": "cycles with a step of the MAC array",
    "useful": "MAC slots with an input and an output",
    "padding": "MAC slots beyond the last input or output",
}
SCALAR_COUNTERS: tuple[str, ...] = tuple(SCALAR_COUNTER_MEANINGS)
END_COUNTER_MEANINGS: Mapping[str, str] = {
    "cycles": "start to last logit",
    "bytes_schedule": "instructions dispatched, 64 bytes each",
    "bytes_weights": "binary weights read",
    "bytes_macs": "8-bit and 4-bit weights read",
    "bytes_constants": "channel constants read",
    "bytes_image": "of the image read",
    "bytes_spill_read": "activations read from external memory",
    "bytes_spill_written": "activations written to external memory",
}
END_COUNTERS: tuple[str, ...] = tuple(END_COUNTER_MEANINGS)

_RECORD_HEAD = (_f("kind", 8, "which record"), _f("layer", 16, "layer number"))
RECORD_FIELDS: Mapping[Record, tuple[Field, ...]] = {
    Record.LAYER: (
        *_RECORD_HEAD,
        _f("zero", 8, "0"),
        _f("signature", 32, "of the stored tensor (docs/numerics.md)"),
    ),
    Record.SCALAR: (*_RECORD_HEAD, _f("wide", 1, "1: 8-bit weights, 0: 4-bit weights")),
    Record.LOGIT: (
        _RECORD_HEAD[0],
        _f("class", 16, "which class"),
        _f("zero", 8, "0"),
        _f("value", 32, "the logit", True),
    ),
    Record.END: (
        _RECORD_HEAD[0],
        _f("zero", 24, "0"),
        _f("signature", 32, "of the logits (docs/numerics.md)"),
    ),
    Record.ERROR: (
        *_RECORD_HEAD,
        _f("fault", 4, "Fault"),
        _f("destination", 4, "what the beat was for: Ring, or 15 for the schedule"),
        _f("address", 32, "of the beat, in beats"),
    ),
}
"""First word of each record, from bit 0; the others are its counters, a 64-bit word each."""
RECORD_COUNTERS: Mapping[Record, Mapping[str, str]] = {
    Record.LAYER: LAYER_COUNTER_MEANINGS,
    Record.SCALAR: SCALAR_COUNTER_MEANINGS,
    Record.LOGIT: {},
    Record.END: END_COUNTER_MEANINGS,
    Record.ERROR: {},
}


def layer_cycles(counters: Mapping[str, int]) -> int:
    """Cycles of a layer by its record's counters: `start` and `end` are its first and its last."""
    return counters["end"] - counters["start"] + 1


def encode(values: Mapping[str, int]) -> bytes:
    """One instruction as 64 bytes; `values` holds `op` and every field of that opcode.

    Raises:
        FlowError: unknown opcode or field, missing or out-of-range value.
    """
    try:
        op = Op(values["op"])
    except (KeyError, ValueError) as error:
        raise FlowError(f"unknown opcode {values.get('op')!r}") from error
    return pack(FIELDS[op], values).to_bytes(INSTRUCTION_BYTES, "little")


def decode(data: bytes) -> dict[str, int]:
    """Inverse of `encode`.

    Raises:
        FlowError: wrong length, unknown opcode or stray bits.
    """
    if len(data) != INSTRUCTION_BYTES:
        raise FlowError(f"an instruction has {INSTRUCTION_BYTES} bytes, got {len(data)}")
    try:
        op = Op(data[0])
    except ValueError as error:
        raise FlowError(f"unknown opcode {data[0]}") from error
    return unpack(FIELDS[op], int.from_bytes(data, "little"))
