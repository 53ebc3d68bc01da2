"""Every command, option, file and link that a page names is there. Nothing is run but the parser."""

from __future__ import annotations

import enum
import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import typer

from hwflow.cli.main import app
from hwflow.config import target_names
from models.config import PRESETS
from rtl_gen.boards.board import BOARDS
from tests.docs.pages import IDS, PAGES, ROOT, Command, commands, links, paths, prose

MAKEFILE = (ROOT / "Makefile").read_text()
GOALS = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))
VARIABLES = set(re.findall(r"\$\((\w+)\)|^(?:[a-z-]+: )?(\w+) \??:?=", MAKEFILE, re.MULTILINE))
COMMANDS: Any = typer.main.get_command(app)
KNOWN = {"target": set(target_names()), "preset": set(PRESETS), "board": set(BOARDS)}
"""Names that an option of this name takes, beside files."""


def problem(command: Command) -> str | None:
    """What is wrong with a command, or None."""
    program, *words = command.words
    name = program.rpartition("/")[2]
    if name == "hwflow":
        return hwflow_problem(words, command.inline)
    if name == "make":
        return make_problem(words)
    if name.startswith("python") and words[:1] == ["-m"]:
        module = words[1]
        return None if importlib.util.find_spec(module) else f"no module {module}"
    if name == "pytest":
        missing = [w for w in words if w.startswith("tests") and not (ROOT / w).exists()]
        return f"no {missing[0]}" if missing else None
    return None


def make_problem(words: list[str]) -> str | None:
    variables = {name for pair in VARIABLES for name in pair}
    for word in words:
        name, equals, _ = word.partition("=")
        if equals and name not in variables:
            return f"the Makefile has no variable {name}"
        if not equals and not word.startswith("-") and word not in GOALS:
            return f"the Makefile has no goal {word}"
    return None


def hwflow_problem(words: list[str], inline: bool) -> str | None:
    """As the command line's own parser sees it: subcommand, options, number of arguments, known names."""
    command = COMMANDS
    given = list(words)
    while hasattr(command, "commands") and given and not given[0].startswith("-"):
        name = given.pop(0)
        if name not in command.commands:
            return f"no command {name}"
        command = command.commands[name]
    if "--help" in given or (hasattr(command, "commands") and not given):
        return None
    context = command.context_class(command, info_name="hwflow")
    parser = command.make_parser(context)
    try:
        values, rest, _ = parser.parse_args(given)
    except Exception as error:
        if inline and "requires an argument" in str(error):
            return hwflow_problem([*words, "VALUE"], inline=False)
        return str(error)
    if rest:
        return f"argument {rest[0]} is too much"
    for param in command.params:
        for value in _texts(values.get(param.name)):
            found = _value_problem(param, value)
            if found:
                return found
    return None


def _texts(value: Any) -> list[str]:
    if isinstance(value, list | tuple):
        return [str(one) for one in value]
    return [value] if isinstance(value, str) else []


def _value_problem(param: Any, value: str) -> str | None:
    placeholder = re.fullmatch(r"[A-Z][A-Z0-9_.]*", value) is not None
    if placeholder or value == "VALUE":
        return None
    kind = param.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        names = {str(each.value) for each in kind}
        return None if value in names else f"--{param.name} takes {sorted(names)}, not {value}"
    known = KNOWN.get(param.name)
    if known is not None and value not in known and Path(value).suffix != ".yaml":
        return f"--{param.name} {value}: not known"
    if kind is int and not value.lstrip("-").isdigit():
        return f"--{param.name} {value}: not a whole number"
    return None


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_commands_and_options_exist(page: Path) -> None:
    found = [(c.line, c.text, problem(c)) for c in commands(page.read_text())]
    wrong = [f"{page.name}:{line}: {text}: {what}" for line, text, what in found if what]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_files_exist(page: Path) -> None:
    found = [name for name in paths(page.read_text()) if not re.search("[A-Z]{4}", name)]
    wrong = [name for name in found if not list(ROOT.glob(name.rstrip("/")))]
    assert not wrong, f"{page.name} names {wrong}"


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_lead_to_files(page: Path) -> None:
    for target in links(page.read_text()):
        if not re.match(r"https?:|#", target):
            assert (page.parent / target.partition("#")[0]).exists(), f"{page.name}: {target}"


def test_a_reader_finds_every_page_and_the_way_on() -> None:
    """The index names every page; every page but the one that goes with the Verilog leads to others."""
    pages = {page.name: links(page.read_text()) for page in PAGES[1:]}
    onward = {
        name: {target.partition("#")[0] for target in found} & set(pages) - {name}
        for name, found in pages.items()
    }
    assert set(pages) - onward["index.md"] == {"index.md"}, "docs/index.md must name every page"
    assert [name for name, targets in onward.items() if not targets] == ["registers.md"]


def test_nobody_is_sent_to_an_index_for_this_package() -> None:
    """A public index may have another package of the name: extras are installed from the clone."""
    folders = ("hwflow", "rtl_gen", "sim", "models", "bench")
    files = [*PAGES, *(path for name in folders for path in (ROOT / name).rglob("*.py"))]
    asked = re.compile(r"hwflow\[[a-z{]|pip install hwflow")
    assert not [path.name for path in files if asked.search(path.read_text())]


def test_every_command_is_on_some_page() -> None:
    """A command that no page names cannot be found by a reader."""
    named = {c.words[1] for page in PAGES for c in commands(page.read_text()) if len(c.words) > 1}
    assert set(COMMANDS.commands) <= named


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("hwflow lowre --target sim-small", "no command lowre"),
        ("hwflow lower --colour red", "No such option"),
        ("hwflow lower --target", "requires an argument"),
        ("hwflow lower --target sim-smal", "not known"),
        ("hwflow energy characterize", "no command characterize"),
        ("hwflow sim --images many", "not a whole number"),
        ("hwflow bitstream --memory flash", "takes"),
        ("hwflow doctor now", "too much"),
        ("make simulate", "no goal"),
        ("make bitstream BORD=x", "no variable"),
        ("cd x && python -m bench.families", "no module"),
        ("pytest tests/sim/test_nothing.py", "no tests/sim"),
    ],
)
def test_wrong_lines_are_seen(line: str, what: str) -> None:
    found = [problem(c) for c in commands(f"text\n```\n{line}\n```\n")]
    assert any(f and what in f for f in found), found


def test_right_lines_are_accepted() -> None:
    page = (
        "`hwflow run --repeat`\n```\nNETLIST=ecp5 hwflow sim --images 2 ... > log &\n"
        "hwflow random --preset \\\n  PRESET [--json]   # words\nmake sim IMAGES=3\n```\n"
        "    hwflow quantise --out A.network\n"
    )
    found = list(commands(page))
    assert [problem(c) for c in found] == [None] * 5
    assert found[2].words == ("hwflow", "random", "--preset", "PRESET", "--json")
    assert prose(page).count("hwflow") == 2
