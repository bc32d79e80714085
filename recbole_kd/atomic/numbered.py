"""Ids that are whole numbers, as most published ones are: read as such, which takes a third of the time of texts."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from recbole_kd.atomic.text import Lines


def looks_whole(lines: Lines) -> bool:
    """Whether ids that pandas reads as whole numbers are written as Python writes them: not as 007, +7 or " 7".

    A file of other ids is told by its first row, before it is read.
    """
    raw, separator = lines.raw, lines.separator.encode()
    start = raw.find(b"\n") + 1
    if not start or not raw[start : start + 1].isdigit() or len(separator) > 1 or separator in b"-+ 0123456789":
        return False
    if any(sign in raw for sign in (b"-", b"+", b" ", b'"')):
        return False
    return not _zero_led(lines)


def _zero_led(lines: Lines) -> bool:
    """Whether some field has a digit after a nought that begins it."""
    codes = np.frombuffer(lines.raw, dtype=np.uint8)
    begins = (codes[:-2] == ord("\n")) | (codes[:-2] == ord(lines.separator))
    digit = (codes[2:] >= ord("0")) & (codes[2:] <= ord("9"))
    return bool((begins & (codes[1:-1] == ord("0")) & digit).any())


def with_tokens(table: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    """Turn columns of whole numbers, int64, into the texts that they were read from."""
    for name in columns:
        codes, numbers = pd.factorize(table[name])
        table[name] = np.array(list(map(str, numbers.tolist())), dtype=object)[codes]
    return table
