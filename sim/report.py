"""Reports of a run: a table for people, JSON for tools, JUnit for continuous integration."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from rich.table import Table

from hwflow.host.results import LayerRecord
from sim.network import FrameResult, SimResult, conv_instructions

EVIDENCE = "rtl-sim"


def layer_rows(result: SimResult) -> list[dict[str, Any]]:
    """One row a CONV layer, of the first image; those of the others differ only where memory or host stall at random.

    slots: MAC slots issued (useful, masked and padding); utilisation: useful / slots; occupancy: useful /
    slots of the array in all the layer's cycles; stalls: cycles waiting, by cause.
    """
    config = result.program.config
    convs = conv_instructions(result.program)
    rows: list[dict[str, Any]] = []
    for record in result.frames[0].records.layers:
        counters = record.counters
        mac = bool(convs[record.layer]["mac"])
        width = config.mac_lanes if mac else config.binary_macs
        slots = counters["issue"] * width
        rows.append(
            {
                "layer": record.layer,
                "name": result.program.manifest.layer_name(record.layer),
                "array": "mac" if mac else "binary",
                "cycles": record.cycles,
                "issue": counters["issue"],
                "useful": counters["useful"],
                "slots": slots,
                "utilisation": counters["useful"] / slots if slots else 0.0,
                "occupancy": counters["useful"] / (record.cycles * width),
                "stalls": sum(counters[name] for name in counters if name.startswith("stall_")),
                "signature": f"{record.signature:08x}",
            }
        )
    return rows


def table(result: SimResult) -> Table:
    """The layers of the first image."""
    frame = result.frames[0]
    rate = f"{result.cycles_per_second:,.0f} cycles/s"
    shown = Table(
        title=f"{result.program.manifest.network} on {result.program.config.name} ({EVIDENCE})",
        caption=f"{len(result.frames)} images, {frame.cycles:,} cycles for image {frame.image}, {rate}",
    )
    for name in ("layer", "name", "array"):
        shown.add_column(name)
    for name in (
        "cycles",
        "issue",
        "stalls",
        "useful",
        "issued slots",
        "utilisation",
        "occupancy",
        "signature",
    ):
        shown.add_column(name, justify="right")
    for row in layer_rows(result):
        shown.add_row(
            str(row["layer"]),
            row["name"],
            row["array"],
            f"{row['cycles']:,}",
            f"{row['issue']:,}",
            f"{row['stalls']:,}",
            f"{row['useful']:,}",
            f"{row['slots']:,}",
            f"{row['utilisation']:.3f}",
            f"{row['occupancy']:.3f}",
            row["signature"],
        )
    return shown


def _layer(record: LayerRecord) -> dict[str, Any]:
    return {"layer": record.layer, "signature": f"{record.signature:08x}", **record.counters}


def _frame(frame: FrameResult) -> dict[str, Any]:
    records = frame.records
    return {
        "image": frame.image,
        "cycles": frame.cycles,
        "logits": records.logits.tolist(),
        "signature": f"{records.signature:08x}",
        "layers": [_layer(record) for record in records.layers],
        "scalars": [
            {"layer": each.layer, "wide": each.wide, **each.counters} for each in records.scalars
        ],
        "end": records.counters,
    }


def to_dict(result: SimResult) -> dict[str, Any]:
    """Everything the accelerator sent, for tools: counters of isa.LAYER_COUNTERS, SCALAR_ and END_COUNTERS."""
    manifest = result.program.manifest
    difference = result.difference
    return {
        "evidence": EVIDENCE,
        "network": manifest.network,
        "network_hash": manifest.network_hash,
        "target": manifest.target,
        "schedule_hash": manifest.schedule_hash,
        "memory_hash": manifest.memory_hash,
        "compared": result.compared,
        "cycle_model": result.predicted and result.predicted.total,
        "passed": result.passed,
        "cycles": result.cycles,
        "seconds": round(result.seconds, 3),
        "cycles_per_second": round(result.cycles_per_second),
        "layers": layer_rows(result),
        "frames": [_frame(frame) for frame in result.frames],
        "mismatches": list(result.mismatches),
        "difference": None if difference is None else difference.describe(),
        "replay": result.replay_command(),
    }


def write(result: SimResult, folder: Path) -> tuple[Path, Path]:
    """Write `simulation.json` and `junit.xml` into `folder`; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    as_json, as_junit = folder / "simulation.json", folder / "junit.xml"
    as_json.write_text(json.dumps(to_dict(result), indent=1) + "\n")
    as_junit.write_bytes(_junit(result))
    return as_json, as_junit


def _junit(result: SimResult) -> bytes:
    """One test case an image: its records agree; one more for the stored values of a traced run."""
    name = f"{result.program.manifest.network} on {result.program.config.name}"
    suite = ET.Element("testsuite", name=name, time=f"{result.seconds:.3f}")
    for frame in result.frames:
        case = ET.SubElement(
            suite, "testcase", classname="sim.network", name=f"image {frame.image}"
        )
        wrong = [
            line
            for line in result.mismatches
            if line.startswith((f"image {frame.image},", f"image {frame.image}:"))
        ]
        if wrong:
            ET.SubElement(case, "failure", message=wrong[0]).text = "\n".join(wrong)
        elif not result.compared:
            ET.SubElement(case, "skipped", message="no network to compare with")
    if result.difference is not None:
        case = ET.SubElement(suite, "testcase", classname="sim.network", name="stored values")
        text = result.difference.describe()
        ET.SubElement(
            case, "failure", message=text
        ).text = f"{text}\nreplay: {result.replay_command()}"
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(sum(case.find("failure") is not None for case in suite)))
    ET.indent(suite)
    return ET.tostring(suite, encoding="utf-8", xml_declaration=True)
