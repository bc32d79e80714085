"""Recommendations as a table, JSON lines or CSV, written one user after the other."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from itertools import zip_longest
from typing import IO, TYPE_CHECKING, Any

from recbole_kd.foundation.names import printable

if TYPE_CHECKING:
    from recbole_kd.serving.recommend import Listed, Recommendation


def write_lists(lists: Iterable[Recommendation], stream: IO[str], style: str, compares: bool) -> None:
    """Write each list as soon as it is there.

    Args:
        lists: of any number of users.
        stream: text.
        style: ``table``, ``json`` or ``csv``; a table shows unprintable characters of names as escapes.
        compares: whether the lists hold a teacher's.
    """
    if style == "csv":
        _write_csv(lists, stream, compares)
        return
    as_text = _table if style == "table" else _json
    for number, found in enumerate(lists):
        stream.write("\n" * (style == "table" and number > 0) + as_text(found) + "\n")


def _write_csv(lists: Iterable[Recommendation], stream: IO[str], compares: bool) -> None:
    rows = csv.writer(stream, lineterminator="\n")
    rows.writerow(["user", "rank", "item", "score"] + ["teacher_item", "teacher_score"] * compares)
    for found in lists:
        rows.writerows([found.user, *row] for row in _ranked(found))


def _ranked(found: Recommendation) -> Iterable[list[Any]]:
    """Rank, item and score, then the teacher's item and score; None where one list is shorter."""
    nothing = (None, None)
    for rank, (mine, theirs) in enumerate(zip_longest(found.items, found.teacher or (), fillvalue=nothing), 1):
        yield [rank, *mine, *(theirs if found.teacher is not None else ())]


def _json(found: Recommendation) -> str:
    values: dict[str, Any] = {"user": found.user, "items": _objects(found.items)}
    if found.teacher is not None:
        values |= {"teacher": _objects(found.teacher), "overlap": found.overlap}
    return json.dumps(values, ensure_ascii=False, allow_nan=False)


def _objects(listed: Iterable[Listed]) -> list[dict[str, Any]]:
    return [{"rank": rank, "item": item, "score": score} for rank, (item, score) in enumerate(listed, 1)]


def _table(found: Recommendation) -> str:
    from tabulate import tabulate

    headers, title = ["rank", "item", "score"], f"user {printable(found.user)}"
    if found.teacher is not None:
        headers = ["rank", "student's", "score", "teacher's", "score"]
        title += f": {found.overlap} of {max(len(found.items), len(found.teacher))} items in both lists"
    rows = [["" if value is None else _text(value) for value in row] for row in _ranked(found)]
    align = ["right", "left", "right", "left", "right"][: len(headers)]
    return f"{title}\n{tabulate(rows, headers=headers, disable_numparse=True, colalign=align if rows else None)}"


def _text(value: Any) -> str:
    return f"{value:#.4g}" if isinstance(value, float) else printable(str(value))
