"""The reference pages: instructions, result records, files of a build."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
from collections.abc import Iterable, Sequence

from hwflow import isa
from hwflow.bit_fields import Field
from hwflow.compiler import container
from hwflow.compiler.manifest import ImageInfo, LayerInfo, Manifest, TensorInfo

GENERATED = "Made from `{source}` by `python -m docs.generate`; a test compares."

_OPS = {
    isa.Op.LOAD: "bring bytes from memory into a ring, the byte memory or the long stream",
    isa.Op.CONV: "a convolution, its shortcuts, and where its output goes",
    isa.Op.MEAN: "channel sums to means, vector memory A",
    isa.Op.FC: "a matrix-vector product and what its outputs become",
    isa.Op.AFFINE: "channel constants without a squeeze-and-excite",
    isa.Op.END: "the frame is over",
}
_RECORDS = {
    isa.Record.LAYER: "at each CONV's end",
    isa.Record.SCALAR: "at each FC's end",
    isa.Record.LOGIT: "one a class",
    isa.Record.END: "the last of a frame",
    isa.Record.ERROR: "ends the run, in place of END",
}


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """A Markdown table and an empty line."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return [*lines, ""]


def linked(text: str) -> str:
    """Pages that a docstring names as docs/NAME.md become links."""
    return re.sub(r"docs/([\w-]+\.md)", r"[\1](\1)", text)


def field_rows(fields: Iterable[Field]) -> list[tuple[object, ...]]:
    """bits, name, range and meaning of each, from bit 0 on."""
    rows: list[tuple[object, ...]] = []
    at = 0
    for field in fields:
        last = at + field.bits - 1
        bits = f"{last}..{at}" if field.bits > 1 else at
        rows.append((bits, f"`{field.name}`", f"{field.low}..{field.high}", linked(field.doc)))
        at = last + 1
    return rows


def _values(kind: type[enum.IntEnum]) -> str:
    return ", ".join(f"{int(each)} {each.name}" for each in kind)


