"""Layouts of the signals between the accelerator's units, all derived from `AcceleratorConfig`.

Widths follow docs/architecture.md. Multi-lane data is an `ArrayLayout` with pixel-major order: element
`g*C + j` belongs to pixel lane g and column j.
"""

from __future__ import annotations

from amaranth.hdl import signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hwflow import bit_fields, isa
from hwflow.config import AcceleratorConfig

SLOT_BITS = 16
GROUP_BITS = 9
CHANNEL_BITS = 13
LAYER_BITS = 16
ROW_BITS = 16
SUM_BITS = 32
ACC_BITS = 24

MEMORY_REQUEST = data.StructLayout({"address": 32, "beats": 8})
"""A read of `beats` (1..16) consecutive beats from beat `address`."""

PURPOSE = data.StructLayout({"kind": 4, "layer": 16})
"""What a request is for: isa.Ring, or isa.INSTRUCTIONS, and the layer of the LOAD (0 for instructions)."""


WRITE_STATE = data.StructLayout({"waiting": 1, "moved": 1, "layer": 16, "address": 32})
"""The write port: a beat is offered or not acknowledged; one was taken or acknowledged; the layer and its next beat."""


def index_shape(count: int) -> range:
    """Shape of an index into `count` things, at least one bit wide: Verilog has no ports of width 0."""
    return range(max(2, count))


def fields_layout(fields: tuple[bit_fields.Field, ...]) -> data.StructLayout:
    """Layout of an instruction or constant record, first field in the lowest bits."""
    return data.StructLayout(
        {f.name: signed(f.bits) if f.signed else unsigned(f.bits) for f in fields}
    )


CONV = fields_layout(isa.FIELDS[isa.Op.CONV])
CONSTANT_RECORD = fields_layout(isa.CONSTANT_FIELDS)


def group_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Front end to back end: the sums S of G pixels x C channels leaving an array.

    `last_of_group` marks the last pixel group of the last tile of channel group `cg`.
    """
    return data.StructLayout(
        {
            "valid": 1,
            "slot": SLOT_BITS,
            "mask": config.pixel_lanes,
            "cg": GROUP_BITS,
            "last_of_group": 1,
            "data": data.ArrayLayout(signed(ACC_BITS), config.vector_lanes),
        }
    )


def store_layout(
    config: AcceleratorConfig, element_bits: int, *, pixels: int | None = None
) -> data.StructLayout:
    """A write of one word per pixel lane: slots slot..slot+G-1 where `mask` is set, channel group `cg`."""
    lanes = config.pixel_lanes if pixels is None else pixels
    shape = unsigned(1) if element_bits == 1 else signed(element_bits)
    return data.StructLayout(
        {
            "valid": 1,
            "slot": SLOT_BITS,
            "mask": lanes,
            "cg": GROUP_BITS,
            "data": data.ArrayLayout(shape, lanes * config.cols),
        }
    )


def tap_layout(config: AcceleratorConfig, *, pixels: int | None = None) -> data.StructLayout:
    """A trace tap: a 16-bit store with the layer's number."""
    lanes = config.pixel_lanes if pixels is None else pixels
    return data.StructLayout(
        {
            "valid": 1,
            "layer": LAYER_BITS,
            "slot": SLOT_BITS,
            "mask": lanes,
            "cg": GROUP_BITS,
            "data": data.ArrayLayout(signed(16), lanes * config.cols),
        }
    )


SCALAR_TAP = data.StructLayout(
    {"valid": 1, "layer": LAYER_BITS, "kind": 2, "index": 16, "value": signed(32)}
)
"""Scalar trace tap; kind 0 mean, 1 hidden, 2 scale s, 3 logit."""

CONSTANTS_WRITE = data.StructLayout(
    {
        "valid": 1,
        "channel": CHANNEL_BITS,
        "alpha": signed(16),
        "alpha_shift": 5,
        "beta": signed(24),
        "bias_x": signed(24),
        "out_shift": 5,
        "p": signed(14),
        "n": signed(14),
        "q": signed(24),
    }
)
"""Scalar engine to vector lanes: the constants of one channel for the current image."""


