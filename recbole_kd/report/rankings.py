"""Rankings of a trained model, computed block by block of users: never users × items at once."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from recbole_kd.data.ragged import Ragged
from recbole_kd.distill.closure import ranks_of
from recbole_kd.errors import UserError
from recbole_kd.order import NEVER, largest, sort_keys
from recbole_kd.scorer import Scorer, computed_once
from recbole_kd.trained import Trained

_SCORES_AT_ONCE = 2**20


class Ranking(NamedTuple):
    """Each user's best items, best first.

    ``users`` (n,), ``items`` (n, k), ``hits`` (n, k + 1) as for :func:`recbole_kd.evaluation.per_user_metrics`.
    """

    users: Tensor
    items: Tensor
    hits: Tensor


def held_out(trained: Trained, part: Literal["valid", "test"]) -> Ragged:
    """The items of each user's validation or test interactions.

    Raises:
        UserError: the split has none.
    """
    place = ("valid", "test").index(part)
    if len(trained.held_out) <= place or not len(trained.held_out[place]):
        raise UserError(f"the split of {trained.config.dataset} has no {part} part")
    return Ragged.positives(trained.held_out[place])


@torch.no_grad()
def ranking(trained: Trained, scorer: Scorer, part: Literal["valid", "test"], k: int) -> Ranking:
    """Rank as the evaluation of the run did: all items but those it masks, for all users of ``part``.

    Args:
        trained: whose data are ranked.
        scorer: of its model, or of another one on the same data.
        part: whose items are relevant.
        k: length of the lists, cut where there are fewer items.
    """
    wanted, masked = held_out(trained, part), [Ragged.positives(trained.train)]
    if part == "test" and trained.config["eval_mask"] == "recbole":
        masked.append(held_out(trained, "valid"))
    users, scorer, device = wanted.filled(), computed_once(scorer), scorer.model.device
    k = min(k, trained.train.item_num - 1)
    items, hits = [], []
    for block in users.split(max(_SCORES_AT_ONCE // trained.train.item_num, 1)):
        scores = scorer.score_all(block.to(device)).float()
        keys = sort_keys(scores, torch.arange(scores.shape[1], device=device)).cpu()
        relevant = torch.zeros(keys.shape, dtype=torch.bool)
        relevant[wanted.rows(block)] = True
        hidden = torch.zeros_like(relevant)
        hidden[:, 0] = True
        for positives in masked:
            hidden[positives.rows(block)] = True
        best = largest(keys.masked_fill_(hidden & ~relevant, NEVER), k)  # RecBole never masks what is relevant
        items.append(best)
        hits.append(torch.cat([relevant.gather(1, best).long(), relevant.sum(dim=1, keepdim=True)], dim=1))
    return Ranking(users, torch.cat(items), torch.cat(hits))


@torch.no_grad()
def best_unseen(trained: Trained, users: Tensor, k: int, ranked: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """A model's best items that a user has not trained on, and the ranks that it gives to others' lists.

    Args:
        trained: the model.
        users: internal ids (n,).
        k: length of the lists, cut where there are fewer items.
        ranked: items (n, r) to be found in the model's ranking; 0 is none.

    Returns:
        Items (n, k), 0 where a user has fewer; ranks (n, r), 1 being the best, or (n, 0) without ``ranked``.
    """
    scorer, seen = computed_once(trained.scorer), Ragged.positives(trained.train)
    device, items, ranks = scorer.model.device, [], []
    k = min(k, trained.train.item_num - 1)
    ranked = users.new_zeros(len(users), 0) if ranked is None else ranked
    size = max(_SCORES_AT_ONCE // trained.train.item_num, 1)
    for block, others in zip(users.split(size), ranked.split(size), strict=True):
        scores = scorer.score_all(block.to(device)).float().cpu()
        scores[:, 0] = -torch.inf
        scores[seen.rows(block)] = -torch.inf
        keys = sort_keys(scores, torch.arange(scores.shape[1]))
        items.append(largest(keys.masked_fill_(scores == -torch.inf, NEVER), k))
        ranks.append(ranks_of(scores, others))
    return torch.cat(items), torch.cat(ranks)
