"""What was measured: accuracy, the board's resources and clock, signatures of the simulation; and what was built of what."""

from __future__ import annotations

from hwflow.report.blocks import Cell, Figure, Section, Table, absent, percent
from hwflow.report.charts import BLUE, THIN, chart
from hwflow.report.document import Document, present


def accuracy(document: Document) -> Section:
    """Top-1 of both networks, and how far each layer of the integer network is from the float one."""
    part = present(document, "accuracy")
    if part is None:
        return absent("accuracy", "Accuracy", document["parts"]["accuracy"])
    rows: list[list[Cell]] = [
        ["float model", percent(part["float_top1"])],
        ["integer network", percent(part["integer_top1"])],
        ["same choice", percent(part["agreement"])],
    ]
    layers: list[list[Cell]] = [
        [
            e["name"],
            e["exponent"],
            e["t_saturated"],
            e["y_saturated"],
            "exact" if e["snr_db"] is None else f"{e['snr_db']:.1f}",
            percent(e["flipped"], 3),
        ]
        for e in part["layers"]
    ]
    return Section(
        id="accuracy",
        title="Accuracy",
        command=part["command"],
        tables=[
            Table(
                id="top1",
                caption=f"Top-1 on {part['images']:,} test images (float: float model; integer: "
                "the others)",
                columns=["network", "top-1"],
                rows=rows,
                evidence=part["evidence"],
            ),
            Table(
                id="distance",
                caption="Integer against float, each layer from the float network's input",
                columns=[
                    "layer",
                    "exponent",
                    "t saturated",
                    "y saturated",
                    "SNR dB",
                    "flipped signs",
                ],
                rows=layers,
                evidence=["integer"],
            ),
        ],
    )


def board(document: Document) -> Section:
    """LUTs, block RAM, multipliers and clock."""
    part = present(document, "board")
    if part is None:
        return absent("board", "Resources and clock", document["parts"]["board"])
    evidence = part["evidence"]
    used: list[list[Cell]] = [
        [name, each["used"], each["available"], percent(each["used"] / each["available"], 1)]
        for name, each in part["utilisation"].items()
    ]
    columns = {
        "luts": "LUT4 in all",
        "lut4": "LUT4",
        "carry": "CCU2C",
        "ff": "FF",
        "dpr": "DPR16X4",
        "ebr": "EBR",
        "mult": "MULT18X18D",
    }
    units: list[list[Cell]] = [
        [unit, *(taken.get(name) for name in columns)] for unit, taken in part["units"].items()
    ]
    path: list[list[Cell]] = [
        [at, each["unit"], each["logic_ns"], each["routing_ns"]]
        for at, each in enumerate(part["critical_path"], 1)
    ]
    data = [
        {"resource": name, "share": each["used"] / each["available"], "used": each["used"]}
        for name, each in part["utilisation"].items()
    ]
    spec = chart(
        data,
        36 * len(data),
        mark={"type": "bar", "color": BLUE, **THIN},
        encoding={
            "y": {"field": "resource", "type": "nominal", "sort": None, "title": None},
            "x": {
                "field": "share",
                "type": "quantitative",
                "title": "share of the part",
                "axis": {"format": "%"},
                "scale": {"domain": [0, 1]},
            },
            "tooltip": [
                {"field": "resource", "title": "resource"},
                {"field": "used", "title": "used", "format": ","},
                {"field": "share", "title": "share", "format": ".1%"},
            ],
        },
    )
    slack = part["slack_ns"]
    met = "met" if slack >= 0 else "MISSED"
    return Section(
        id="board",
        title="Resources and clock",
        intro=f"{part['board']} ({part['part']}): asked for {part['clock_hz'] / 1e6:g} MHz, "
        f"reached {part['fmax_mhz']:.2f} MHz, "
        f"slack {slack:.2f} ns: {met} (evidence: {', '.join(evidence)}); seed {part['seed']}.",
        command=part["command"],
        figures=[
            Figure(
                id="board-plot",
                title="Share of the part's resources",
                about="A bar for each resource. The table has the same numbers.",
                spec=spec,
                evidence=evidence,
            )
        ],
        tables=[
            Table(
                id="resources",
                caption=f"Resources of the {part['part']}, after synthesis",
                columns=["resource", "used", "available", "share"],
                rows=used,
                evidence=evidence,
            ),
            Table(
                id="units",
                caption="By unit",
                columns=["unit", *columns.values()],
                rows=units,
                evidence=evidence,
            ),
            Table(
                id="path",
                caption="Critical path",
                columns=["step", "unit", "logic ns", "routing ns"],
                rows=path,
                evidence=evidence,
                left=2,
            ),
        ],
    )