def matvec_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Scalar engine to MAC array: one matrix-vector step.

    `word` is the offset of the ring word from the ring's read pointer, in half words where `narrow` says that weights
    have 4 bits; `release` on a group's last step frees all up to it. Operand i*Km + m multiplies weight (i*C + j)*Km + m.
    """
    return data.StructLayout(
        {
            "valid": 1,
            "last": 1,
            "release": 1,
            "narrow": 1,
            "word": 16,
            "operands": data.ArrayLayout(signed(8), config.fc_inputs),
        }
    )


def matvec_result_layout(config: AcceleratorConfig) -> data.StructLayout:
    """MAC array to scalar engine: the C sums of one output group."""
    return data.StructLayout({"valid": 1, "sums": data.ArrayLayout(signed(SUM_BITS), config.cols)})


def events_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Per-cycle increments of the front end's counters (isa.LAYER_COUNTERS)."""
    slots = max(config.binary_macs, config.mac_lanes).bit_length()
    return data.StructLayout(
        {
            **dict.fromkeys(isa.CYCLE_COUNTERS, 1),
            "useful": slots,
            "masked": slots,
            "k_padding": slots,
            "channel_padding": slots,
            "pixel_padding": slots,
        }
    )


COUNTER_BITS = 40
"""Width of the frame's cycle counter and of every counter of a layer or an FC."""

SCALAR_OPS = (isa.Op.MEAN, isa.Op.FC, isa.Op.AFFINE, isa.Op.END)
"""Instructions of the scalar queue."""

SCALAR_BITS = max(sum(f.bits for f in isa.FIELDS[op]) for op in SCALAR_OPS)
"""Bits of an entry of the scalar queue: the low bits of the instruction, to be seen through `fields_layout`."""

RESULT_WORD = data.StructLayout({"data": 64, "last": 1})
"""A result word on its way to the top; `last` ends a record, which nothing may interrupt."""


def beat_write_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Loader to a ring: one beat."""
    return data.StructLayout({"valid": 1, "data": config.beat_bits})


def bytes_write_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Loader to the byte memory: one word of C bytes."""
    return data.StructLayout(
        {"valid": 1, "bank": range(config.banks), "row": ROW_BITS, "data": 8 * config.cols}
    )


def memory_data_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Memory to accelerator: one beat."""
    return data.StructLayout({"data": config.beat_bits, "error": 1})


def memory_write_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Accelerator to memory: one beat to write."""
    return data.StructLayout({"address": 32, "data": config.beat_bits})


def stream_word_layout(config: AcceleratorConfig) -> data.StructLayout:
    """A word of the streams to and from external memory: C channels of G pixels, as the vector lanes have them."""
    return data.StructLayout({"valid": 1, "data": 8 * config.stream_word_bytes})


class MemoryPort(wiring.Signature):
    """Read port of the memory, seen from the accelerator: requests out, their beats in, in order.

    A request's first beat may come in the cycle after the request is taken, not before; beats are always accepted.
    `error` comes with a beat that could not be read.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        super().__init__(
            {
                "request": Out(stream.Signature(MEMORY_REQUEST)),
                "data": In(stream.Signature(memory_data_layout(config))),
            }
        )


class MemoryBinding(wiring.Signature):
    """What stands behind the accelerator's memory ports, seen from the memory: block RAM, a chip, a bus.

    `read` is the other side of the accelerator's `memory`; `write` takes a beat to write, and `written` pulses once for
    each in their order, from when on reads that are requested see it. Both sides may be used in the same cycle.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        super().__init__(
            {
                "read": In(MemoryPort(config)),
                "write": In(stream.Signature(memory_write_layout(config))),
                "written": Out(1),
            }
        )
