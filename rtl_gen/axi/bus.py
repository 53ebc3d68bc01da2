"""Channels of AXI4 and AXI4-Lite as streams, and their ports under the names that tools look for.

AMBA AXI and ACE Protocol Specification (ARM IHI 0022): what a channel carries, and the constants below.
"""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Const, Module, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from hwflow.registers import ADDRESS_BITS, WORD_BITS, WORD_BYTES

PAGE = 4096
"""Bytes. No burst may cross a multiple of it."""
BURST_INCR = 1
CACHE_NORMAL = 0b0011
"""Normal memory, not cacheable, bufferable: interconnects may join and split bursts."""
OKAY, SLVERR = 0, 2

BURST_ADDRESS = data.StructLayout({"address": 64, "length": 8})
"""Payload of AR and AW: byte address of the first beat, beats less one. All else is constant."""
LITE_WRITE = data.StructLayout({"data": WORD_BITS, "strobe": WORD_BYTES})
LITE_READ = data.StructLayout({"data": WORD_BITS, "response": 2})


def write_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Payload of W."""
    return data.StructLayout({"data": config.beat_bits, "strobe": config.memory_bytes, "last": 1})


def read_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Payload of R; `last` is not looked at, because every burst's length is known."""
    return data.StructLayout({"data": config.beat_bits, "response": 2})


def write_beat_layout(config: AcceleratorConfig) -> data.StructLayout:
    """A beat on its way to the write channels: its byte address, and which Client it is of."""
    return data.StructLayout(
        {"address": 64, "data": config.beat_bits, "strobe": config.memory_bytes, "client": 1}
    )


class Master(wiring.Signature):
    """AXI4 master with 64-bit addresses: one ID, INCR bursts of whole beats."""

    def __init__(self, config: AcceleratorConfig) -> None:
        super().__init__(
            {
                "aw": Out(stream.Signature(BURST_ADDRESS)),
                "w": Out(stream.Signature(write_layout(config))),
                "b": In(stream.Signature(2)),
                "ar": Out(stream.Signature(BURST_ADDRESS)),
                "r": In(stream.Signature(read_layout(config))),
            }
        )


class Lite(wiring.Signature):
    """AXI4-Lite seen from the master, 32 bits of data."""

    def __init__(self) -> None:
        super().__init__(
            {
                "aw": Out(stream.Signature(ADDRESS_BITS)),
                "w": Out(stream.Signature(LITE_WRITE)),
                "b": In(stream.Signature(2)),
                "ar": Out(stream.Signature(ADDRESS_BITS)),
                "r": In(stream.Signature(LITE_READ)),
            }
        )


@dataclass(frozen=True)
class Port:
    """A port `name` of `bits`; `drives`: an output of the master.

    It is field `field` of the payload of `channel` (None: the payload itself), or `constant`, or, with neither,
    an input that is not looked at.
    """

    name: str
    channel: str
    bits: int
    drives: bool
    field: str | None = None
    constant: int | None = None
    ignored: bool = False


def _address_channel(channel: str, config: AcceleratorConfig) -> tuple[Port, ...]:
    size = (config.memory_bytes - 1).bit_length()
    constants = (
        ("id", 1, 0),
        ("size", 3, size),
        ("burst", 2, BURST_INCR),
        ("lock", 1, 0),
        ("cache", 4, CACHE_NORMAL),
        ("prot", 3, 0),
        ("qos", 4, 0),
    )
    return (
        Port(f"{channel}addr", channel, 64, True, "address"),
        Port(f"{channel}len", channel, 8, True, "length"),
        *(
            Port(f"{channel}{name}", channel, bits, True, constant=value)
            for name, bits, value in constants
        ),
    )


def master_ports(config: AcceleratorConfig) -> tuple[Port, ...]:
    """The ports of an AXI4 master, without valid and ready."""
    return (
        *_address_channel("aw", config),
        Port("wdata", "w", config.beat_bits, True, "data"),
        Port("wstrb", "w", config.memory_bytes, True, "strobe"),
        Port("wlast", "w", 1, True, "last"),
        Port("bid", "b", 1, False, ignored=True),
        Port("bresp", "b", 2, False),
        *_address_channel("ar", config),
        Port("rid", "r", 1, False, ignored=True),
        Port("rdata", "r", config.beat_bits, False, "data"),
        Port("rresp", "r", 2, False, "response"),
        Port("rlast", "r", 1, False, ignored=True),
    )


LITE_PORTS = (
    Port("awaddr", "aw", ADDRESS_BITS, True),
    Port("awprot", "aw", 3, True, ignored=True),
    Port("wdata", "w", WORD_BITS, True, "data"),
    Port("wstrb", "w", WORD_BYTES, True, "strobe"),
    Port("bresp", "b", 2, False),
    Port("araddr", "ar", ADDRESS_BITS, True),
    Port("arprot", "ar", 3, True, ignored=True),
    Port("rdata", "r", WORD_BITS, False, "data"),
    Port("rresp", "r", 2, False, "response"),
)
"""The ports of AXI4-Lite, without valid and ready."""


def members(ports: tuple[Port, ...], prefix: str, *, slave: bool) -> dict[str, wiring.Member]:
    """Members of a component that has `ports`, and valid and ready of their channels."""
    made: dict[str, wiring.Member] = {}
    for port in ports:
        drive, take = (In, Out) if port.drives == slave else (Out, In)
        made[prefix + port.name] = drive(port.bits)
        made[f"{prefix}{port.channel}valid"] = drive(1)
        made[f"{prefix}{port.channel}ready"] = take(1)
    return made


def attach(
    m: Module, top: wiring.Component, ports: tuple[Port, ...], prefix: str, bus: object
) -> None:
    """Connect `ports` of `top` with the channels of `bus`, a part inside that has the same view of them."""
    for port in ports:
        outside: Value = getattr(top, prefix + port.name)
        channel = getattr(bus, port.channel)
        valid: Value = getattr(top, f"{prefix}{port.channel}valid")
        ready: Value = getattr(top, f"{prefix}{port.channel}ready")
        outward = top.signature.members[prefix + port.name].flow == Out
        if port.field is not None or (port.constant is None and not port.ignored):
            inside = getattr(channel.payload, port.field) if port.field else channel.payload
            m.d.comb += outside.eq(inside) if outward else inside.eq(outside)
            m.d.comb += (
                [valid.eq(channel.valid), channel.ready.eq(ready)]
                if outward
                else [channel.valid.eq(valid), ready.eq(channel.ready)]
            )
        elif port.constant is not None:
            m.d.comb += outside.eq(Const(port.constant, port.bits))