def signatures(document: Document) -> Section:
    """Signature of every layer's output, of the first image, and what the simulation compared."""
    part = present(document, "simulation")
    if part is None:
        return absent("signatures", "Simulation and signatures", document["parts"]["simulation"])
    rows: list[list[Cell]] = [
        [
            e["layer"],
            e["name"],
            e["cycles"],
            e["stalls"],
            percent(e["utilisation"]),
            percent(e["occupancy"]),
            e["signature"],
        ]
        for e in part["layers"]
    ]
    rows.append(["", "logits", None, None, "", "", part["logits_signature"]])
    waits = [name for name in part["counters"][0] if name.startswith("stall_")]
    titles = [name.replace("stall_", "wait: ") for name in waits]
    counters: list[list[Cell]] = [
        [
            e["layer"],
            e["start"],
            e["end"],
            e["issue"],
            e["setup"],
            *(e[w] for w in waits),
            e["drain"],
        ]
        for e in part["counters"]
    ]
    verdict = "every value compared is equal" if part["passed"] else "VALUES DIFFER"
    model = "" if part["cycle_model"] is None else f"; cycle model {part['cycle_model']:,}"
    return Section(
        id="signatures",
        title="Simulation and signatures",
        intro=f"{part['images']:,} images through the RTL, {verdict}; {part['cycles']:,} cycles "
        f"for the first{model} (rtl-sim).",
        command=part["command"],
        tables=[
            Table(
                id="signature-table",
                caption="Signature of each layer's output, first image",
                columns=[
                    "layer",
                    "name",
                    "cycles",
                    "stalls",
                    "utilisation",
                    "occupancy",
                    "signature",
                ],
                rows=rows,
                evidence=part["evidence"],
                left=2,
            ),
            Table(
                id="counters",
                caption="Counters of each layer, first image: cycles by cause",
                columns=[
                    "layer",
                    "start",
                    "end",
                    "issue",
                    "setup",
                    *titles,
                    "drain",
                ],
                rows=counters,
                evidence=part["evidence"],
            ),
        ],
    )


def build(document: Document) -> Section:
    """Hashes of what was built, versions of what built it, the target's parameters."""
    part = document["parts"]["build"]
    hashes: list[list[Cell]] = [[name, value] for name, value in part["hashes"].items()]
    tools: list[list[Cell]] = [[name, version] for name, version in part["tools"].items()]
    found = present(document, "board")
    if found is not None:
        hashes += [[f"board: {name}", value] for name, value in found["sha256"].items()]
        tools += [[f"board: {name}", version] for name, version in found["tools"].items()]
    return Section(
        id="build",
        title="Hashes and tools",
        intro=f"{part['instructions']:,} instructions, a memory image of "
        f"{part['memory_bytes']:,} bytes, "
        f"{part['on_chip_bytes']:,} bytes of memory on chip (evidence: integer).",
        command=part["command"],
        tables=[
            Table(
                id="hashes",
                caption="SHA-256",
                columns=["of", "hash"],
                rows=hashes,
                evidence=part["evidence"],
                left=2,
            ),
            Table(
                id="tools",
                caption="Versions of the tools that wrote this report",
                columns=["tool", "version"],
                rows=tools,
                evidence=[],
                left=2,
            ),
            Table(
                id="target",
                caption="Target",
                columns=["parameter", "value"],
                rows=[[name, str(value)] for name, value in document["target"].items()],
                evidence=[],
                left=2,
            ),
        ],
    )
