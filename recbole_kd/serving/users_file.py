"""A file that names users: one a line, or a column of a table."""

from __future__ import annotations

import codecs
import csv
import json
from pathlib import Path

from recbole_kd.foundation.errors import UserError


def read_users(path: str, field: str) -> list[str]:
    """Raw user tokens in the order of a file.

    Args:
        path: text in UTF-8, or in UTF-16 with its mark, with a token a line; an atomic file or a table with commas
            whose first line names ``field``, of which each user is taken once; or the lists of ``recommend`` itself,
            as CSV or JSON lines.
        field: how the data set calls its users, such as ``user_id``.

    Raises:
        UserError: the file cannot be read.
    """
    if Path(path).exists() and not Path(path).is_file():  # a pipe without a writer is waited for
        raise UserError(f"cannot read the users in {path}: it is no file")
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"cannot read the users in {path}: {error.strerror}") from None
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        lines = content.decode("utf-16" if wide else "utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise UserError(f"the file of users {path} is no UTF-8 text; save it as such") from None
    lines = [line.removesuffix("\r") for line in lines]
    try:
        found = _of_table(lines, field) or _of_lists(lines) or lines
    except csv.Error as error:
        raise UserError(f"cannot read the users in {path}: {error}") from None
    return [token for token in found if token]


def _of_table(lines: list[str], field: str) -> list[str]:
    """The column of users, if the first line is a header that names one."""
    for between in ("\t", ","):
        names = [name.partition(":")[0].strip() for name in next(csv.reader(lines[:1], delimiter=between), [])]
        name = "user" if field not in names else field  # as recommend heads its own CSV
        if name in names:
            place = names.index(name)
            rows = csv.reader(lines[1:]) if between == "," else (line.split(between) for line in lines[1:])
            return list(dict.fromkeys(row[place] for row in rows if len(row) > place))
    return []


def _of_lists(lines: list[str]) -> list[str]:
    """The users of JSON lines, if all lines are such."""
    try:
        return [str(json.loads(line)["user"]) for line in lines if line]
    except (ValueError, TypeError, KeyError, RecursionError):
        return []
