"""The verifier: a table of rules, run after every compilation and before every use."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from hwflow.compiler import container, schedule
from hwflow.compiler.manifest import config_hash
from hwflow.errors import FlowError
from hwflow.isa import INSTRUCTION_BYTES
from hwflow.verifier import dataflow, heads, liveness, passes, shapes, spills
from hwflow.verifier.context import Context, Rule

if TYPE_CHECKING:
    from hwflow.compiler.program import Program

RULES: tuple[Rule, ...] = (
    Rule("framing", "layers in order, one image, END once and last", shapes.framing),
    Rule("loads", "addresses inside their areas, whole ring words", shapes.loads),
    Rule("convolutions", "fields of CONV follow their formulas and limits", shapes.convolutions),
    Rule("scalars", "lengths of MEAN, FC, AFFINE match the layers they serve", shapes.scalars),
    Rule("rings", "a channel group's words fit their ring", shapes.ring_fit),
    Rule("constants", "constants are not overwritten before use", shapes.constants_hazard),
    Rule("passes", "earlier passes of a layer leave all as it was", passes.passes),
    Rule("tensors", "operands live, in range, right shape, no overlap", dataflow.tensors),
    Rule(
        "spills", "external activations read whole, in order, after they are written", spills.spills
    ),
    Rule("heads", "repeated long shortcuts find their first channels", heads.heads),
    Rule("tokens", "no deadlock, no overrun, nothing left over", liveness.tokens),
)
"""Later rules may assume what earlier ones prove, so checking stops at the first broken rule."""


def violations(context: Context) -> list[str]:
    """Messages of the first rule that is broken, each starting with the rule's name."""
    for rule in RULES:
        found = [f"[{rule.name}] {message}" for message in rule.check(context)]
        if found:
            return found
    return []


def open_program(program: Program) -> Context:
    """Checks the containers and hashes and decodes the schedule inside the memory image.

    Raises:
        FlowError: damaged bytes, or parts of different builds.
    """
    manifest = program.manifest
    remedy = "run `hwflow lower` again"
    header, body = container.unseal(program.schedule, container.SCHEDULE_MAGIC, "schedule.bin")
    other, memory = container.unseal(program.memory, container.MEMORY_MAGIC, "memory.bin")
    for name, data, expected in (
        ("schedule.bin", program.schedule, manifest.schedule_hash),
        ("memory.bin", program.memory, manifest.memory_hash),
    ):
        if hashlib.sha256(data).hexdigest() != expected:
            raise FlowError(f"{name}: not the file of this manifest (SHA-256 differs); {remedy}")
    config = manifest.config
    if config_hash(config) != manifest.config_hash:
        raise FlowError(f"manifest.json: target does not match its hash; {remedy}")
    size = container.HASH_BYTES
    expected = container.Header(
        magic=container.MEMORY_MAGIC,
        beat_bytes=config.memory_bytes,
        instructions=manifest.instructions,
        schedule_address=container.HEADER_BYTES // config.memory_bytes,
        image_address=manifest.image.address,
        image_beats=manifest.image.beats,
        spill_beats=manifest.spill_beats,
        network_hash=bytes.fromhex(manifest.network_hash)[:size],
        config_hash=bytes.fromhex(manifest.config_hash)[:size],
    )
    for name, found in (("schedule.bin", header), ("memory.bin", other)):
        for field in expected.__dataclass_fields__:
            if field != "magic" and getattr(found, field) != getattr(expected, field):
                raise FlowError(f"{name}: header field {field} differs from manifest; {remedy}")
    end = header.image_address + header.image_beats
    if manifest.spill_address != end:
        raise FlowError(f"manifest.json: the spill area is not behind the image; {remedy}")
    if memory[: len(body)] != body or len(body) != INSTRUCTION_BYTES * header.instructions:
        raise FlowError(f"memory.bin: its schedule differs from schedule.bin; {remedy}")
    return Context(config, manifest, other, program.memory, schedule.decode(body))


def verify(program: Program) -> None:
    """Proves the rules.

    Raises:
        FlowError: the first violation, named with its rule, instruction and layer.
    """
    found = violations(open_program(program))
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise FlowError(f"schedule: {found[0]}{more}")
