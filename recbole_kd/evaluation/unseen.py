"""Test interactions of items that training never saw: what no model can find that knows items by their IDs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from recbole_kd.bridge.targets import trained_items
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.data.interactions import pairs_of


class Unseen(NamedTuple):
    """Counts of one part of a split.

    Attributes:
        interactions: of items that the training part has not.
        items: how many such items there are.
        of: all interactions of the part.
    """

    interactions: int
    items: int
    of: int

    def note(self) -> str:
        """What to say of them below a table; empty where there are none."""
        if not self.interactions:
            return ""
        items = f"{self.items:,} item{'s' * (self.items > 1)}"
        verb = "are" if self.interactions > 1 else "is"
        return (
            f"{self.interactions:,} of {self.of:,} test interactions {verb} of {items} that training never saw: only "
            "item features tell anything of such"
        )


def unseen_in_test(data: MultiModalDataset) -> Unseen:
    """Count them in the test part, as the split has it."""
    train, _, test = data.build()
    _, items = pairs_of(test)
    unseen = items[~trained_items(train)[items]]
    return Unseen(len(unseen), len(unseen.unique()), len(items))


def note_of(found: Sequence[Unseen]) -> str:
    """What to say of several splits of one data set; empty where no test has such interactions."""
    counts = sorted({one.interactions for one in found})
    if len(counts) < 2:
        return found[0].note() if found else ""
    return (
        f"{counts[0]:,} to {counts[-1]:,} test interactions, by the seed of the split, are of items that training "
        "never saw: only item features tell anything of such"
    )
