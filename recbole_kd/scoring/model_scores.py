"""Scores of a model, from its embeddings where a score is their dot product, else pair by pair."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor

from recbole_kd.bridge.recbole import AbstractRecommender, GeneralRecommender, Interaction
from recbole_kd.foundation.errors import UserError
from recbole_kd.ops.all_products import all_products
from recbole_kd.ops.blocks import PAIRS_AT_ONCE, blocks
from recbole_kd.ops.pair_scores import dot_scores, pair_scores
from recbole_kd.ops.ragged import Ragged
from recbole_kd.scoring.ranking import score_blocks
from recbole_kd.scoring.scores import Pair


class ModelScores:
    """:class:`~recbole_kd.scoring.scores.Scores` of a model of RecBole's or ours.

    Gradients flow into the model's parameters unless the caller switches them off. Within
    :func:`recbole_kd.bridge.kept_embeddings.propagate_once` the embeddings are computed once, however many callers ask.
    """

    tabled = True  # embeddings() looks up or propagates, and does not encode each state

    def __init__(
        self,
        model: AbstractRecommender,
        embeddings: Callable[[], Pair] | None,
        seen: Ragged | None = None,
        further_items: int = 0,
        n_users: int | None = None,
    ) -> None:
        """Args:
        model: what scores.
        embeddings: gives its final embeddings; None if its scores are no dot products.
        seen: items that :meth:`topk` leaves out, a row a user.
        further_items: how many items ``embeddings`` has beyond those of the model.
        n_users: of states, if they are not the model's users.
        """
        self._n_users = n_users
        self._further_items = further_items
        self.model: Any = model
        self._embeddings = embeddings
        self._seen = seen

    def within(self, batch: Interaction) -> AbstractContextManager[None]:
        """For the time of a training step on ``batch``; a model of users has nothing to share in it."""
        return nullcontext()

    @property
    def n_users(self) -> int:
        """Number of states, the padding included."""
        return int(self.model.n_users) if self._n_users is None else self._n_users

    @property
    def n_items(self) -> int:
        """Number of items, the padding included."""
        return int(self.model.n_items) + self._further_items

    @torch.no_grad()
    def with_items(self, further: Tensor) -> ModelScores:
        """The same scores, and those of further items by their embeddings (n, d), whose ids follow on.

        Raises:
            UserError: the model's scores are no dot products.
        """
        users, items = self.embeddings()
        joined = users, torch.cat([items, further.to(items)])
        return ModelScores(
            self.model, lambda: joined, self._seen, self._further_items + len(further), n_users=self.n_users
        )

    @property
    def device(self) -> torch.device:
        """The model's."""
        return torch.device(self.model.device)

    @property
    def factorised(self) -> bool:
        """Whether :meth:`embeddings` is there."""
        return self._embeddings is not None

    def embeddings(self) -> Pair:
        """Final user and item embeddings, (n_users, d) and (n_items, d); a score is their dot product.

        Raises:
            UserError: the model's scores are no dot products.
        """
        if self._embeddings is None:
            raise UserError(f"{type(self.model).__name__} has no embeddings whose dot product is its score")
        return self._embeddings()

    def encoded(self, states: Tensor) -> Pair:
        """Embeddings of some states (B,) and of all items; errors are those of :meth:`embeddings`."""
        of_states, of_items = self.embeddings()
        return of_states[states], of_items

    def score(self, states: Tensor, items: Tensor) -> Tensor:
        """Scores (B, n) of ``items`` (B, n) for ``states`` (B,); without gradients the same bits whoever else asks."""
        if self._embeddings is not None:
            score = dot_scores if torch.is_grad_enabled() else pair_scores
            return score(*self._embeddings(), states, items)
        pairs = Interaction(
            {self.model.USER_ID: states.repeat_interleave(items.shape[1]), self.model.ITEM_ID: items.flatten()}
        )
        found: Tensor = self.model.predict(pairs).view(items.shape)
        return found

    def score_all(self, states: Tensor) -> Tensor:
        """Scores (B, n_items) of every item, the padding's included."""
        if self._embeddings is not None:
            of_users, of_items = self._embeddings()
            return all_products(of_users[states], of_items)
        try:
            scores: Tensor = self.model.full_sort_predict(Interaction({self.model.USER_ID: states}))
            return scores.view(len(states), -1)
        except NotImplementedError:
            items = torch.arange(self.n_items, device=states.device)
            parts = blocks(states, self.n_items, PAIRS_AT_ONCE)
            return torch.cat([self.score(part, items.expand(len(part), -1)) for part in parts])

    def topk(self, states: Tensor, k: int) -> Pair:
        """The ``k`` best items of each state and their scores, without what it has ``seen``, and without gradients."""
        found = []
        for block in score_blocks(self, states):
            if self._seen is not None:
                block.hide(self._seen)
            items, scores = block.best_alone(k)
            found.append((items, scores.masked_fill(items == 0, -torch.inf)))
        if not found:
            return states.new_zeros(0, k), torch.zeros(0, k, device=states.device)
        items, scores = (torch.cat(parts) for parts in zip(*found, strict=True))
        return items, scores

    @torch.no_grad()
    def computed_once(self) -> ModelScores:
        """The same scores with the embeddings as they are now, which a graph model would propagate for every block."""
        if self._embeddings is None:
            return self
        kept = self._embeddings()
        return ModelScores(self.model, lambda: kept, self._seen, self._further_items, n_users=self.n_users)


@torch.no_grad()
def scores_of(model: GeneralRecommender, seen: Ragged | None = None) -> ModelScores:
    """Find out how ``model`` scores.

    Its embeddings are looked for in ``embeddings()`` (ours), ``forward()`` (RecBole's graph models) and the two
    embedding tables (RecBole's BPR), and believed only if their dot products are what ``full_sort_predict`` gives.

    Args:
        model: trained or not; its mode and the random numbers stay as they are.
        seen: as for :class:`ModelScores`.
    """
    was_training = model.training
    model.eval()
    users = torch.arange(1, min(9, model.n_users), device=model.device)
    try:
        with torch.random.fork_rng():
            expected = model.full_sort_predict(Interaction({model.USER_ID: users})).view(len(users), -1)
            for candidate in (_own_embeddings, _propagated, _tables):
                found = _try(model, candidate)
                if found is not None and _agrees(found, users, expected):
                    return ModelScores(model, partial(candidate, model), seen)
    except NotImplementedError:
        pass
    finally:
        model.train(was_training)
    return ModelScores(model, None, seen)


def _own_embeddings(model: Any) -> Any:
    return model.embeddings()


def _propagated(model: Any) -> Any:
    return model.forward()[:2]


def _tables(model: Any) -> Any:
    return model.user_embedding.weight, model.item_embedding.weight


def _try(model: GeneralRecommender, candidate: Callable[[Any], Any]) -> Pair | None:
    """The candidate's pair of matrices, or None where the model has no such thing."""
    try:
        found = candidate(model)
    except (AttributeError, TypeError, NotImplementedError):
        return None
    is_pair = isinstance(found, tuple) and len(found) == 2 and all(torch.is_tensor(part) for part in found)
    if not is_pair or [part.dim() for part in found] != [2, 2] or found[0].shape[1] != found[1].shape[1]:
        return None
    return found if [len(part) for part in found] == [model.n_users, model.n_items] else None


def _agrees(found: Pair, users: Tensor, expected: Tensor) -> bool:
    scores = found[0][users] @ found[1].T
    return scores.shape == expected.shape and torch.allclose(scores, expected, rtol=1e-4, atol=1e-5)
