"""What the documentation's pages hold: blocks of code, the commands in them, and code within sentences."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.processes import ROOT

TOP = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
PAGES = [*(ROOT / name for name in TOP), *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"^ *```(\w*)[^\n]*\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")


@dataclass(frozen=True)
class Found:
    """A piece of a page, and where it stands."""

    page: Path
    text: str
    language: str = ""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}: {' '.join(self.text.split())[:100]}"


def blocks(*languages: str) -> list[Found]:
    """The code blocks of these languages."""
    found = [Found(page, code, kind) for page in PAGES for kind, code in _BLOCK.findall(page.read_text("utf-8"))]
    return [block for block in found if block.language in languages]


def commands() -> list[Found]:
    """Each command of a block of shell, whole; in a ``console`` block those after a ``$``."""
    return [
        Found(block.page, command)
        for block in blocks("bash", "console", "sh", "shell")
        for command in _whole(block.text, prompt=block.language == "console")
    ]


def spans() -> list[Found]:
    """Code within sentences."""
    texts = ((page, _BLOCK.sub("", page.read_text("utf-8"))) for page in PAGES)
    return [Found(page, span) for page, text in texts for span in _SPAN.findall(text)]


def words_of(command: str) -> list[str]:
    """The words of a command as a shell sees them, comments left out.

    Raises:
        ValueError: a quotation is not closed.
    """
    return shlex.split(command.replace("\\\n", " "), comments=True)


def _whole(text: str, prompt: bool) -> Iterator[str]:
    begun = ""
    for line in text.splitlines():
        if prompt and not begun:
            if not line.startswith("$ "):
                continue
            line = line.removeprefix("$ ")
        begun += f"{line}\n"
        try:
            words = words_of(begun)
        except ValueError:  # the quotation goes on in the next line
            continue
        if not line.endswith("\\"):
            if words:
                yield begun
            begun = ""
    if begun.strip():
        yield begun
