"""The first line of an atomic file: ``user_id:token``, separated as its rows are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from recbole_kd.foundation.errors import UserError, did_you_mean

KINDS = ("token", "token_seq", "float", "float_seq")
_KIND = r"(?:token|float)(?:_seq)?"
_SEPARATORS = {"\t": "tabs", ",": "commas", ";": "semicolons", " ": "spaces", "|": "bars"}
_FORM = "user_id:token, item_id:token, rating:float"


class Column(NamedTuple):
    """A field and its type, one of :data:`KINDS`."""

    name: str
    kind: str

    @property
    def title(self) -> str:
        """As the header has it."""
        return f"{self.name}:{self.kind}"


def read_header(path: Path, raw: bytes, separator: str) -> list[Column]:
    """The columns of a file.

    Args:
        path: what messages call it.
        raw: its content in UTF-8.
        separator: one character.

    Raises:
        UserError: the file is empty, has no header, is separated by something else, or names a type that is none.
    """
    first = raw.split(b"\n", 1)[0].decode().removesuffix("\r")
    if not raw.strip():
        raise UserError(f"{path} is empty; its first line names the columns, such as {_FORM}, and rows follow")
    _check_separator(path, first, separator)
    columns = [_column(path, text.strip(), separator) for text in first.split(separator)]
    names = [column.name for column in columns]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UserError(f"{path}: its header names the column {twice!r} twice; rename one")
    return columns


def _check_separator(path: Path, first: str, separator: str) -> None:
    """Refuse a line that falls into its columns at another character."""
    fields = len(first.split(separator))
    typed = len(re.findall(rf":{_KIND}\b", first))
    if fields >= max(typed, 2) or re.fullmatch(rf"[^:]+:{_KIND}", first):
        return
    for other, name in _SEPARATORS.items():
        if len(first.split(other)) >= max(typed, 2):
            given = "\\t" if other == "\t" else other
            raise UserError(
                f"{path} is separated by {name}, not by {_named(separator)}; give --field_separator='{given}', or save "
                "it separated by tabs"
            )


def _named(separator: str) -> str:
    return _SEPARATORS.get(separator, repr(separator))


def _column(path: Path, text: str, separator: str) -> Column:
    name, colon, kind = text.rpartition(":")
    if not colon:
        if re.fullmatch(r"[A-Za-z_][\w ./-]*", text) and not re.fullmatch(r"[A-Za-z]{0,3}[-_]?\d+", text):
            raise UserError(
                f"{path}: its header names {text!r} without a type; the first line is to be like {_FORM}, separated by "
                f"{_named(separator)}"
            )
        raise UserError(
            f"{path} has no header, its first line begins with {text[:40]!r}; put a first line like {_FORM} before it"
        )
    if kind not in KINDS:
        raise UserError(
            f"{path}: the column {name!r} has the type {kind!r}; the types are {', '.join(KINDS)}"
            f"{did_you_mean(kind, KINDS)}"
        )
    if not name or ":" in name:
        raise UserError(f"{path}: its header has the column {text!r}; a column is one name and one type, {_FORM}")
    return Column(name, kind)
