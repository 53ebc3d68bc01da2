"""`hwflow energy network`: what an image through a network costs, per layer and per kind of work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwflow.cli import complete
from hwflow.cli.energy.source import network_work
from hwflow.cli.network import Calibration, Checkpoint, SEBits
from hwflow.cli.output import Json, Target, console, number, print_json, table
from hwflow.errors import FlowError
from hwflow.files import check_file
from hwflow.paths import CALIBRATION, TRAINED

if TYPE_CHECKING:
    from hwflow.energy.characterisation import Characterisation, Operands
    from hwflow.energy.memory_constants import MemoryConstants
    from hwflow.energy.network import NetworkEnergy
    from hwflow.energy.quantity import Quantity

MemoryTechnology = Annotated[
    str | None,
    typer.Option(
        "--memory", help="memory that goes with the cells: osu018, sky130, asap7, unscaled"
    ),
]
OperandKind = Annotated[
    str, typer.Option("--operands", help="energies on recorded or on random operands")
]
FourBit = Annotated[
    str,
    typer.Option(
        "--four-bit", help="4-bit MACs as-built, on the 8-bit array, or on dedicated units"
    ),
]


def network(
    context: typer.Context,
    characterisation: Annotated[
        list[Path], typer.Option(help="file of `hwflow energy characterise`; give one or several")
    ],
    checkpoint: Checkpoint = TRAINED,
    preset: Annotated[
        str | None,
        typer.Option(
            help="a random network of this preset; with --run or a .network file: the float network",
            autocompletion=complete.presets,
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="config.json of the float network, or its folder")
    ] = None,
    run: Annotated[
        Path | None, typer.Option(help="folder of `hwflow sim`: counters of the RTL")
    ] = None,
    work: Annotated[
        Path | None, typer.Option(help="file that --save-work wrote, in place of a network")
    ] = None,
    save_work: Annotated[
        Path | None, typer.Option(help="write the counts to this file, for `hwflow energy compare`")
    ] = None,
    target: Target = "sim-small",
    memory: MemoryTechnology = None,
    operands: OperandKind = "recorded",
    four_bit: FourBit = "as-built",
    calibration: Calibration = CALIBRATION,
    se_bits: SEBits = 4,
    json: Json = False,
) -> None:
    """Estimate the energy of one image: counters times characterised energies, accesses times published ones.

    Evidence of the energies: gate-level, of memories: published, of the counts: rtl-sim with --run, else cycle-model.
    Fails unless every MAC of ACE has an energy.
    """
    from hwflow.energy.characterisation import load
    from hwflow.energy.network import network_energy

    kind, four = operand_kind(operands), four_bit_kind(four_bit)
    if save_work is not None:
        check_file(save_work)
    libraries = [load(path) for path in characterisation]
    memories = [constants(each, memory) for each in libraries]
    counted = network_work(
        context, checkpoint=checkpoint, preset=preset, config=config, run=run, work=work,
        target=target, calibration=calibration, se_bits=se_bits,
    )  # fmt: skip
    found = [
        network_energy(counted, library, published, operands=kind, four_bit=four)
        for library, published in zip(libraries, memories, strict=True)
    ]
    if save_work is not None:
        counted.save(save_work)
    if json:
        print_json([each.to_dict() for each in found])
        return
    for each in found:
        _print(each)


def constants(found: Characterisation, memory: str | None) -> MemoryConstants:
    """Memory energies for a library; FlowError where none are known to go with it."""
    from hwflow.energy.memory_constants import memory_constants, technology_of

    return memory_constants(memory or technology_of(found.library.name))


def operand_kind(text: str) -> Operands:
    """The kind of operands; FlowError for an unknown one."""
    if text == "recorded":
        return "recorded"
    if text == "random":
        return "random"
    raise FlowError(f"--operands {text}: give recorded or random")


def four_bit_kind(text: str) -> str:
    """How 4-bit MACs are priced; FlowError for an unknown way."""
    from hwflow.energy.network import AS_BUILT, DEDICATED

    if text not in (AS_BUILT, DEDICATED):
        raise FlowError(f"--four-bit {text}: give {AS_BUILT} or {DEDICATED}")
    return text


def _print(found: NetworkEnergy) -> None:
    from hwflow.energy.network import ALL_PARTS, KINDS, SHORT

    screen = console()
    title = f"{found.network} on {found.target}, {found.library}"
    shown = table(
        f"{title}: µJ an image, layer by layer (estimate; counts {found.evidence['counts']})",
        ("layer", "name", "cycles", "ACE", *(SHORT.get(kind, kind) for kind in KINDS), "total", "±95%",
         "of it clock"),
        left=2,
    )  # fmt: skip
    for layer in found.layers:
        whole = layer.energy()
        shown.add_row(
            str(layer.layer), layer.name, number(layer.cycles), number(sum(layer.ace.values())),
            *(_micro(layer.energy([kind])) for kind in KINDS),
            _micro(whole), f"{1e6 * whole.half:.2g}", _micro(layer.energy(parts=["clock"])),
        )  # fmt: skip
    screen.print(shown)
    whole = found.energy()
    kinds = table(
        f"{title}: µJ an image by kind of work and part (energies gate-level, memories published)",
        ("kind", *ALL_PARTS, "total", "±95%", "share"),
    )
    for kind in (*KINDS, None):
        those = KINDS if kind is None else (kind,)
        parts = [found.energy(those, [part]) for part in ALL_PARTS]
        energy = found.energy(those)
        kinds.add_row(
            kind or "all", *(_micro(part) for part in parts),
            _micro(energy), f"{1e6 * energy.half:.2g}", f"{energy.mean / whole.mean:.3f}",
        )  # fmt: skip
    screen.print(kinds)
    macs = ", ".join(f"{number(n)} {bits}-bit" for bits, n in found.macs.items())
    screen.print(
        f"{1e6 * whole.mean:.4g} µJ an image in {number(found.cycles)} cycles of {1e9 * found.period:g} ns: "
        f"{number(found.ace())} ACE, every MAC of it priced ({macs})"
    )
    unpriced = sum(found.unpriced.values())
    screen.print(
        f"not priced: {number(unpriced)} elementwise operations outside the lanes, at most "
        f"{100 * found.unpriced_bound / whole.mean:.2g}% more if each cost a whole lane element"
    )
    for line in found.assumptions:
        screen.print(f"assumption: {line}")
    for line in found.memories.sources:
        screen.print(f"published: {line}")


def _micro(value: Quantity) -> str:
    return f"{1e6 * value.mean:.4g}"
