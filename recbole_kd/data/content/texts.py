"""One text an item, of the columns of a table, and what of the table became none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from recbole_kd.data.content.report import Report
from recbole_kd.data.content.table import Row
from recbole_kd.data.tables.blocks import shown
from recbole_kd.data.tables.ids import why_unfit
from recbole_kd.foundation.errors import UserError

BETWEEN = ". "  # of two columns


def joined_columns(values: Sequence[str]) -> str:
    """The values that are not blank, with a full stop and a space between; HTML is left as it is.

    Characters that no UTF-8 can hold, halves of pairs from JSON, become question marks.
    """
    text = BETWEEN.join(filter(None, map(str.strip, values)))
    return text.encode("utf-8", "replace").decode("utf-8")


def texts_of(rows: Iterable[Row], path: Path, report: Report, some_needed: bool = True) -> dict[str, str]:
    """Return the text of each item that has one, by raw token, in the order of the table.

    Args:
        rows: of :class:`~recbole_kd.data.content.table.ItemTable`.
        path: of the table, for messages.
        report: gets the rows without an id, items without a text, and ids that are there twice. Of these the first
            row with a text counts.
        some_needed: refuse a table without any.

    Raises:
        UserError: an id is none that a data set can have, or no item has a text.
    """
    found: dict[str, str] = {}
    blank: dict[str, None] = {}
    count = 0
    for row in rows:
        count += 1
        if not row.id.strip():
            report.add("rows without an id, left out", row.place)
            continue
        check_token(row.id, row.place)
        text = joined_columns(row.values)
        if not text:
            blank[row.id] = None
        elif row.id not in found:
            found[row.id] = text
        elif found[row.id] == text:
            report.add("rows that say the same of an item again, read once", row.id)
        else:
            report.add("rows that say another text of an item, of which the first counts", row.id)
    for token in blank:
        if token not in found:
            report.add("items with an empty text, which get no row", token)
    if some_needed and not count:
        raise UserError(f"{path} has a header and no rows; export it again")
    if some_needed and not found:
        raise UserError(f"{path}: no item has a text in these columns; give other --columns")
    return found


def digest_of_texts(texts: Mapping[str, str]) -> str:
    """The SHA-256 of texts and of whose they are, in their order."""
    digest = hashlib.sha256()
    for pair in texts.items():
        digest.update(json.dumps(pair).encode())
    return digest.hexdigest()


def check_token(token: str, where: str) -> None:
    """Refuse a raw item token that the data set cannot have.

    Raises:
        UserError: naming it.
    """
    if why := why_unfit(token):
        raise UserError(f"{where}: the id is {shown(token)}, {why}")
