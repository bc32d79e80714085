"""One shard of a teacher cache: the best items of some users and, of a dense teacher, its scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.files import replacing
from recbole_kd.foundation.npy import write_header
from recbole_kd.ops.ragged import Ragged
from recbole_kd.scoring.manifest import Layout, scores_file, topk_file
from recbole_kd.scoring.model_scores import ModelScores
from recbole_kd.scoring.ranking import score_blocks


def as_stored(values: Tensor, dtype: str, what: str) -> Tensor:
    """Round to the dtype on disk; refuse what is no number there."""
    stored = values.detach().to(getattr(torch, dtype))
    if torch.isfinite(stored).all():
        return stored
    if torch.isnan(values).any():
        raise UserError(f"{what} of the teacher hold NaN; train it again with a smaller learning_rate")
    if torch.isinf(values).any():
        raise UserError(f"{what} of the teacher hold infinity; train it again with a smaller learning_rate")
    largest = values.abs().max().item()
    raise UserError(f"{what} of the teacher reach {largest:.3g}, too much for float16; use --cache_dtype=float32")


@dataclass(frozen=True)
class Rounded:
    """Scores of a dense teacher as they are stored."""

    teacher: ModelScores
    dtype: str
    factorised = False

    @property
    def n_items(self) -> int:
        """Number of items, the padding included."""
        return self.teacher.n_items

    @property
    def device(self) -> torch.device:
        """The teacher's."""
        return self.teacher.device

    def score_all(self, states: Tensor) -> Tensor:
        """Scores (B, n_items) of every item, rounded to the dtype on disk."""
        return as_stored(self.teacher.score_all(states), self.dtype, "the scores")

    def computed_once(self) -> Rounded:
        """Itself: such a teacher is asked for each block anew."""
        return self


@dataclass(frozen=True)
class Shard:
    """Writes one shard's files unless they are there. The blocks within a shard do not depend on the other shards."""

    folder: Path
    layout: Layout
    number: int
    scores: Any
    masked: Ragged | None
    numbers_at_once: int

    def __call__(self, report: Callable[[int], object]) -> None:
        """Write the shard; ``report`` gets the number of users of each block when it is done."""
        users, dense = self.layout.users_of(self.number), not self.layout.factorised
        best_file, dense_file = (self.folder / name(self.number) for name in (topk_file, scores_file))
        if best_file.exists() and (dense_file.exists() or not dense):
            report(len(users))
            return
        if dense:
            with replacing(dense_file) as stream:
                write_header(stream, (len(users), self.layout.n_items), self.layout.dtype)
                best = self._best(users, report, self._write_to(stream))
        else:
            best = self._best(users, report, None)
        with replacing(best_file) as stream:
            write_header(stream, best.shape, "int32")
            stream.write(best.data)

    def _write_to(self, stream: IO[bytes]) -> Callable[[Tensor], object]:
        dtype = getattr(torch, self.layout.dtype)  # to which the scores are rounded already
        return lambda scores: stream.write(scores.to(dtype).cpu().contiguous().numpy().data)

    def _best(
        self, users: range, report: Callable[[int], object], keep: Callable[[Tensor], object] | None
    ) -> np.ndarray:
        best, done = np.empty((len(users), self.layout.topk), np.int32), 0
        for block in score_blocks(self.scores, torch.arange(users.start, users.stop), self.numbers_at_once):
            if keep is not None:
                keep(block.scores)
            if self.masked is not None:
                block.hide(self.masked)
            items, _ = block.best_alone(self.layout.topk)
            best[done:][: len(items)] = items.cpu().numpy()
            done += len(items)
            report(len(items))
        return best
