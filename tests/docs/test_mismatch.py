"""docs/mismatch.md: its example is what happens, and says what the page says."""

from __future__ import annotations

from docs.generate.mismatch import FAULTY, example
from tests.docs.pages import ROOT


def test_example() -> None:
    text = example()
    assert f"```text\n{text}\n```" in (ROOT / "docs" / "mismatch.md").read_text()
    rows = [line.split() for line in text.splitlines()[1:-1]]
    equal = [row[2] == row[3] for row in rows]
    assert equal == [number < FAULTY + 2 for number in range(len(rows))]
    assert all((row[4] == "0") == same for row, same in zip(rows, equal, strict=True))
