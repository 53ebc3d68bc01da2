"""The page: well formed, complete, without anything from outside, the same bytes every time."""

from __future__ import annotations

import json
import re
from collections import Counter
from html.parser import HTMLParser
from typing import Any

import pytest

from hwflow.report.blocks import Section, cell, significant
from hwflow.report.charts import chart, still
from hwflow.report.document import EMBEDDED, EVIDENCE, embed
from hwflow.report.page import render
from hwflow.report.sections.order import sections

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Outline(HTMLParser):
    """Elements in order with their attributes; mismatched ends are noted."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.wrong: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


@pytest.fixture(scope="module")
def outline(page: str) -> Outline:
    return Outline(page)


def test_the_page_is_well_formed(outline: Outline) -> None:
    assert not outline.wrong and not outline.open
    ids = Counter(attributes["id"] for _, attributes in outline.elements if "id" in attributes)
    assert [name for name, count in ids.items() if count > 1] == []


def test_nothing_comes_from_outside(outline: Outline) -> None:
    for tag, attributes in outline.elements:
        assert "src" not in attributes, tag
        for name in ("href", "xlink:href"):
            target = attributes.get(name)
            assert target is None or target.startswith(("#", "data:,")), target
        assert "url(http" not in (attributes.get("style") or "")


def test_links_and_labels_lead_somewhere(outline: Outline) -> None:
    ids = {attributes.get("id") for _, attributes in outline.elements}
    for _, attributes in outline.elements:
        target = attributes.get("href") or ""
        if target.startswith("#"):
            assert target[1:] in ids
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in ids


def test_every_section_is_there(page: str, document: dict[str, Any], outline: Outline) -> None:
    ids = [attributes.get("id") for tag, attributes in outline.elements if tag == "section"]
    assert ids == [each.id for each in sections(document)] + ["evidence"]
    for text in ("0badcafe", "41.25", "85.94%", "sky130 synthetic", "Printed by"):
        assert text in page


def test_every_figure_has_a_picture_words_and_a_table(document: dict[str, Any], page: str) -> None:
    for section in sections(document):
        assert not section.figures or section.tables, section.id
        for figure in section.figures:
            assert figure.about and figure.evidence
            part = page.split(f'<figure id="{figure.id}"')[1].split("</figure>")[0]
            assert "<svg" in part and "<path" in part


def test_every_table_of_figures_has_evidence(document: dict[str, Any]) -> None:
    unmeasured = {"tools", "target"}
    for section in sections(document):
        for table in section.tables:
            assert table.evidence or table.id in unmeasured, table.id
            assert set(table.evidence) <= EVIDENCE.keys()
            assert all(len(row) == len(table.columns) for row in table.rows), table.id
        for tile in section.tiles:
            assert tile.evidence in EVIDENCE


def test_the_document_is_in_the_page(page: str, document: dict[str, Any]) -> None:
    found = re.search(rf'id="{EMBEDDED}">(.*?)</script>', page, re.DOTALL)
    assert found and json.loads(found.group(1)) == json.loads(json.dumps(document))


def test_a_build_alone_makes_a_page_that_names_the_commands(bare: dict[str, Any]) -> None:
    found = {each.id: each for each in sections(bare)}
    for name in ("ace", "energy", "accuracy", "board", "signatures"):
        assert found[name].missing and found[name].command.startswith("hwflow ")
        assert not found[name].tables
    text = render("t", "s", [found["board"]], {}).decode()
    assert "Not placed and routed. To have it here, run" in text
    assert "vegaEmbed" not in text


def test_a_picture_has_names_of_its_own_and_the_same_bytes() -> None:
    spec = chart([{"a": 1, "b": 2}], 50, mark={"type": "bar", "clip": True},
                 encoding={"x": {"field": "a"}, "y": {"field": "b"}})  # fmt: skip
    one = still(spec, "one")
    assert one == still(spec, "one")
    names = set(re.findall(r'id="([^"]*)"', one))
    assert names and all(name.startswith("one-") for name in names)
    assert not names & set(re.findall(r'id="([^"]*)"', still(spec, "two")))


def test_text_cannot_end_a_script_or_become_markup() -> None:
    assert "</script>" not in embed({"name": "</script><b>"})
    evil = Section(id="x", title="<b>title</b>", notes=["<script>alert(1)</script>"])
    text = render("t", "s", [evil], {"name": "</script><script>alert(1)"}).decode()
    assert "<b>title" not in text and "<script>alert" not in text
    with pytest.raises(ValueError, match="JSON"):
        embed({"x": float("nan")})


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234567, "1,234,567"), (None, ""), ("a", "a"), (0.0, "0"), (12345.6, "12,346"),
     (0.01234, "0.0123"), (1.5e-9, "1.50e-09"), (2.0, "2")],
)  # fmt: skip
def test_cells(value: str | int | float | None, text: str) -> None:
    assert cell(value) == text
    assert significant(-3.14159) == "-3.14"
