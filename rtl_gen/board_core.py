"""What every board's top has inside: the host's link, the accelerator, and the memory behind both."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

import amaranth
from amaranth.hdl import (
    ClockDomain,
    ClockSignal,
    DomainRenamer,
    Module,
    Mux,
    ResetSignal,
    Signal,
    Value,
)
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

import hwflow
import rtl_gen
from hwflow.config import AcceleratorConfig
from rtl_gen.accelerator import Accelerator
from rtl_gen.link.host_link import HostLink
from rtl_gen.link.parameters import BUFFER_WORDS, LinkConfig

MOST_OWED = 1024
"""More beats than the accelerator ever waits for."""


class Binding(Protocol):
    """A component whose member `port` is interfaces.MemoryBinding, and how many beats it holds.

    Its other members, if it has any, are its pins.
    """

    port: Any

    @property
    def signature(self) -> wiring.Signature:
        """All members."""
        ...

    @property
    def beats(self) -> int:
        """Beats of the memory."""
        ...


class BoardCore(wiring.Component):
    """A board without its pins and clocks. Elaborates only inside rtl_gen.instances.emit.

    Args:
        config: the accelerator.
        binding: the memory; becomes a submodule, in a clock domain that the host can reset. Its pins, if it has any,
            become members of the core.
        divisor: clock cycles of a bit on the serial lines.
        clock_hz: the clock, which HELLO reports.
        buffer_words: of the link (LinkConfig).
        gateware: SHA-256 that HELLO reports; `gateware_hash` makes one.

    Members: `rx` In, asynchronous, and `tx` Out: the serial lines. `led_open` Out: a host has said hello; `led_busy`: a
    request or a frame is under way; `led_failed`: the last run ended with an error. `marker` Out: from a RUN's first start
    to its last done.
    """

    def __init__(
        self,
        config: AcceleratorConfig,
        binding: Binding,
        *,
        divisor: int,
        clock_hz: int,
        buffer_words: int = BUFFER_WORDS,
        gateware: bytes | None = None,
    ) -> None:
        self._config, self._binding = config, binding
        link = LinkConfig(
            divisor=divisor,
            clock_hz=clock_hz,
            memory_beats=binding.beats,
            buffer_words=buffer_words,
        )
        self._link = replace(link, gateware=gateware or gateware_hash(config, link, binding))
        super().__init__(
            {
                "rx": In(1, init=1),
                "tx": Out(1, init=1),
                "led_open": Out(1),
                "led_busy": Out(1),
                "led_failed": Out(1),
                "marker": Out(1),
                **self._pins,
            }
        )

    @property
    def _pins(self) -> dict[str, wiring.Member]:
        members = self._binding.signature.members
        return {name: member for name, member in members.items() if name != "port"}

    def elaborate(self, platform: object) -> Module:
        """The units; the memory is the accelerator's while it is busy, else the link's."""
        m = Module()
        link = HostLink(self._config, self._link)
        accelerator = Accelerator(self._config)
        memory = self._binding.port
        self._resets(m, link.reset)
        m.submodules.link = DomainRenamer("link")(link)
        m.submodules.accelerator = DomainRenamer("run")(accelerator)
        m.submodules.memory = DomainRenamer("memory")(self._binding)
        m.d.comb += [
            link.rx.eq(self.rx),
            self.tx.eq(link.tx),
            accelerator.start.eq(link.start),
            accelerator.schedule_address.eq(link.schedule_address),
            link.done.eq(accelerator.done),
            link.error.eq(accelerator.error),
            self.led_open.eq(link.open),
            self.led_busy.eq(link.busy | link.active),
            self.led_failed.eq(link.failed),
            self.marker.eq(link.marker),
        ]
        wiring.connect(m, accelerator.result, link.results)
        for name in self._pins:
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(self._binding, name))

        # The accelerator is busy until the memory owes it nothing.
        owed = Signal(range(MOST_OWED))
        owes = Signal()  # `owed` is not 0
        own, other = accelerator.memory, link.memory
        request, beat = memory.read.request, memory.read.data
        taken = own.request.valid & own.request.ready
        arrived = own.data.valid & own.data.ready
        m.d.run += [
            owed.eq(owed + Mux(taken, own.request.payload.beats, 0) - arrived),
            owes.eq(taken | (owes & ~(arrived & (owed == 1)))),
        ]
        m.d.comb += link.busy.eq(accelerator.busy | owes)
        # A register of its own for the memory, a cycle later: half of its wires go through what it chooses. Nobody
        # misses that cycle: a frame's first request comes in its cycle 2, and then the link has none.
        lent = Signal()
        m.d.run += lent.eq(link.busy)
        m.d.comb += [
            own.data.payload.eq(beat.payload),
            other.data.payload.eq(beat.payload),
        ]
        with m.If(lent):
            m.d.comb += [
                request.payload.eq(own.request.payload),
                request.valid.eq(own.request.valid),
                own.request.ready.eq(request.ready),
                own.data.valid.eq(beat.valid),
                beat.ready.eq(own.data.ready),
            ]
        with m.Else():
            m.d.comb += [
                request.payload.eq(other.request.payload),
                request.valid.eq(other.request.valid),
                other.request.ready.eq(request.ready),
                other.data.valid.eq(beat.valid),
                beat.ready.eq(other.data.ready),
            ]
        streams = [link.write]
        if self._config.long_words:
            streams.insert(0, accelerator.write)
            m.d.comb += accelerator.written.eq(memory.written & lent)
        m.d.comb += link.written.eq(memory.written & ~lent)
        for stream, chosen in zip(streams, (lent, ~lent)[-len(streams) :], strict=True):
            with m.If(chosen):
                m.d.comb += [
                    memory.write.payload.eq(stream.payload),
                    memory.write.valid.eq(stream.valid),
                    stream.ready.eq(memory.write.ready),
                ]
        return m

    def _resets(self, m: Module, run_again: Value) -> None:
        """Clock domains whose resets come from registers: one net would be slow, and reaches all over the chip.

        Resets last many cycles, all domains are in reset together. The memory leaves it a cycle after the accelerator's
        `run`, whose units stay in resets of their own for longer, and long before the link can have a request.
        """
        chain = ResetSignal() | run_again
        for name in ("run", "memory", "link"):
            reset = Signal(name=f"reset_{name}", init=1, reset_less=True)
            m.d.sync += reset.eq(ResetSignal() if name == "link" else chain)
            m.domains += ClockDomain(name, local=True)
            m.d.comb += [ClockSignal(name).eq(ClockSignal()), ResetSignal(name).eq(reset)]
            chain = reset


def source_digest() -> bytes:
    """SHA-256 over what any gateware is made from: our sources, and Amaranth's version."""
    digest = hashlib.sha256(amaranth.__version__.encode())
    base, hardware = (Path(package.__path__[0]) for package in (hwflow, rtl_gen))
    for path in (
        *sorted(base.glob("*.py")),
        base / "host" / "protocol.py",
        *sorted((*hardware.rglob("*.py"), *hardware.rglob("*.sv"))),
    ):
        digest.update(path.read_bytes())
    return digest.digest()


def gateware_hash(config: AcceleratorConfig, link: LinkConfig, binding: Binding) -> bytes:
    """SHA-256 over the sources, every parameter, and the memory's kind."""
    described = config.to_dict() | asdict(link)
    described |= {"gateware": "", "binding": type(binding).__name__}
    return hashlib.sha256(source_digest() + json.dumps(described, sort_keys=True).encode()).digest()
