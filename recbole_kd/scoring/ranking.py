"""Ranking states in blocks: never states × items in memory, and one propagation for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from recbole_kd.ops.blocks import blocks
from recbole_kd.ops.ragged import Ragged
from recbole_kd.ops.stable_topk import NEVER, sort_keys
from recbole_kd.ops.top_scores import best_columns
from recbole_kd.scoring.scores import Scores

_SPARE = 16  # candidates beyond the list, in case a block's product rounds otherwise than a score alone


@dataclass
class Block:
    """Some states with the scores of all items.

    Attributes:
        states: (b,), on the device of the scores.
        scores: (b, n_items) float32; what :meth:`hide` hides is -inf.
        source: what they are scores of.
    """

    states: Tensor
    scores: Tensor
    source: Scores

    def finite(self) -> Tensor:
        """Which states have no NaN and no infinity among their scores, bool (b,); the padding's does not count."""
        return torch.isfinite(self.scores[:, 1:]).all(dim=1)

    def hide(self, lists: Ragged, but: Ragged | None = None) -> Block:
        """Never rank the items that ``lists`` has of these states, nor the padding; those of ``but`` stay."""
        kept = None
        if but is not None:
            row, item = but.rows(self.states)
            kept = row, item, self.scores[row, item]
        self.scores[:, 0] = -torch.inf
        self.scores[lists.rows(self.states)] = -torch.inf
        if kept is not None:
            self.scores[kept[0], kept[1]] = kept[2]
        return self

    def best(self, k: int) -> Tensor:
        """The ``k`` best items (b, k) int64 by the block's own scores, 0 where there are fewer.

        Equal scores go by the lower item id.
        """
        self.scores[:, 0] = -torch.inf
        scores, items = best_columns(self.scores, k)
        return items.masked_fill_(scores == -torch.inf, 0)

    @torch.no_grad()
    def best_alone(self, k: int) -> tuple[Tensor, Tensor]:
        """Items and scores (b, k) of a list that does not depend on who else is in the block.

        A block's product rounds by its size, so the candidates of a factorised source are scored again, one by one.
        """
        if not self.source.factorised:
            items = self.best(k)
            return items, self.scores.gather(1, items)
        candidates = self.best(min(k + _SPARE, self.scores.shape[1] - 1))
        scores = self.source.score(self.states, candidates)
        places = sort_keys(scores, candidates).masked_fill_(candidates == 0, NEVER).topk(k).indices
        return candidates.gather(1, places), scores.gather(1, places)


@torch.no_grad()
def score_blocks(scores: Scores, states: Tensor, numbers: int | None = None) -> Iterator[Block]:
    """Score all items for ``states`` (n,), one block after the other; what can be computed once is.

    Args:
        scores: of a model or a cache.
        states: in any order.
        numbers: scores in memory at once; by default :data:`~recbole_kd.ops.blocks.SCORES_AT_ONCE`.
    """
    fixed = scores.computed_once()
    for block in blocks(states, fixed.n_items, numbers):
        some = block.to(fixed.device)
        yield Block(some, fixed.score_all(some).float(), fixed)
