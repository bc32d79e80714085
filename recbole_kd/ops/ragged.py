"""Lists of different lengths, one a row, in one flat tensor."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class Ragged:
    """For instance the items of each user; cutting out many rows costs no loop over them."""

    def __init__(self, values: Tensor, lengths: Tensor, starts: Tensor | None = None) -> None:
        """Args:
        values: int64, all rows one after the other.
        lengths: int64 (n_rows,).
        starts: int64 (n_rows,), where each row begins, if rows share their values.
        """
        self._values = values
        self._lengths = lengths
        self._shared = starts is not None
        self._starts = lengths.cumsum(0) - lengths if starts is None else starts

    @classmethod
    def from_lists(cls, lists: Sequence[Tensor]) -> Ragged:
        """One row a tensor."""
        return cls(torch.cat(list(lists)), torch.tensor([len(values) for values in lists]))

    @classmethod
    def of_pairs(cls, rows: Tensor, values: Tensor, n_rows: int, n_values: int) -> Ragged:
        """The values of each row, ascending and each once, from pairs (n,) in any order."""
        keys = torch.unique(rows * n_values + values)
        return cls(keys % n_values, torch.bincount(keys // n_values, minlength=n_rows))

    def __len__(self) -> int:
        return len(self._lengths)

    def filled(self) -> Tensor:
        """Rows that are not empty, ascending."""
        return self._lengths.nonzero().squeeze(1)

    def rows(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Place in ``index`` and value of each entry of the rows ``index`` (B,), on its device."""
        wanted = index.cpu()
        lengths = self._lengths[wanted]
        place = torch.arange(len(wanted)).repeat_interleave(lengths)
        in_order = len(wanted) and not self._shared and bool((wanted.diff() == 1).all())
        if in_order:  # one row after the other: so are their entries
            start = int(self._starts[wanted[0]])
            return place.to(index.device), self._values[start : start + len(place)].to(index.device)
        first = self._starts[wanted] - (lengths.cumsum(0) - lengths)
        entries = torch.arange(len(place)) + first[place]
        return place.to(index.device), self._values[entries].to(index.device)