def instructions() -> str:
    """The text of docs/instructions.md."""
    head = ("bits", "field", "range", "meaning")
    lines = [
        "# Instructions",
        "",
        GENERATED.format(source="hwflow/isa.py"),
        "",
        f"Version {isa.VERSION} of schedule and memory image. An instruction has {isa.INSTRUCTION_BYTES} bytes, little",
        "endian; bits above its last field are 0. What the units do with the fields: [architecture.md](architecture.md);",
        "a layer's instructions with their bytes: [worked-example.md](worked-example.md); as JSON: `schedule.json` of a",
        "build, whose JSON Schema is `docs/schedule.schema.json`.",
        "",
        *table(
            ("opcode", "", "queue", "does"),
            ((int(op), f"[{op.name}](#{op.name.lower()})", _queue(op), _OPS[op]) for op in isa.Op),
        ),
        "Numbers that fields hold:",
        "",
        *table(
            ("fields", "values"),
            (
                ("`ring`", _values(isa.Ring)),
                ("`r_src`, `r1_src`", _values(isa.Residual)),
                ("`store`", _values(isa.Store)),
                ("`dest`", _values(isa.FcDest)),
            ),
        ),
    ]
    for op, fields in isa.FIELDS.items():
        used = sum(field.bits for field in fields)
        lines += [f"## {op.name}", "", f"{used} of {8 * isa.INSTRUCTION_BYTES} bits.", ""]
        lines += table(head, field_rows(fields))
    lines += [
        "## Constant record",
        "",
        f"{isa.CONSTANT_BITS} bits, one per output channel of an FC or AFFINE, or of a MEAN with `records`; in ring",
        "CONSTANTS. The arithmetic: [numerics.md](numerics.md).",
        "",
        *table(head, field_rows(isa.CONSTANT_FIELDS)),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _queue(op: isa.Op) -> str:
    return {isa.Op.LOAD: "loader", isa.Op.CONV: "CONV"}.get(op, "scalar")


def records() -> str:
    """The text of docs/records.md."""
    lines = [
        "# Result records and counters",
        "",
        GENERATED.format(source="hwflow/isa.py"),
        "",
        "The accelerator sends 64-bit words. A record is its first word, then one word a counter, in the order below.",
        "`hwflow.host.results.decode_results` reads them; when they are sent: [architecture.md](architecture.md), Result",
        "stream; what sums up to what: `hwflow reconcile`, [cycles.md](cycles.md).",
        "",
    ]
    for record in isa.Record:
        counters = isa.RECORD_COUNTERS[record]
        words = 1 + len(counters)
        lines += [f"## {record.name}", ""]
        lines += [f"Kind {int(record)}, {words} word{'s' * (words > 1)}: {_RECORDS[record]}.", ""]
        lines += table(("bits", "field", "range", "meaning"), field_rows(isa.RECORD_FIELDS[record]))
        if counters:
            numbered = enumerate(counters.items(), 1)
            rows = ((n, f"`{name}`", linked(doc)) for n, (name, doc) in numbered)
            lines += table(("word", "counter", "meaning"), rows)
        if record is isa.Record.LAYER:
            shared = ", ".join(f"`{name}`" for name in isa.CYCLE_COUNTERS)
            lines += [
                "Each cycle of a layer from `start` to `end` is counted by exactly one of",
                f"{shared}. MAC slots of the issued steps are `useful`,",
                "`masked`, or one of the three paddings.",
                "",
            ]
        if record is isa.Record.ERROR:
            lines += [f"Faults: {_values(isa.Fault)}. Rings: {_values(isa.Ring)}.", ""]
    return "\n".join(lines).rstrip() + "\n"


def files() -> str:
    """The text of docs/files.md."""
    lines = [
        "# Files of a build",
        "",
        GENERATED.format(source="hwflow/compiler/container.py` and `hwflow/compiler/manifest.py"),
        "",
        "`hwflow lower` writes them; what the payloads hold: [packing.md](packing.md).",
        "",
        *table(
            ("file", "holds"),
            (
                ("`schedule.bin`", "header, [instructions](instructions.md)"),
                ("`memory.bin`", "header, the same instructions, payloads, image area, spill area"),
                ("`schedule.json`", "the instructions for people"),
                ("`manifest.json`", "the fields below"),
            ),
        ),
        "## Header of schedule.bin and memory.bin",
        "",
        f"{container.HEADER_BYTES} bytes, little endian. Addresses are in beats from the start of memory.bin.",
        "",
    ]
    at = 0
    rows: list[tuple[object, ...]] = []
    for name, kind, meaning in container.FIELDS:
        size = 4 if kind == "I" else int(kind[:-1])
        rows.append((f"{at}..{at + size - 1}", f"`{name}`", meaning))
        at += size
    lines += table(("bytes", "field", "meaning"), rows)
    lines += ["## manifest.json", ""]
    lines += ["`format`, `version`, `sha256` (of the rest) and `build`, which is a Manifest.", ""]
    for kind in (Manifest, ImageInfo, LayerInfo, TensorInfo):
        lines += [f"### {kind.__name__}", "", linked(inspect.getdoc(kind) or ""), ""]
        fields = dataclasses.fields(kind)
        rows = [(f"`{field.name}`", _shown(str(field.type))) for field in fields]
        lines += table(("field", "type"), rows)
    return "\n".join(lines).rstrip() + "\n"


def _shown(annotation: str) -> str:
    """A type as JSON has it."""
    inner = re.fullmatch(r"tuple\[(.*), \.\.\.\]", annotation)
    if inner:
        return f"list of {_shown(inner[1])}"
    plain = {"int": "number", "str": "text", "dict[str, Any]": "fields of [a target](targets.md)"}
    return plain.get(annotation, annotation)
