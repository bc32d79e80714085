"""What distillation, ranking and serving ask of any model, teacher or student."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

Pair = tuple[Tensor, Tensor]


class Scores(Protocol):
    """Scores of items for states. A *state* is whom items are scored for: a user, by the internal id.

    :class:`~recbole_kd.scoring.model_scores.ModelScores` asks a model,
    :class:`~recbole_kd.scoring.cache.TeacherCache` reads a folder. Row and column 0 are the padding's.
    """

    @property
    def n_items(self) -> int:
        """Number of items, the padding included."""
        ...

    @property
    def factorised(self) -> bool:
        """Whether a score is the dot product of two embeddings, and :meth:`embeddings` is there."""
        ...

    @property
    def tabled(self) -> bool:
        """Whether :meth:`embeddings` costs no encoding of each state, so that a training step may ask for it."""
        ...

    @property
    def device(self) -> torch.device:
        """Where scores are computed."""
        ...

    def score(self, states: Tensor, items: Tensor) -> Tensor:
        """Scores (B, n) float32 of ``items`` (B, n) int64 for ``states`` (B,) int64."""
        ...

    def score_all(self, states: Tensor) -> Tensor:
        """Scores (B, n_items) float32 of every item, the padding's included."""
        ...

    def topk(self, states: Tensor, k: int) -> Pair:
        """The ``k`` best items of each state, best first, without what is not to be recommended.

        Equal scores go by the lower item id.

        Returns:
            Items (B, k) int64 and scores (B, k) float32; where there are fewer, item 0 with the score -inf.
        """
        ...

    def embeddings(self) -> Pair:
        """Final embeddings of states and items, (n_states, d) and (n_items, d), whose dot products are the scores.

        Raises:
            UserError: the scores are no dot products.
        """
        ...

    def encoded(self, states: Tensor) -> Pair:
        """Embeddings of some states (B,) and of all items, (B, d) and (n_items, d).

        Raises:
            UserError: the scores are no dot products.
        """
        ...

    def computed_once(self) -> Scores:
        """The same scores as they are now, without propagating a graph or rebuilding another one at each call."""
        ...
