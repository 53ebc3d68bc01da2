"""The site: built without a warning, and nothing on it comes from another host."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

FETCHED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed|object|link)\b[^>]*?\s(?:src|href|data)="""
    r"""["']?((?:https?:)?//[^"'\s>]+)|@import\s[^;]*?//[^;]*|url\(["']?((?:https?:)?//[^"')]+)"""
)
"""What a browser fetches by itself; links that a reader follows (`a`) are none of that."""


def build(folder: Path, config: Path = ROOT / "mkdocs.yml") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(config)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(
        [*command, "--site-dir", str(folder)],
        env=environment, capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_is_built(site: Path) -> None:
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")}
    assert pages <= {page.stem for page in site.glob("*.html")}


def test_nothing_comes_from_another_host(site: Path) -> None:
    found = {
        f"{path.relative_to(site)}: {match[0]}"
        for path in site.rglob("*")
        if path.suffix in (".html", ".css", ".svg")
        for match in FETCHED.finditer(path.read_text())
    }
    assert not found


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://cdn.example/x.js">',
        '<link rel="preconnect" href="https://fonts.example">',
        "@import 'https://fonts.example/x.css';",
        "a{background:url(//cdn.example/x.png)}",
        '<img alt="x" src="//cdn.example/x.png">',
    ],
)
def test_a_foreign_host_is_seen(text: str) -> None:
    assert FETCHED.search(text)


def test_a_link_to_nowhere_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("[nowhere](nowhere.md)\n")
    (tmp_path / "mkdocs.yml").write_text("site_name: x\nvalidation: {links: {not_found: warn}}\n")
    assert build(tmp_path / "site", tmp_path / "mkdocs.yml").returncode != 0
