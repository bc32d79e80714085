"""Which column of a table is meant: the one that is named, or the only one with a name that shops know."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from recbole_kd.foundation.errors import UserError, did_you_mean

_SHOWN = 30  # columns that a message lists
_TYPE = re.compile(r":(?:token|float)(?:_seq)?$")

# In lower case and without signs, so that user_id, userId and "User ID" are one.
_USERS = "user userid uid customer customerid client clientid visitor visitorid member memberid reviewer reviewerid"
_USERS += " account accountid buyer buyerid shopper shopperid"
_ITEMS = (
    "item itemid iid product productid sku skuid asin movie movieid article articleid book bookid isbn track trackid"
)
_ITEMS += " song songid artist artistid video videoid news newsid game gameid business businessid recipe recipeid"
_ITEMS += " stockcode goods goodsid"
_TIMES = "time timestamp date datetime createdat orderdate ordertime purchasedate purchasetime unixreviewtime"
_RATINGS = "rating ratings score stars overall"
_KNOWN = {"user": _USERS, "item": _ITEMS, "time": _TIMES, "rating": _RATINGS}


def column(
    path: Path, names: Sequence[str], given: str, flag: str, option: str = "", taken: Collection[str] = ()
) -> str:
    """The name of the column that is meant.

    Args:
        path: of the table.
        names: of its columns.
        given: what the user wrote; the type of an atomic file's header may be left out. ``""`` to look for it.
        flag: ``user`` or ``item``, ``time`` or ``rating``; of a column that is given, anything.
        option: what the command calls it, where that is not ``flag``.
        taken: columns that are in use already, which are not suggested.

    Raises:
        UserError: there is no such column or the table has it twice, or none or several have well-known names.
    """
    if given:
        found = [name for name in names if name == given] or [name for name in names if bare(name) == given]
        if len(found) == 1:
            return found[0]
        if found:
            raise UserError(f"{path} has {len(found)} columns called {given!r}; rename all but one")
        used = set(map(bare, taken))
        near = did_you_mean(given, (name for name in names if name.isprintable() and bare(name) not in used))
        raise UserError(f"{path} has no column {given!r}; it has {listed(names)}{near}{_headless(names)}")
    found = known(names, flag)
    if len(found) == 1:
        return found[0]
    which = f"{len(found)} columns that may be the {flag}, {listed(found)}" if found else f"no column known as {flag}"
    raise UserError(
        f"{path} has {which}; say which it is with --{option or flag}=COLUMN, one of {listed(names)}{_headless(names)}"
    )


def known(names: Sequence[str], flag: str) -> list[str]:
    """The columns whose names are well known for such a thing."""
    wanted = set(_KNOWN[flag].split())
    return [name for name in names if re.sub(r"[\W_]+", "", bare(name).lower()) in wanted]


def bare(name: str) -> str:
    """A column's name without the type that RecBole's atomic files add to it."""
    return _TYPE.sub("", name)


def listed(names: Sequence[str]) -> str:
    """Names for a message."""
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(name if name.isprintable() and name else repr(name) for name in names[:_SHOWN]) + more


def _headless(names: Sequence[str]) -> str:
    if any(re.fullmatch(r"[-+]?\d+(?:\.\d+)?", name) for name in names):
        return " (is there no header? The first line names the columns)"
    return ""
