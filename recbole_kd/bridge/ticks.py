"""RecBole's bars of batches, which become steps of a bar of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sized
from contextlib import contextmanager
from typing import Any

import recbole.trainer.trainer

from recbole_kd.bridge.lent import lent


class _Ticks:
    """Stands where RecBole has a bar, and tells how far its batches are."""

    def __init__(self, batches: Any, tell: Callable[[float], object]) -> None:
        self._batches, self._tell = batches, tell

    def __iter__(self) -> Iterator[Any]:
        count = max(len(self._batches), 1) if isinstance(self._batches, Sized) else None
        for number, batch in enumerate(self._batches, 1):
            yield batch
            if count:
                self._tell(number / count)

    def set_postfix_str(self, *_: object, **__: object) -> None:
        """What RecBole says of the GPU's memory."""


@contextmanager
def ticking(tell: Callable[[float], object] | None) -> Iterator[None]:
    """Within the block RecBole's trainers draw no bar, and ``tell`` gets the part of the batches that is done.

    Args:
        tell: None leaves RecBole's bars as they are.
    """
    if tell is None:
        yield
        return
    with lent(recbole.trainer.trainer, "tqdm", lambda batches, *_, **__: _Ticks(batches, tell)):
        yield
