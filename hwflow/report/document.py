"""The gathered document: one JSON value with every figure of a report and its evidence."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from hwflow.errors import FlowError

FORMAT = "hwflow-report"
VERSION = 1
EMBEDDED = "report-document"
"""Id of the HTML element that holds the document."""

Document = dict[str, Any]
"""format, version, network, target, parts: name -> part."""
Part = dict[str, Any]
"""evidence: levels of its figures; command: what prints them; or only `missing`: why there is none, and the command."""

EVIDENCE = {
    "float": "counted or measured on the float model in JAX",
    "integer": "from the integer network, which defines every stored bit",
    "cycle-model": "from the compiled schedule and the model of its control, which equals the RTL in every cycle "
    "with a memory of fixed latency",
    "rtl-sim": "from the accelerator's counters in RTL simulation",
    "gate-level": "from netlists of cells, simulated with delays",
    "post-route": "from synthesis, placement and routing",
    "board": "measured on a board",
    "published": "published by others, with source",
    "estimate": "computed from figures of several kinds; no measurement",
}
"""Levels of evidence, weakest claims to hardware first, and what each says."""


def part(evidence: list[str], command: str, **values: Any) -> Part:
    """A part with its figures."""
    return {"evidence": evidence, "command": command, **values}


def missing(what: str, command: str) -> Part:
    """A part without figures."""
    return {"missing": what, "command": command}


def present(document: Document, name: str) -> Part | None:
    """A part that has figures, or None."""
    found: Part | None = document["parts"].get(name)
    return None if found is None or "missing" in found else found


def embed(value: Any) -> str:
    """JSON that may stand in a script element."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def load(path: Path) -> Document:
    """The document in a file of `hwflow report --json`, or in a page that `hwflow report` wrote.

    Raises:
        FlowError: there is none, or one of another version.
    """
    remedy = "give a file of `hwflow report --json`, a page of `hwflow report`, or a build folder"
    if not path.is_file():
        raise FlowError(f"{path}: not found; {remedy}")
    try:
        text = path.read_text()
        if path.suffix == ".html":
            found = re.search(rf'<script[^>]*id="{EMBEDDED}"[^>]*>(.*?)</script>', text, re.DOTALL)
            if found is None:
                raise ValueError("it holds no report")
            text = found.group(1)
        document = json.loads(text)
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise ValueError("it is no report")
        if document["version"] != VERSION:
            raise ValueError(f"its version is {document['version']}, expected {VERSION}")
        if not {"network", "target", "parts"} <= document.keys():
            raise ValueError("it is cut short")
    except (ValueError, KeyError) as error:
        raise FlowError(f"{path}: {error}; {remedy}") from error
    return document
