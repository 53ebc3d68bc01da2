"""The summary: headline figures, and what the levels of evidence mean."""

from __future__ import annotations

from hwflow.report.blocks import Section, Tile
from hwflow.report.document import Document
from hwflow.report.headline import headlines


def section(document: Document) -> Section:
    """A tile for every headline figure; missing ones are named with the command that makes them."""
    found = headlines(document)
    absent: dict[str, list[str]] = {}
    for each in found:
        if each.value is None:
            absent.setdefault(each.remedy or "not in the results given", []).append(each.label)
    return Section(
        id="summary",
        title="Summary",
        tiles=[
            Tile(label=each.label, value=each.text, unit=each.unit, evidence=each.evidence)
            for each in found
            if each.value is not None
        ],
        notes=[f"{', '.join(labels)}: {remedy}" for remedy, labels in absent.items()],
    )
