"""The units that are characterised: their circuits, which instances are recorded, when they work, what is random.

Random operands (docs/energy.md): control ports as recorded; data ports drawn anew in each cycle in which the recorded
ones may change, and kept in between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from amaranth.lib import wiring

from hwflow.config import AcceleratorConfig
from hwflow.energy.characterisation import OPERAND_REGISTERS, UnitName
from hwflow.energy.stimulus import Bits
from rtl_gen import lane
from rtl_gen.bf16 import Bf16MacPE
from rtl_gen.feature_memory import FeatureMemory
from rtl_gen.features import bit_memory
from rtl_gen.interfaces import ROW_BITS
from rtl_gen.lane import Lane
from rtl_gen.mac_array import MacArray
from rtl_gen.mac_pe import MacPE
from rtl_gen.operand_registers import OperandRegisters
from rtl_gen.pe import BinaryPE
from sim import recording
from sim.energy import traces
from sim.energy.designs import design
from sim.energy.segments import Flags, Work
from sim.recording import Recording, Trace

PE_STAGES = 4
"""Cycles after which a step has left a PE, at most."""

Ports = dict[str, Bits]
Draw = Callable[[Bits, npt.NDArray[np.uint8], np.random.Generator], Bits]


@dataclass(frozen=True)
class Unit:
    """One kind of unit, for an accelerator.

    make: the circuit. instances: paths to record. per_cycle: operations of a busy cycle. parameters: for the record.
    traces: of the recording, with the widths of the circuit's ports. taken: whether outputs are recorded, too.
    work: of a trace. random: changes the data ports in place.
    """

    name: UnitName
    make: Callable[[], wiring.Component]
    instances: Sequence[str]
    per_cycle: int
    parameters: Mapping[str, int]
    traces: Callable[[Recording, Mapping[str, int]], list[Trace]]
    taken: bool
    work: Callable[[Trace], Work]
    random: Callable[[Ports, np.random.Generator], None]


def units(config: AcceleratorConfig) -> dict[UnitName, Unit]:
    """Every unit by name."""
    elements = [_binary_pe(config), _mac8(config), _mac4(config), _bf16(config)]
    registers = [
        _operands(unit, _numbers if unit.name == "bf16_mac" else redrawn) for unit in elements
    ]
    made = [*elements, _lane(config), _periphery(config), *registers]
    return {unit.name: unit for unit in made}


def redrawn(bits: Bits, fresh: npt.NDArray[np.uint8] | Flags, rng: np.random.Generator) -> Bits:
    """Uniform bits of the same shape, new in each cycle in which `fresh` is set."""
    draws = np.cumsum(fresh.reshape(-1) != 0)
    return rng.integers(0, 2, (int(draws[-1]) + 1, bits.shape[1]), np.uint8)[draws]


def _numbers(bits: Bits, fresh: npt.NDArray[np.uint8] | Flags, rng: np.random.Generator) -> Bits:
    """Numbers uniform in -1..1 as bfloat16, new in each cycle in which `fresh` is set."""
    draws = np.cumsum(fresh.reshape(-1) != 0)
    return traces.bfloat16_bits(rng.uniform(-1, 1, int(draws[-1]) + 1).astype(np.float32))[draws]


def _spread(rows: int, columns: int, count: int) -> list[tuple[int, int]]:
    """`count` elements of an array, on its diagonal."""
    at = np.linspace(0, 1, count)
    return [(round(x * (rows - 1)), round(x * (columns - 1))) for x in at.tolist()]


def _plain(paths: Sequence[str]) -> Callable[[Recording, Mapping[str, int]], list[Trace]]:
    return lambda found, widths: [found.trace(path, widths) for path in paths]


def _steps(trace: Trace) -> Work:
    """The work of a PE: settled when sums have ended."""
    ends = trace.flag("step_next") & trace.flag("last_next")
    step = trace.flag("step")
    return Work(step, step & ~trace.flag("add"), (ends,), PE_STAGES)


def _binary_pe(config: AcceleratorConfig) -> Unit:
    paths = [recording.binary_pe(*at) for at in _spread(config.rows, config.cols, 4)]

    def random(ports: Ports, rng: np.random.Generator) -> None:
        # With two stages the controls come a cycle after the operands.
        fresh = np.roll(ports["step"], 1 - config.popcount_stages)
        for port in ("act", "opposed"):
            ports[port] = redrawn(ports[port], fresh, rng)

    return Unit(
        "binary_pe",
        lambda: BinaryPE(config),
        paths,
        config.popcount_width,
        {"width": config.popcount_width, "stages": config.popcount_stages},
        _plain(paths),
        True,
        _steps,
        random,
    )


def _random_operands(ports: Ports, rng: np.random.Generator) -> None:
    for port in ("operands", "weights"):
        ports[port] = redrawn(ports[port], ports["step"], rng)


def _mac_paths(config: AcceleratorConfig) -> list[str]:
    """All elements of the first two columns."""
    return [recording.mac_pe(row, column) for column in range(2) for row in range(config.rows)]


def _mac8(config: AcceleratorConfig) -> Unit:
    paths = [recording.mac_pe(*at) for at in _spread(config.rows, 2, 4)]
    return Unit(
        "mac8_pe",
        lambda: MacPE(config),
        paths,
        config.mac_depth,
        {"width": 8, "depth": config.mac_depth},
        _plain(paths),
        True,
        _steps,
        _random_operands,
    )


def _mac4(config: AcceleratorConfig) -> Unit:
    paths = _mac_paths(config)

    def converted(found: Recording, widths: Mapping[str, int]) -> list[Trace]:
        widths_of_array = design(lambda: MacArray(config), "mac_array").ports
        array = found.trace(recording.MAC_ARRAY, widths_of_array)
        eights = design(lambda: MacPE(config), "mac8_pe").ports
        elements = [found.trace(path, eights) for path in paths]
        return [traces.as_nibbles(array, elements, widths)]

    return Unit(
        "mac4_pe",
        lambda: MacPE(config, width=traces.NIBBLE),
        [recording.MAC_ARRAY, *paths],
        config.mac_depth,
        {"width": traces.NIBBLE, "depth": config.mac_depth},
        converted,
        False,
        _steps,
        _random_operands,
    )


def _bf16(config: AcceleratorConfig) -> Unit:
    paths = _mac8(config).instances

    def converted(found: Recording, widths: Mapping[str, int]) -> list[Trace]:
        eights = design(lambda: MacPE(config), "mac8_pe").ports
        return [traces.as_bfloat16(found.trace(path, eights), widths) for path in paths]

    def random(ports: Ports, rng: np.random.Generator) -> None:
        for port in ("operands", "weights"):
            ports[port] = _numbers(ports[port], ports["step"], rng)

    return Unit(
        "bf16_mac",
        Bf16MacPE,
        paths,
        1,
        {"width": 16, "accumulator": 32},
        converted,
        False,
        _steps,
        random,
    )


def _operands(element: Unit, draw: Draw) -> Unit:
    """The operand registers of a PE, taking what it takes; a cycle earlier, which changes nothing here."""

    def converted(found: Recording, widths: Mapping[str, int]) -> list[Trace]:
        ports = design(element.make, element.name).ports
        inner = list(ports)[:2]
        return [
            traces.packed(
                trace.instance,
                widths,
                {
                    "activations": trace.bits(inner[0]),
                    "weights": trace.bits(inner[1]),
                    "step": np.roll(
                        trace.bits("step"), -element.parameters.get("stages", 1) + 1, 0
                    ),
                },
            )
            for trace in element.traces(found, ports)
        ]

    def work(trace: Trace) -> Work:
        step = trace.flag("step")
        return Work(step, np.zeros_like(step), (step,), PE_STAGES)

    def random(ports: Ports, rng: np.random.Generator) -> None:
        for port in ("activations", "weights"):
            ports[port] = draw(ports[port], ports["step"], rng)

    bits = element.parameters["width"] * element.parameters.get("depth", 1)
    return Unit(
        OPERAND_REGISTERS[element.name],
        lambda: OperandRegisters(bits),
        element.instances,
        element.per_cycle,
        {"bits": bits},
        converted,
        False,
        work,
        random,
    )


def _lane(config: AcceleratorConfig) -> Unit:
    columns = sorted({0, config.cols // 3, 2 * config.cols // 3})
    paths = [recording.lane(config.pixel_lanes // 2, column) for column in columns]

    def work(trace: Trace) -> Work:
        enters, leaves = trace.flag("holds"), trace.flag("holds", lane.KEEP_STAGE)
        masked = leaves & ~trace.flag("keep")
        return Work(enters, masked, (leaves,), lane.Y_STAGE + 1)

    def random(ports: Ports, rng: np.random.Generator) -> None:
        held = ports["holds"]
        for port, stage in (("total", 0), ("r", lane.SHORTCUT_STAGE), ("r1", lane.SHORTCUT_STAGE)):
            width = ports[port].shape[1]
            seen = traces.signed(ports[port], width)
            draws = np.cumsum(held[:, stage])
            low, high = int(seen.min()), int(seen.max())
            numbers = rng.integers(low, high, int(draws[-1]) + 1, endpoint=True)
            ports[port] = traces.to_bits(numbers, width)[draws]

    return Unit(
        "vector_lane",
        lambda: Lane(config.residual_bits),
        paths,
        1,
        {"stages": lane.Y_STAGE},
        _plain(paths),
        True,
        work,
        random,
    )


def _periphery(config: AcceleratorConfig) -> Unit:
    paths = [recording.bit_memory(shared=config.shared_features)]

    def work(trace: Trace) -> Work:
        reads, stores = trace.flag("read_en"), trace.flag("store")
        nothing = np.zeros_like(reads)
        return Work(reads, nothing, (reads, stores), PE_STAGES)

    def random(ports: Ports, rng: np.random.Generator) -> None:
        read = np.roll(ports["read_en"], 1)
        for port in ports:
            if port.endswith("__read_data"):
                ports[port] = redrawn(ports[port], read, rng)
        # The data are the highest bits of both.
        controls = {
            "store": FeatureMemory.store_layout(config, 1)["data"].offset,
            "direct": 1 + (config.banks - 1).bit_length() + ROW_BITS,
        }
        for port, low in controls.items():
            kept, word = ports[port][:, :low], ports[port][:, low:]
            drawn = redrawn(word, kept[:, 0], rng)
            ports[port] = np.concatenate([kept, drawn], axis=1)

    return Unit(
        "feature_periphery",
        lambda: bit_memory(config, outside=True),
        paths,
        1,
        {"banks": config.banks, "rows": config.rows, "width": config.popcount_width},
        _plain(paths),
        True,
        work,
        random,
    )
