"""What an id of a user or an item is, in a table of any kind and in a picture's name."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Any

_PADDING = "[PAD]"  # RecBole's own item and user 0
_LONGEST = 500  # characters
_UNFIT = {"\t": "a tab", "\n": "a line break", "\r": "a line break", "\0": "a NUL character"}
_BAD = re.compile("[\t\n\r\0\ud800-\udfff]")
_FRACTION = re.compile(r"[-+]?\d+\.0+")


def id_text(value: Any) -> str | None:
    """The text of a value: a text as it is, bytes of UTF-8, a whole number; ``""`` where there is none.

    A number with a point is whole in a column of numbers with gaps. None of anything else, which is no id.
    """
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, bytes):
        with suppress(UnicodeDecodeError):
            return value.decode()
    return None


def no_id(value: Any) -> str:
    """What a message says of a value that :func:`id_text` has no text for."""
    return f"which is no id but of type {type(value).__name__}; write a text or a whole number"


def why_unfit(token: str) -> str:
    """What a message says of a text that is no id; ``""`` of one that is, and of a blank one, where there is none."""
    if not token.strip():
        return ""
    if len(token) > _LONGEST:
        return f"of {len(token):,} characters, which is no id; name the column of ids"
    if token == _PADDING:
        return "which is RecBole's name for no item; rename it"
    if found := _BAD.search(token):
        what = _UNFIT.get(found[0], "half a character")
        return f"with {what} in it, which RecBole's files cannot hold; take it out"
    return ""


def looks_fractional(token: str) -> bool:
    """Whether it is a whole number with a point, as ``346.0``, which is the id 346 in a column of numbers."""
    return bool(_FRACTION.fullmatch(token))


def nearly_the_same(ids: Collection[str], others: Collection[str]) -> Iterator[tuple[str, str]]:
    """Each of ``ids`` with the first of ``others`` from which outer spaces, leading zeros or a ``.0`` alone part it."""
    bare: dict[str, str] = {}
    for other in others:
        bare.setdefault(_bare(other), other)
    yield from ((one, bare[_bare(one)]) for one in ids if _bare(one) in bare)


def _bare(token: str) -> str:
    token = token.strip()
    if looks_fractional(token):
        token = token.split(".")[0]
    return token.lstrip("0") or token[-1:]
