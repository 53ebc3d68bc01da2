"""Forms of the schedule: instruction bytes, JSON for people, and its JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import jsonschema

from hwflow import isa
from hwflow.errors import FlowError

Instruction = dict[str, int]


def encode(instructions: Sequence[Mapping[str, int]]) -> bytes:
    """64 bytes an instruction.

    Raises:
        FlowError: a field that does not fit; names the instruction.
    """
    parts: list[bytes] = []
    for index, instruction in enumerate(instructions):
        try:
            parts.append(isa.encode(instruction))
        except FlowError as error:
            raise FlowError(f"{describe(index, instruction)}: {error}") from error
    return b"".join(parts)


def decode(data: bytes) -> list[Instruction]:
    """Inverse of `encode`.

    Raises:
        FlowError: bytes that are no instructions.
    """
    size = isa.INSTRUCTION_BYTES
    if len(data) % size:
        raise FlowError(f"schedule: {len(data)} bytes, not a multiple of {size}")
    instructions: list[Instruction] = []
    for at in range(0, len(data), size):
        try:
            instructions.append(isa.decode(data[at : at + size]))
        except FlowError as error:
            raise FlowError(f"schedule instruction {at // size}: {error}") from error
    return instructions


def describe(index: int, instruction: Mapping[str, int]) -> str:
    """An instruction in messages."""
    op = instruction.get("op", -1)
    name = isa.Op(op).name if op in list(isa.Op) else f"opcode {op}"
    return f"instruction {index} ({name}, layer {instruction.get('layer')})"


def to_json(instructions: Sequence[Mapping[str, int]]) -> str:
    """One line an instruction, opcodes by name."""
    lines = [
        "  " + json.dumps({**instruction, "op": isa.Op(instruction["op"]).name})
        for instruction in instructions
    ]
    body = ",\n".join(lines)
    return f'{{"version": {isa.VERSION}, "instructions": [\n{body}\n]}}\n'


def from_json(text: str, source: str = "schedule.json") -> list[Instruction]:
    """Inverse of `to_json`, checked against `schema()`.

    Raises:
        FlowError: not JSON, or not a schedule; names the instruction and field.
    """
    try:
        document = json.loads(text)
        jsonschema.validate(document, schema())
    except json.JSONDecodeError as error:
        raise FlowError(f"{source}: not JSON ({error}); run `hwflow lower` again") from error
    except jsonschema.ValidationError as error:
        where = "/".join(str(part) for part in error.absolute_path) or "document"
        message = error.message.splitlines()[0][:200]
        raise FlowError(f"{source}: {where}: {message}; see the schedule's schema") from error
    return [{**entry, "op": int(isa.Op[entry["op"]])} for entry in document["instructions"]]


def _instruction_schema(op: isa.Op) -> dict[str, Any]:
    properties: dict[str, Any] = {"op": {"const": op.name}}
    for field in isa.FIELDS[op][1:]:
        properties[field.name] = {
            "type": "integer",
            "minimum": field.low,
            "maximum": field.high,
            "description": field.doc,
        }
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def schema() -> dict[str, Any]:
    """JSON Schema of the JSON form, made from the instruction set's table."""
    branches = [
        {
            "if": {"properties": {"op": {"const": op.name}}},
            "then": {"$ref": f"#/$defs/{op.name}"},
        }
        for op in isa.Op
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Schedule of an hwflow accelerator",
        "type": "object",
        "properties": {
            "version": {"const": isa.VERSION},
            "instructions": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"op": {"enum": [op.name for op in isa.Op]}},
                    "required": ["op"],
                    "allOf": branches,
                },
            },
        },
        "required": ["version", "instructions"],
        "additionalProperties": False,
        "$defs": {op.name: _instruction_schema(op) for op in isa.Op},
    }
