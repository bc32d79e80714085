"""What a sequential model goes by when it is served: all that is known of a user, or a history that is given."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from recbole_kd.data.states import OneHistory, whole_histories
from recbole_kd.foundation.errors import UserError, did_you_mean
from recbole_kd.scoring.history_scores import HistoryScores
from recbole_kd.serving.trained_model import TrainedModel

HISTORY = "history"  # what the list of a history is called in the place of its user
NAMES_FOR_A_HINT = 50_000  # finding a similar name takes seconds among more


@torch.no_grad()
def scores_now(trained: TrainedModel, history: Sequence[str] | None, compares: bool = False) -> HistoryScores:
    """Scores for all users with their whole histories, or for one given history, whose state is 0.

    Args:
        trained: of any model.
        history: raw item tokens, the earliest first; None for users.
        compares: whether a teacher's lists are asked for too.

    Raises:
        UserError: the model reads no histories, or users besides; an item is unknown; there is none.
    """
    scores, model = trained.scores, trained.config.model
    if not isinstance(scores, HistoryScores):
        raise UserError(
            f"history: {model} scores by users and reads no history; name users with --users, or take a sequential "
            "model such as SASRec or HSTU"
        )
    if history is None:
        return scores.of(whole_histories(trained.train))
    if compares:
        raise UserError("history: a teacher's cache has scores of users alone; leave out --cache_dir")
    items = _items(trained, history)
    found, other = (scores.of(OneHistory(trained.train, items, user)) for user in (0, 1))
    one = torch.zeros(1, dtype=torch.int64, device=scores.device)
    if not torch.equal(found.score_all(one), other.score_all(one)):
        raise UserError(
            f"history: {model} scores by the user besides the history; take a model that reads histories alone, such "
            "as SASRec or HSTU"
        )
    return found


def _items(trained: TrainedModel, tokens: Sequence[str]) -> list[int]:
    """Internal ids of raw item tokens."""
    if not tokens:
        raise UserError("history: it holds no item; give raw item ids, the earliest first, as --history=a,b,c")
    ids = trained.train.field2token_id[trained.train.iid_field]
    found = [ids.get(token, 0) for token in tokens]
    if 0 in found:
        token = tokens[found.index(0)]
        hint = did_you_mean(token, [item for item in ids if item != "[PAD]"]) if len(ids) <= NAMES_FOR_A_HINT else ""
        raise UserError(f"history: there is no item {token!r} in the data set in {trained.data_path}{hint}")
    return found
