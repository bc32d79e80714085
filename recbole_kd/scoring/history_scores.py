"""Scores of a sequential model, whose states are histories."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor

from recbole_kd.bridge.models import is_sequential
from recbole_kd.bridge.recbole import Interaction, SequentialRecommender
from recbole_kd.data.states import OneHistory, States
from recbole_kd.ops.all_products import all_products
from recbole_kd.ops.blocks import PAIRS_AT_ONCE, blocks
from recbole_kd.ops.pair_scores import dot_scores, pair_scores
from recbole_kd.ops.ragged import Ragged
from recbole_kd.scoring.model_scores import ModelScores, scores_of
from recbole_kd.scoring.scores import Pair

_NUMBERS_A_PLACE = 64  # that an encoder holds for each place of a history, for how many are encoded at once

Encoder = Callable[[Interaction], Pair]  # of histories (B, L) to vectors (B, d), beside the table (n_items, d)


class HistoryScores(ModelScores):
    """Scores of a sequential model of RecBole's or ours; a state's score is that of its history.

    Where a score is the dot product of what the model makes of a history and a row of a table, states are encoded, and
    else it is asked for the scores of all items. Within :meth:`within` the states of the batch are taken from the pass
    that the model's own loss makes, if the model is one of ours that encodes all positions of a batch.
    """

    tabled = False

    def __init__(
        self,
        model: SequentialRecommender,
        states: States | OneHistory,
        encoder: Encoder | None,
        seen: Ragged | None = None,
    ) -> None:
        """Args:
        model: what scores.
        states: whom it scores for.
        encoder: see :data:`Encoder`; None if the model's scores are no dot products.
        seen: items that :meth:`topk` leaves out, a row a state.
        """
        super().__init__(model, self._all_embeddings if encoder else None, seen, n_users=len(states))
        self.states: Any = states
        self._encoder = encoder
        self._batch: Interaction | None = None

    def of(self, states: States | OneHistory) -> HistoryScores:
        """The same model's scores for other states; :meth:`topk` leaves out what these have met."""
        return HistoryScores(self.model, states, self._encoder, states.seen)

    @contextmanager
    def within(self, batch: Interaction) -> Iterator[None]:
        """For the time of a training step on ``batch``."""
        self._batch = batch
        try:
            yield
        finally:
            self._batch = None

    def score(self, states: Tensor, items: Tensor) -> Tensor:
        """Scores (B, n) of ``items`` (B, n) for ``states`` (B,)."""
        if self._encoder is None:
            return self.score_all(states).gather(1, items)
        score = dot_scores if torch.is_grad_enabled() else pair_scores
        vectors, table = self.encoded(states)
        return score(vectors, table, torch.arange(len(states), device=items.device), items)

    def score_all(self, states: Tensor) -> Tensor:
        """Scores (B, n_items) of every item, the padding's included."""
        if self._encoder is not None:
            return all_products(*self.encoded(states))
        rows = self.states.histories(states)
        try:
            found: Tensor = self.model.full_sort_predict(rows).view(len(states), -1)[:, : self.n_items]
        except NotImplementedError:
            found = torch.cat([self._pair_by_pair(part) for part in blocks(states, self.n_items, PAIRS_AT_ONCE)])
        return found

    def _pair_by_pair(self, states: Tensor) -> Tensor:
        """Scores (B, n_items), as RecBole's evaluation asks a model that cannot score all items at once."""
        rows: Any = self.states.histories(states)
        rows = rows.repeat_interleave(self.n_items)
        rows.update(self.states.train.get_item_feature().to(states.device).repeat(len(states)))
        found: Tensor = self.model.predict(rows).view(len(states), -1)
        return found

    def encoded(self, states: Tensor) -> Pair:
        """Vectors (B, d) of states (B,), and the item table; errors are those of :meth:`embeddings`."""
        if self._encoder is None:
            return super().encoded(states)
        if self._batch is not None and getattr(self.model, "encodes_once", False):
            return self._of_batch(self._batch, states)
        return self._encoder(self.states.histories(states))

    def _of_batch(self, batch: Interaction, states: Tensor) -> Pair:
        """From the pass over a whole batch of windows, in which all ``states`` are."""
        model: Any = self.model
        there = self.states.of_windows(batch).flatten()
        order = there.argsort()
        places = order[torch.searchsorted(there[order], states)]
        return model.of_batch(batch).flatten(0, 1)[places], model.item_table()

    def _all_embeddings(self) -> Pair:
        """All states encoded; dear, and therefore asked for once where nothing changes meanwhile."""
        assert self._encoder is not None
        states = torch.arange(self.n_users, device=self.device)
        parts, table = [], None
        for part in blocks(states, self.states.train.max_item_list_len * _NUMBERS_A_PLACE):
            vectors, table = self._encoder(self.states.histories(part))
            parts.append(vectors)
        assert table is not None
        return torch.cat(parts), table


