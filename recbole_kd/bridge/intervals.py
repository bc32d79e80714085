"""RecBole's intervals, ``[5,inf)`` or ``[0,2);(4,5]``; what it cannot read it passes over, and keeps all rows."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import BeforeValidator

from recbole_kd.foundation.settings import refused

_NUMBER = r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|inf)"
_INTERVAL = re.compile(rf"\s*[\[(]\s*({_NUMBER})\s*,\s*({_NUMBER})\s*[\])]\s*", re.IGNORECASE)
_COMPARED = re.compile(rf"\s*(>=|=>|≥|>|<=|=<|≤|<|==?)\s*({_NUMBER})\s*", re.IGNORECASE)
_SIGNS = {">=": "[{},inf)", ">": "({},inf)", "<=": "(-inf,{}]", "<": "(-inf,{})", "=": "[{0},{0}]"}
_SAME = {"=>": ">=", "≥": ">=", "=<": "<=", "≤": "<=", "==": "="}


def interval(value: Any) -> str | None:
    """The text of an interval that RecBole reads as it is meant.

    Raises:
        PydanticCustomError: it is none; the message says what to write.
    """
    if value is None:
        return None
    text = as_text(value)
    for part in text.split(";"):
        match = _INTERVAL.fullmatch(part)
        if match is None:
            raise refused(_advice(value, part))
        low, high = (float(number) for number in match.groups())
        if low > high:
            raise refused(f"it ends before it begins; write [{match[2]},{match[1]}]")
    return text


def holds(text: str, number: float) -> bool:
    """Whether intervals that :func:`interval` has read hold a number."""
    for part in text.split(";"):
        low, high = map(float, _INTERVAL.fullmatch(part).groups())  # type: ignore[union-attr]
        above = number >= low if "[" in part else number > low
        if above and (number <= high if "]" in part else number < high):
            return True
    return False


Interval = Annotated[str | None, BeforeValidator(interval)]


def as_text(value: Any) -> str:
    """An interval as text; the command line has read ``[5,10]`` as a list and ``(5,10)`` as a pair."""
    if isinstance(value, list | tuple):
        inside = ",".join(str(one).strip() for one in value)
        return f"[{inside}]" if isinstance(value, list) else f"({inside})"
    return str(value)


def _advice(value: Any, part: str) -> str:
    numbers = re.findall(_NUMBER, part, re.IGNORECASE)
    compared = _COMPARED.fullmatch(part)
    if compared:
        meant = _SIGNS[_SAME.get(compared[1], compared[1])].format(compared[2])
    elif isinstance(value, bool) or not numbers or math.isinf(float(min(numbers, key=float))):
        return "an interval is written [5,inf) for 5 and more, [0,10] or (0,10) without its ends"
    elif len(numbers) == 1:
        return f"write [{numbers[0]},inf) for {numbers[0]} and more, or [0,{numbers[0]}] for at most {numbers[0]}"
    else:
        low, high = sorted(numbers[:2], key=float)
        meant = f"[{low},{high}" + (")" if math.isinf(float(high)) else "]")
    return f"an interval has a bracket at each end and two numbers; write {meant}"
