"""The one rule for how many rows of scores are in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

SCORES_AT_ONCE = 2**21
"""Float32 scores of a block: 8 MB. More no longer fit a processor's caches: with 2**24 a ranking takes two to four
times as long. RCE-KD draws block by block, so that its figures depend on this number."""

PAIRS_AT_ONCE = 2**17
"""Of a model that scores pair by pair through its layers, which take far more than one number for each."""


def rows_at_once(columns: int, numbers: int | None = None) -> int:
    """How many rows of ``columns`` numbers a block has, at least one; ``numbers`` replaces :data:`SCORES_AT_ONCE`."""
    return max((numbers or SCORES_AT_ONCE) // max(columns, 1), 1)


def blocks(rows: Tensor, columns: int, numbers: int | None = None) -> Iterator[Tensor]:
    """Cut ``rows`` (n,) into blocks; none has no block."""
    if len(rows):
        yield from rows.split(rows_at_once(columns, numbers))