class ScoresOfUsers(ModelScores):
    """A general model where states are positions in histories: it scores by their users."""

    def __init__(self, of_users: ModelScores, states: States, seen: Ragged | None = None) -> None:
        embeddings = self._spread if of_users.factorised else None
        super().__init__(of_users.model, embeddings, seen, n_users=len(states))
        self._of_users, self._users = of_users, states.users.to(of_users.device)

    def score(self, states: Tensor, items: Tensor) -> Tensor:
        """Scores (B, n) of ``items`` (B, n) for ``states`` (B,)."""
        return self._of_users.score(self._users[states], items)

    def score_all(self, states: Tensor) -> Tensor:
        """Scores (B, n_items) of every item, the padding's included."""
        return self._of_users.score_all(self._users[states])

    def encoded(self, states: Tensor) -> Pair:
        """Embeddings of the users of states (B,), and of all items."""
        return self._of_users.encoded(self._users[states])

    def _spread(self) -> Pair:
        users, items = self._of_users.embeddings()
        return users[self._users], items


def scores_in(states: States, model: Any, masked: bool = False) -> ModelScores:
    """The scores that a model, general or sequential, gives the states of a run.

    Args:
        states: of the run.
        model: trained or not.
        masked: whether :meth:`~recbole_kd.scoring.scores.Scores.topk` leaves out what a state has met.
    """
    seen = states.seen if masked else None
    if is_sequential(type(model)):
        return history_scores(model, states, seen)
    return ScoresOfUsers(scores_of(model), states, seen) if states.positions else scores_of(model, seen)


@torch.no_grad()
def history_scores(model: SequentialRecommender, states: States, seen: Ragged | None = None) -> HistoryScores:
    """Find out how a sequential model scores; what is found is believed only if ``full_sort_predict`` says the same.

    Args:
        model: trained or not; its mode and the random numbers stay as they are.
        states: whom it scores for.
        seen: as for :class:`HistoryScores`.
    """
    was_training = model.training
    model.eval()
    some = torch.arange(1, min(9, len(states)), device=model.device)
    try:
        with torch.random.fork_rng():
            rows = states.histories(some)
            expected = model.full_sort_predict(rows).view(len(some), -1)
            for candidate in (_own, _forward):
                if _agrees(candidate, model, rows, expected):
                    return HistoryScores(model, states, partial(candidate, model), seen)
    except NotImplementedError:
        pass
    finally:
        model.train(was_training)
    return HistoryScores(model, states, None, seen)


def _own(model: Any, rows: Interaction) -> Pair:
    return model.of_states(rows), model.item_table()


def _forward(model: Any, rows: Interaction) -> Pair:
    """RecBole's models that encode a history, and score by one table of items."""
    return model.forward(rows[model.ITEM_SEQ], rows[model.ITEM_SEQ_LEN]), model.item_embedding.weight


def _agrees(candidate: Callable[[Any, Interaction], Pair], model: Any, rows: Interaction, expected: Tensor) -> bool:
    try:
        vectors, table = candidate(model, rows)
        scores = vectors @ table.T
    except (AttributeError, TypeError, NotImplementedError, RuntimeError, ValueError):
        return False
    return scores.shape == expected.shape and torch.allclose(scores, expected, rtol=1e-4, atol=1e-5)
