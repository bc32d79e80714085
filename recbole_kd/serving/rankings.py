"""Rankings of a trained model, computed block by block of users: never users × items at once."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from recbole_kd.data.dataset import HistoryDataset
from recbole_kd.data.interactions import positives_of
from recbole_kd.data.states import states_before
from recbole_kd.foundation.errors import UserError
from recbole_kd.ops.membership import ranks_of
from recbole_kd.ops.ragged import Ragged
from recbole_kd.scoring.history_scores import HistoryScores
from recbole_kd.scoring.ranking import score_blocks
from recbole_kd.scoring.scores import Scores
from recbole_kd.serving.trained_model import TrainedModel

_PARTS = ("valid", "test")  # in the order of ``TrainedModel.held_out``


class Ranking(NamedTuple):
    """Each user's best items, best first.

    ``users`` (n,), ``items`` (n, k), ``hits`` (n, k + 1) as for
    :func:`~recbole_kd.evaluation.per_user.per_user_metrics`.
    """

    users: Tensor
    items: Tensor
    hits: Tensor


def held_out(trained: TrainedModel, part: Literal["valid", "test"]) -> Ragged:
    """The items of each user's validation or test interactions.

    Raises:
        UserError: the split has none.
    """
    place = _PARTS.index(part)
    if len(trained.held_out) <= place or not len(trained.held_out[place]):
        raise UserError(f"the split of {trained.config.dataset} has no {part} part")
    return positives_of(trained.held_out[place])


def ranking(trained: TrainedModel, scores: Scores, part: Literal["valid", "test"], k: int) -> Ranking:
    """Rank as the run's evaluation did: all items but those it masks, of histories none, for all users of ``part``.

    Args:
        trained: whose data are ranked.
        scores: of its model, or of another one on the same data.
        part: whose items are relevant.
        k: length of the lists, cut where there are fewer items.
    """
    wanted, masked = held_out(trained, part), [positives_of(trained.train)]
    if isinstance(trained.train, HistoryDataset):
        masked, asked = [], trained.held_out[_PARTS.index(part)]
        if len(asked) > len(wanted.filled()):
            raise UserError(f"the {part} part asks for several items of a user, each after another history")
        if isinstance(scores, HistoryScores):
            scores = scores.of(states_before(asked, trained.train))
    elif part == "test" and trained.config["eval_mask"] == "recbole":
        masked.append(held_out(trained, "valid"))
    users, k = wanted.filled(), min(k, trained.train.item_num - 1)
    items, hits = [], []
    for block in score_blocks(scores, users):
        for positives in masked:
            block.hide(positives, but=wanted)  # RecBole never masks what is relevant
        best = block.best(k)
        relevant = torch.zeros(block.scores.shape, dtype=torch.bool, device=best.device)
        relevant[wanted.rows(block.states)] = True
        items.append(best.cpu())
        hits.append(torch.cat([relevant.gather(1, best).long(), relevant.sum(dim=1, keepdim=True)], dim=1).cpu())
    return Ranking(users, torch.cat(items), torch.cat(hits))


def best_unseen(trained: TrainedModel, users: Tensor, k: int, ranked: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """A model's best items that a user has not trained on, and the ranks that it gives to others' lists.

    Args:
        trained: the model.
        users: internal ids (n,).
        k: length of the lists, cut where there are fewer items.
        ranked: items (n, r) to be found in the model's ranking; 0 is none.

    Returns:
        Items (n, k), 0 where a user has fewer; ranks (n, r), 1 being the best, or (n, 0) without ``ranked``.
    """
    seen, k = positives_of(trained.train), min(k, trained.train.item_num - 1)
    ranked = users.new_zeros(len(users), 0) if ranked is None else ranked
    items, ranks, done = [], [], 0
    for block in score_blocks(trained.scores, users):
        block.hide(seen)
        items.append(block.best(k).cpu())
        others = ranked[done:][: len(block.states)].to(block.scores.device)
        ranks.append(ranks_of(block.scores, others).cpu())
        done += len(block.states)
    return torch.cat(items), torch.cat(ranks)
