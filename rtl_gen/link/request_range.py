"""Which beats of the memory a request is about."""

from __future__ import annotations

from collections.abc import Callable

from amaranth.hdl import Module, Signal, Value

from hwflow.config import AcceleratorConfig
from hwflow.host.protocol import Kind
from rtl_gen.link.parameters import LinkConfig


def request_range(
    m: Module,
    config: AcceleratorConfig,
    link: LinkConfig,
    kind: Value,
    argument: Callable[[Kind, str], Value],
    size: Value,
) -> tuple[Signal, Signal, Signal]:
    """First beat, beats, and whether some are not in the memory: registers, settled three cycles after the numbers.

    A frame ends with its CRC, so these are there long before a request is carried out.

    Args:
        m: the module that gets them.
        config: the accelerator.
        link: size of the memory.
        kind: of the request.
        argument: number of a kind of request by name.
        size: of a WRITE's data, bytes.
    """
    shift = (config.memory_bytes - 1).bit_length()
    address, beats, end, outside = Signal(32), Signal(32), Signal(33), Signal()
    with m.Switch(kind):
        with m.Case(Kind.WRITE):
            m.d.sync += [address.eq(argument(Kind.WRITE, "address")), beats.eq(size >> shift)]
        for other in (Kind.READ, Kind.CHECK, Kind.RUN):
            with m.Case(other):
                m.d.sync += [
                    address.eq(argument(other, "address")),
                    beats.eq(argument(other, "beats")),
                ]
    m.d.sync += [end.eq(address + beats), outside.eq(end > link.memory_beats)]
    return address, beats, outside
