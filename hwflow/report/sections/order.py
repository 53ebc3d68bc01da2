"""The sections of a report, in the order of the page."""

from __future__ import annotations

from hwflow.report.blocks import Section
from hwflow.report.document import Document
from hwflow.report.sections import (
    ace,
    cycles,
    energy,
    measurement,
    memory,
    network,
    results,
    summary,
    timeline,
)

SECTIONS = (
    summary.section,
    network.section,
    timeline.section,
    cycles.section,
    cycles.roofline,
    cycles.utilisation,
    memory.section,
    ace.section,
    energy.section,
    measurement.section,
    results.accuracy,
    results.board,
    results.signatures,
    results.build,
)


def sections(document: Document) -> list[Section]:
    """All of them."""
    return [make(document) for make in SECTIONS]
