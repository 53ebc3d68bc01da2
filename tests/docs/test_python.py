"""Python on the pages: each block is run by a test, or its names are held against the code here."""

from __future__ import annotations

import ast
import dataclasses
import importlib

from hwflow.host.accelerator import Accelerator
from hwflow.host.results import Classification
from tests.docs.pages import PAGES, ROOT, blocks

RUN_BY = {"interchange.md": "tests/hwflow/test_interchange.py"}
"""Page -> test that runs its blocks."""


def python(name: str) -> list[str]:
    text = (ROOT / "docs" / name).read_text()
    return [content for _, language, content in blocks(text) if language == "python"]


def test_every_block_has_its_test() -> None:
    pages = {page.name for page in PAGES[1:] if python(page.name)}
    assert pages == {*RUN_BY, "host-link.md"}
    assert all("exec(" in (ROOT / test).read_text() for test in RUN_BY.values())


def test_the_host_program_uses_what_there_is() -> None:
    """It needs a board to run: imports, methods and results are looked up."""
    (block,) = python("host-link.md")
    tree = ast.parse(block)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module or "")
            assert all(hasattr(module, each.name) for each in node.names)
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    made = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    made |= {a.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for a in n.names}
    assert {node.id for node in names} <= made, "a name that the block does not define"
    used: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            used.setdefault(node.value.id, set()).add(node.attr)
    assert used["Accelerator"] | used["board"] <= set(dir(Accelerator))
    fields = {field.name for field in dataclasses.fields(Classification)}
    assert used["result"] <= fields | set(dir(Classification))
