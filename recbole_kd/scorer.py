"""What distillation asks of any model, teacher or student: scores of any user–item pairs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from recbole.data.interaction import Interaction
from recbole.model.abstract_recommender import AbstractRecommender
from torch import Tensor, nn

from recbole_kd.errors import UserError

Pair = tuple[Tensor, Tensor]

_PAIRS_AT_ONCE = 2**18


class Scorer:
    """Scores of a model, from its embeddings where a score is their dot product, else pair by pair.

    ``factorised`` says which. Gradients flow into the model's parameters unless the caller switches them off. Within
    :func:`recbole_kd.trainer.propagate_once` the embeddings are computed once, however many callers ask.
    """

    def __init__(self, model: AbstractRecommender, embeddings: Callable[[], Pair] | None) -> None:
        self.model = model
        self._embeddings = embeddings

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

    def score(self, users: Tensor, items: Tensor) -> Tensor:
        """Scores (B, n) of ``items`` (B, n) for ``users`` (B,)."""
        if self._embeddings is not None:
            of_users, of_items = self._embeddings()
            return dot_scores(of_users, of_items, users, items)
        pairs = Interaction(
            {self.model.USER_ID: users.repeat_interleave(items.shape[1]), self.model.ITEM_ID: items.flatten()}
        )
        return self.model.predict(pairs).view(items.shape)

    def score_all(self, users: Tensor) -> Tensor:
        """Scores (B, n_items) of every item, the padding's included."""
        if self._embeddings is not None:
            of_users, of_items = self._embeddings()
            return of_users[users] @ of_items.T
        try:
            scores = self.model.full_sort_predict(Interaction({self.model.USER_ID: users}))
            return scores.view(len(users), -1)
        except NotImplementedError:
            items = torch.arange(self.model.n_items, device=users.device)
            block = max(_PAIRS_AT_ONCE // len(items), 1)
            return torch.cat([self.score(part, items.expand(len(part), -1)) for part in users.split(block)])


@torch.no_grad()
def computed_once(scorer: Scorer) -> Scorer:
    """The same scorer with the embeddings as they are now, which a graph model would propagate for every block."""
    if not scorer.factorised:
        return scorer
    kept = scorer.embeddings()
    return Scorer(scorer.model, lambda: kept)


class _DotScores(torch.autograd.Function):
    """Gathering many rows is cheap; adding up their gradients row by row is not, and a sparse product does it."""

    @staticmethod
    def forward(ctx: Any, of_users: Tensor, of_items: Tensor, users: Tensor, items: Tensor) -> Tensor:
        rows, columns = of_users[users], F.embedding(items, of_items)
        ctx.save_for_backward(users, items, rows, columns)
        ctx.shapes = of_users.shape, of_items.shape
        return torch.bmm(columns, rows.unsqueeze(2)).squeeze(2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        users, items, rows, columns = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        to_users, to_items = (rows.new_zeros(shape) for shape in ctx.shapes)
        to_users.index_add_(0, users, torch.bmm(gradient.unsqueeze(1), columns).squeeze(1))
        if rows.device.type == "cpu":
            starts = np.arange(0, items.numel() + 1, items.shape[1])
            shape = (len(items), len(to_items))
            weights = sp.csr_array((gradient.flatten().numpy(), items.flatten().numpy(), starts), shape=shape)
            return to_users, torch.from_numpy(weights.T @ rows.numpy()), None, None
        outer = gradient.unsqueeze(2) * rows.unsqueeze(1)
        return to_users, to_items.index_add_(0, items.flatten(), outer.flatten(0, 1)), None, None


def dot_scores(of_users: Tensor, of_items: Tensor, users: Tensor, items: Tensor) -> Tensor:
    """Dot products (B, n) of the rows ``users`` (B,) with the rows ``items`` (B, n), differentiable in both."""
    return _DotScores.apply(of_users, of_items, users, items)


@torch.no_grad()
def scorer_of(model: AbstractRecommender) -> Scorer:
    """Find out how ``model`` scores.

    Its embeddings are looked for in ``embeddings()`` (ours), ``forward()`` (RecBole's graph models) and the two
    embedding tables (RecBole's BPR), and believed only if their dot products are what ``full_sort_predict`` gives.
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
                    return Scorer(model, partial(candidate, model))
    except NotImplementedError:
        pass
    finally:
        model.train(was_training)
    return Scorer(model, None)


def _own_embeddings(model: Any) -> Any:
    return model.embeddings()


def _propagated(model: Any) -> Any:
    return model.forward()[:2]


def _tables(model: Any) -> Any:
    return model.user_embedding.weight, model.item_embedding.weight


def _try(model: nn.Module, candidate: Callable[[Any], Any]) -> Any:
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
