"""The page in Chromium: plots are drawn, nothing complains, it fits narrow windows, light and dark differ."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hwflow.report.sections.order import sections

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium (Debian package chromium)")

PROBE = """<script type="module">
const frame = document.documentElement;
const zoomed = document.querySelector("#timeline-plot [data-do=in]");
zoomed?.click();
const seen = {
  ready: frame.dataset.ready, wide: frame.scrollWidth, window: frame.clientWidth,
  page: getComputedStyle(document.body).backgroundColor,
  ink: getComputedStyle(document.body).color,
  drawn: [...document.querySelectorAll("figure[data-drawn]")].map((figure) => figure.id),
  stills: [...document.querySelectorAll(".still")].filter((still) => !still.hidden).length,
  shown: document.querySelector("#timeline-plot output")?.textContent,
  button: document.getElementById("theme").hidden,
};
document.getElementById("theme").click();
document.getElementById("theme").click();
seen.chosen = getComputedStyle(document.body).backgroundColor;
document.title = "probe:" + JSON.stringify(seen);
</script></body>"""


def probe(page: str, folder: Path, width: int, *options: str) -> tuple[dict[str, Any], str]:
    """What the page says of itself in a window of `width` pixels, and the console's messages."""
    path = folder / "page.html"
    # A frame of that width: windows of headless Chromium have a least one.
    before, _, after = page.rpartition("</body>")
    path.write_text(before + PROBE + after)
    outer = folder / "outer.html"
    outer.write_text(
        f'<iframe src="page.html" style="width:{width}px;height:900px;border:0"></iframe>'
        "<script>const wait = setInterval(() => { const t = frames[0].document.title;"
        'if (t.startsWith("probe:")) { document.title = t; clearInterval(wait); } }, 50);</script>'
    )
    done = subprocess.run(
        [str(CHROMIUM), "--headless", "--hide-scrollbars", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         f"--user-data-dir={folder / 'profile'}", "--allow-file-access-from-files", "--dump-dom",
         "--enable-logging=stderr", "--virtual-time-budget=60000", *options, f"file://{outer}"],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    found = re.search(r"<title>probe:(.*?)</title>", done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    text = found.group(1).replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")
    console = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
    return json.loads(text), console


@pytest.mark.slow
@pytest.mark.parametrize("width", [400, 1280])
def test_the_page_lives_and_fits(
    page: str, document: dict[str, Any], tmp_path: Path, width: int
) -> None:
    seen, console = probe(page, tmp_path, width)
    assert console == ""
    assert seen["ready"] == "yes" and seen["stills"] == 0 and seen["button"] is False
    assert seen["drawn"] == [f.id for section in sections(document) for f in section.figures]
    assert seen["wide"] <= seen["window"] == width
    cycles = document["parts"]["timeline"]["cycles"]
    begin, end = (int(n.replace(",", "")) for n in re.findall(r"[\d,]+", seen["shown"]))
    assert end - begin == pytest.approx(cycles / 2, abs=2)


@pytest.mark.slow
def test_light_and_dark_follow_the_system_and_the_switch(page: str, tmp_path: Path) -> None:
    light, _ = probe(page, tmp_path, 800, "--blink-settings=preferredColorScheme=1")
    dark, _ = probe(page, tmp_path, 800, "--blink-settings=preferredColorScheme=0")
    assert light["page"] == "rgb(255, 255, 255)" != dark["page"]
    assert light["chosen"] == dark["page"]
    assert light["ink"] != dark["ink"]


@pytest.mark.slow
def test_a_broken_plot_is_seen(page: str, tmp_path: Path) -> None:
    broken = page.replace('"graph":{"spec":{', '"graph":{"spec":null,"was":{', 1)
    assert broken != page
    seen, console = probe(broken, tmp_path, 800)
    assert "graph" not in seen["drawn"] and seen["stills"] == 1
    assert "graph" in console
