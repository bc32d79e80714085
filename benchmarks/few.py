"""The first batches of an epoch, for timing steps without what draws them."""

from __future__ import annotations

from itertools import islice
from typing import Any


class Few:
    """Batches drawn before, and the loader otherwise."""

    def __init__(self, loader: Any, steps: int) -> None:
        self._loader, self._batches = loader, list(islice(iter(loader), steps))

    def __iter__(self) -> Any:
        return iter(self._batches)

    def __len__(self) -> int:
        return len(self._batches)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)
