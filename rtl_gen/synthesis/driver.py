"""Runs a file of Yosys commands, one a line: `python -m rtl_gen.synthesis.driver FILE`.

A process of its own, because Yosys writes megabytes to its standard output and ends the process at an error.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pyosys import libyosys


def main() -> None:
    """The commands of the file named on the command line, in one design."""
    design = libyosys.Design()
    for line in Path(sys.argv[1]).read_text().splitlines():
        libyosys.run_pass(line, design)


if __name__ == "__main__":
    main()
