"""The pages of the documentation, and the commands, paths and links that they name."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
IDS = [str(page.relative_to(ROOT)) for page in PAGES]
PACKAGES = "hwflow|rtl_gen|sim|models|tests|bench|docs"
OPERATORS = {"&&", "||", ";", "|", "&"}


@dataclass(frozen=True)
class Command:
    """A command that a page names. inline: in running text, where it may be cut short."""

    words: tuple[str, ...]
    line: int
    inline: bool

    @property
    def text(self) -> str:
        """Its words with spaces between them."""
        return " ".join(self.words)


def blocks(text: str) -> Iterator[tuple[int, str, str]]:
    """(first line's number, language, content) of every fenced block; of other lines language `text`."""
    language: str | None = None
    held: list[str] = []
    first = 1
    for number, line in enumerate(text.splitlines(), 1):
        fence = re.match(r"\s*```(\S*)", line)
        if fence is None:
            held.append(line)
            continue
        yield first, "text" if language is None else language, "\n".join(held)
        held, first = [], number + 1
        language = fence[1] if language is None else None
    yield first, "text", "\n".join(held)


def prose(text: str) -> str:
    """What is outside fenced blocks."""
    return "\n".join(content for _, language, content in blocks(text) if language == "text")


def commands(text: str) -> Iterator[Command]:
    """Every command in a shell's block, and every span of code that begins like one."""
    for first, language, content in blocks(text):
        if language == "text":
            yield from _inline(first, content)
            content = "\n".join(
                line if line.startswith("    ") else "" for line in content.splitlines()
            )
        if language in ("text", "", "bash", "sh", "console"):
            yield from _block(first, content, prompted=language == "console")


def _inline(first: int, content: str) -> Iterator[Command]:
    for span in re.finditer(r"`([^`]+)`", content):
        if re.match(r"(\.venv/bin/)?(hwflow|make|python|pytest)\s", span[1]):
            line = first + content.count("\n", 0, span.start())
            for words in simple_commands(" ".join(span[1].split())):
                yield Command(words, line, inline=True)


def _block(first: int, content: str, *, prompted: bool) -> Iterator[Command]:
    joined = content.replace("\\\n", "\\\0")  # keeps the count of lines
    for number, line in enumerate(joined.split("\n"), first):
        line = re.sub(r"\\\0\s*", " ", line).strip()
        if prompted and not line.startswith("$ "):
            continue
        for words in simple_commands(line.removeprefix("$ ")):
            yield Command(words, number, inline=False)


def simple_commands(line: str) -> Iterator[tuple[str, ...]]:
    """The commands of a line: without operators, redirections, assignments before it, and marks of omission."""
    lexer = shlex.shlex(
        re.sub(r"[\[\]]|(?<=\s)\.{2,3}(?=\s|$)", " ", line), posix=True, punctuation_chars="&|;<>"
    )
    lexer.commenters = "#"
    lexer.whitespace_split = True
    try:
        tokens = list(lexer)
    except ValueError:  # not a command: an apostrophe in a drawing, say
        return
    words: list[str] = []
    skip = False
    for token in [*tokens, ";"]:
        if token in OPERATORS:
            while words and re.fullmatch(r"[A-Z_0-9]+=.*", words[0]):
                del words[0]
            if words:
                yield tuple(words)
            words = []
        elif set(token) <= set("<>"):
            skip = True
        elif skip:
            skip = False
        else:
            words.append(token)


def paths(text: str) -> Iterator[str]:
    """Files and folders of the repository that running text names."""
    found = re.finditer(rf"(?<![\w/.\-{{])(?:{PACKAGES})/[\w./*-]*", prose(text))
    for match in found:
        yield match[0].rstrip(".")


def links(text: str) -> Iterator[str]:
    """Targets of Markdown's links and pictures."""
    for match in re.finditer(r"\]\(([^)\s]+)\)", prose(text)):
        yield match[1]
