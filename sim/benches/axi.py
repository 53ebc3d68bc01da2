"""What the benches of the AXI top share: cocotbext-axi's memory and register master, protocol monitors, a driver.

The memories and masters are those of cocotbext-axi, which knows nothing of this project; errors are made by
a target of its AxiSlave that raises. What a channel must keep to is watched here, independently of them.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly, RisingEdge
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiSlave
from cocotbext.axi.sparse_memory import SparseMemory

from hwflow.registers import by_name
from sim.bench_tools import PERIOD_NS, number

PAGE = 4096
REGISTERS = by_name()
CHANNELS = ("aw", "w", "b", "ar", "r")


def field(register: str, name: str) -> int:
    """Mask of a field."""
    found = next(each for each in REGISTERS[register].fields if each.name == name)
    return ((1 << found.bits) - 1) << found.low


class Memory:
    """Target of an AxiSlave: bytes, and addresses at which a beat is answered with an error."""

    def __init__(self) -> None:
        self.bytes = SparseMemory(1 << 64)
        self.bad_reads: range = range(0)
        self.bad_writes: range = range(0)
        self.written = 0

    async def read(self, address: int, length: int) -> bytes:
        """A beat; raises where the answer is an error."""
        if address in self.bad_reads:
            raise ValueError(f"no read at {address:#x}")
        return self.bytes.read(address, length)

    async def write(self, address: int, data: bytes) -> None:
        """Bytes with a strobe; raises where the answer is an error."""
        if address in self.bad_writes:
            raise ValueError(f"no write at {address:#x}")
        self.bytes.write(address, data)
        self.written += len(data)


class Watch:
    """Checks every cycle: an offer stays as it is until it is taken; bursts keep to AXI4 and to what memory sees.

    `bursts`: (channel, address, beats) of all that were taken.
    """

    def __init__(self, dut: Any) -> None:
        self._dut = dut
        self.bursts: list[tuple[str, int, int]] = []
        self.write_beats = 0
        self.outstanding = 0
        self.most_outstanding = 0
        self._announced: deque[int] = deque()
        self._sent: deque[int] = deque()
        self._beat = 0
        self._offers: dict[str, tuple[int, ...]] = {}
        self.beat_bytes = len(dut.m_axi_wdata) // 8
        cocotb.start_soon(self._run())

    async def _run(self) -> None:
        dut = self._dut
        offers = {
            "aw": ("m_axi_awaddr", "m_axi_awlen"),
            "w": ("m_axi_wdata", "m_axi_wstrb", "m_axi_wlast"),
            "ar": ("m_axi_araddr", "m_axi_arlen"),
            "b": ("s_axi_bresp",),
            "r": ("s_axi_rdata", "s_axi_rresp"),
        }
        handles: list[tuple[str, Any, Any, tuple[Any, ...]]] = []
        for channel, names in offers.items():
            prefix = names[0].removesuffix(names[0].split("_")[-1])
            valid, ready = (getattr(dut, f"{prefix}{channel}{end}") for end in ("valid", "ready"))
            handles.append((channel, valid, ready, tuple(getattr(dut, name) for name in names)))
        reset, read_valid, read_ready = dut.aresetn, dut.m_axi_rvalid, dut.m_axi_rready
        while True:
            await FallingEdge(dut.aclk)
            await ReadOnly()
            if not number(reset):
                self._offers.clear()
                self._announced.clear()
                self._sent.clear()
                self._beat = self.outstanding = 0
                continue
            for channel, valid, ready, payload in handles:
                before = self._offers.pop(channel, None)
                if not number(valid):
                    assert before is None, f"{channel}: an offer was withdrawn"
                    continue
                now = tuple(number(each) for each in payload)
                assert before in (None, now), f"{channel}: an offer changed"
                if not number(ready):
                    self._offers[channel] = now
                elif channel in ("aw", "ar"):
                    self._burst(channel, *now)
                elif channel == "w":
                    self._word(bool(now[2]))
            if number(read_valid) and number(read_ready):
                self.outstanding -= 1

    def _burst(self, channel: str, address: int, length: int) -> None:
        beats = length + 1
        assert beats <= 16, f"{channel}: {beats} beats"
        assert address % self.beat_bytes == 0, f"{channel}: {address:#x} is not aligned"
        last = address + beats * self.beat_bytes - 1
        assert address // PAGE == last // PAGE, f"{channel}: {address:#x} crosses 4 KB"
        self.bursts.append((channel, address, beats))
        if channel == "ar":
            self.outstanding += beats
            self.most_outstanding = max(self.most_outstanding, self.outstanding)
        else:
            self._announced.append(beats)
            self._match()

    def _word(self, last: bool) -> None:
        self.write_beats += 1
        self._beat += 1
        if last:
            self._sent.append(self._beat)
            self._beat = 0
            self._match()

    def _match(self) -> None:
        """Data and addresses of writes may come in either order, but in the same one."""
        while self._announced and self._sent:
            wanted, found = self._announced.popleft(), self._sent.popleft()
            assert wanted == found, f"wlast after {found} beats of {wanted}"


def pauses(seed: int, chance: float) -> Iterator[bool]:
    """Whether a channel pauses, cycle by cycle: in runs, as a busy interconnect does."""
    rng = random.Random(seed)
    while True:
        paused = rng.random() < chance
        for _ in range(rng.choice((1, 1, 1, 2, 5, 20))):
            yield paused


class AxiBench:
    """The top with a memory, a register master and the monitors; `memory.bytes` is all of the 64-bit space."""

    def __init__(self, dut: Any, *, stall: float = 0.0, seed: int = 1) -> None:
        self.dut = dut
        self.memory = Memory()
        Clock(dut.aclk, PERIOD_NS, "ns").start()
        reset = {"reset": dut.aresetn, "reset_active_level": False}
        self.slave: Any = AxiSlave(
            AxiBus.from_prefix(dut, "m_axi"), dut.aclk, target=self.memory, **reset
        )
        self.host: Any = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.aclk, **reset)
        self.watch = Watch(dut)
        if stall:
            for number_, part in enumerate((self.slave, self.host)):
                for place, name in enumerate(CHANNELS):
                    side = part.write_if if name in CHANNELS[:3] else part.read_if
                    channel = getattr(side, f"{name}_channel")
                    channel.set_pause_generator(pauses(100 * seed + 10 * number_ + place, stall))

    async def reset(self, cycles: int = 4) -> None:
        """Hold `aresetn` low for some cycles."""
        self.dut.aresetn.value = 0
        for _ in range(cycles):
            await RisingEdge(self.dut.aclk)
        self.dut.aresetn.value = 1
        for _ in range(2):
            await RisingEdge(self.dut.aclk)

    async def read(self, register: str, index: int = 0) -> int:
        """A register's value."""
        answer = await self.host.read(REGISTERS[register].offsets[index], 4)
        assert answer.resp == 0, f"{register}: {answer.resp}"
        return int.from_bytes(answer.data, "little")

    async def write(self, register: str, value: int) -> None:
        """Set a register."""
        answer = await self.host.write(REGISTERS[register].offset, value.to_bytes(4, "little"))
        assert answer.resp == 0, f"{register}: {answer.resp}"

    async def status(self, name: str) -> bool:
        """A bit of STATUS."""
        return bool(await self.read("STATUS") & field("STATUS", name))

    async def set_addresses(
        self, *, schedule: int, memory: int, results: int, result_bytes: int
    ) -> None:
        """Write all addresses of a frame."""
        await self.write("SCHEDULE_ADDRESS", schedule)
        for name, value in (("MEMORY_BASE", memory), ("RESULT_BASE", results)):
            await self.write(f"{name}_LOW", value & 0xFFFF_FFFF)
            await self.write(f"{name}_HIGH", value >> 32)
        await self.write("RESULT_SIZE", result_bytes)

    async def begin(self) -> None:
        """Start a frame with both interrupts enabled and none pending."""
        await self.write("IRQ_STATUS", 3)
        await self.write("IRQ_ENABLE", field("IRQ_ENABLE", "done"))
        await self.write("CONTROL", field("CONTROL", "start"))

    async def interrupted(self, limit: int) -> int:
        """Wait for `irq`; the cycles waited.

        Raises:
            TimeoutError: it did not come within `limit` cycles.
        """
        for cycle in range(limit):
            await RisingEdge(self.dut.aclk)
            if number(self.dut.irq):
                return cycle
        raise TimeoutError(f"no interrupt within {limit} cycles")

    async def idle(self, limit: int = 10_000) -> None:
        """Wait until the frame is not `busy`.

        Raises:
            TimeoutError: it still was after `limit` reads.
        """
        for _ in range(limit):
            if not await self.status("busy"):
                return
        raise TimeoutError("busy for ever")
