"""Item sets of RCE-KD: what the student ranks high, and the sample that nearly closes what it misses."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from recbole_kd.evaluation.per_user import per_user_metrics
from recbole_kd.ops.membership import contains
from recbole_kd.ops.top_scores import best_columns

_MAX_ROUNDS = 8  # of proposals; the few rows that then still lack items draw from all their weights
_FIRST_PROPOSALS = 8  # at most in the first round, for each item wanted; it tells how many are kept
_MOST_PROPOSALS = 64  # at most in a later one
_SPARE = 1.3  # of proposals: with 1 a round would leave half of its rows lacking


def items_below(scores: Tensor, missed_scores: Tensor) -> Tensor:
    """``c_j``: how many missed items the student ranks below item j (RCE-KD); int64, the shape of ``scores``.

    Args:
        scores: the student's scores of items j, (B, n).
        missed_scores: its scores of the items of A2, (B, m), ascending, +inf beyond a row's last.
    """
    return torch.searchsorted(missed_scores, scores.contiguous())


def draw_closing(
    scores: Tensor,
    missed: Tensor,
    count: int,
    temperature: float,
    cap: int,
    generator: torch.Generator,
    max_rank: int | None = None,
) -> Tensor:
    """Draw R: ``count`` items a row without replacement, item j with weight ``exp(min(c_j, cap) / T)``.

    Args:
        scores: the student's scores of all items, (B, n_items), -inf for items that may not be drawn.
        missed: A2, the items that R is to close, (B, m), 0 where a row has fewer; they are not drawn themselves.
        count: L.
        temperature: T > 0.
        cap: c_j counts no further than this.
        generator: of the draws, on the CPU.
        max_rank: draw from the student's best ``max_rank`` items alone (the release's variant).

    Returns:
        int64 (B, count), 0 where a row has fewer items to draw.
    """
    missed_scores = scores.gather(1, missed).masked_fill(missed == 0, torch.inf)
    ordered = missed_scores.sort(dim=1).values
    if max_rank is not None:
        values, best = best_columns(scores, min(max_rank, scores.shape[1] - 1))
        weights = _log_weights(values, ordered, temperature, cap)
        weights.masked_fill_(contains(missed, best), -torch.inf)
        return _gumbel_top(weights, best, count, generator)
    drawn = _draw_by_rejection(scores, missed, ordered, count, temperature, cap, generator)
    lacking = (drawn[:, -1] == 0).nonzero().squeeze(1)
    if len(lacking):
        weights = _log_weights(scores[lacking], ordered[lacking], temperature, cap)
        weights.scatter_(1, missed[lacking], -torch.inf).scatter_(1, drawn[lacking], -torch.inf)
        items = torch.arange(scores.shape[1], device=scores.device).expand_as(weights)
        more = _gumbel_top(weights, items, count, generator)
        drawn[lacking] = _first_distinct(torch.cat([drawn[lacking], more], dim=1), count)
    return drawn


def _log_weights(scores: Tensor, missed_scores: Tensor, temperature: float, cap: int) -> Tensor:
    """``c_j / T``, -inf for items that may not be drawn."""
    weights = items_below(scores, missed_scores).clamp_max_(cap) / temperature
    return weights.masked_fill_(scores == -torch.inf, -torch.inf)


def _gumbel_top(weights: Tensor, items: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Items of the ``count`` largest perturbed log-weights: a draw without replacement (Gumbel top-k)."""
    uniform = torch.rand(weights.shape, generator=generator).to(weights.device)
    keys = weights - torch.log(-torch.log(uniform.clamp_min_(torch.finfo(torch.float32).tiny)))
    best = keys.topk(min(count, keys.shape[1]), dim=1)
    drawn = items.gather(1, best.indices).masked_fill_(best.values == -torch.inf, 0)
    return torch.nn.functional.pad(drawn, (0, count - drawn.shape[1]))


def _draw_by_rejection(
    scores: Tensor,
    missed: Tensor,
    missed_scores: Tensor,
    count: int,
    temperature: float,
    cap: int,
    generator: torch.Generator,
) -> Tensor:
    """Successive draws without ranking the catalogue: uniform proposals, each kept with probability w_j / max w.

    A proposal is kept if a uniform number is below ``exp((min(c_j, cap) - c_max) / T)``. Solved for c_j this asks
    whether j outscores one certain item of A2, so that no ``c_j`` is ever counted. Proposals of an item that the row
    has drawn already are dropped, which makes the draws those without replacement. How many a row proposes changes
    what it costs, not what it draws: at least ``1 / max w`` of them are kept, no weight being below 1.
    """
    n_rows, n_items = scores.shape
    highest = (missed != 0).sum(dim=1).clamp_max_(cap).float()
    # place c of a row holds the score that an item with c_j >= c must exceed; what may not be drawn exceeds none
    thresholds = torch.cat([torch.full_like(missed_scores[:, :1], -torch.inf), missed_scores], dim=1).flatten()
    before = scores.gather(1, missed)
    eligible = scores.scatter_(1, missed, -torch.inf).flatten()  # restored below: a copy would take as long as the draw
    drawn = torch.zeros(n_rows, count, dtype=torch.int64, device=scores.device)
    rows = torch.arange(n_rows, device=scores.device)
    proposals = (_SPARE * count * torch.exp(highest / temperature)).clamp_max_(_FIRST_PROPOSALS * count).long()
    for _ in range(_MAX_ROUNDS):
        row = rows.repeat_interleave(proposals)
        items = torch.randint(1, n_items, (len(row),), generator=generator).to(scores.device)
        luck = torch.rand(len(row), generator=generator).to(scores.device)
        needed = luck.log_().mul_(temperature).add_(highest[row]).ceil_().clamp_min_(0).long()
        reached = eligible.index_select(0, row * n_items + items)
        kept = reached > thresholds.index_select(0, needed + row * (missed.shape[1] + 1))
        kept = kept.nonzero().squeeze(1)
        new = _pack(row[kept], items[kept], n_rows, 2 * count)[rows]
        drawn[rows] = _first_distinct(torch.cat([drawn[rows], new], dim=1), count)
        lacking = (drawn[rows] == 0).sum(dim=1)
        rate = (new != 0).sum(dim=1).clamp_min_(1) / proposals
        proposals = (_SPARE * lacking / rate).clamp_(count, _MOST_PROPOSALS * count).long()[lacking > 0]
        rows = rows[lacking > 0]
        if not len(rows):
            break
    scores.scatter_(1, missed, before)
    return drawn


def _pack(row: Tensor, items: Tensor, n_rows: int, width: int) -> Tensor:
    """The first ``width`` items of each row, in their order, then zeros; (n_rows, width).

    Args:
        row: of each item, ascending.
        items: (n,).
        n_rows: B.
        width: of the result.
    """
    counts = torch.bincount(row, minlength=n_rows)
    place = torch.arange(len(row), device=row.device) - (counts.cumsum(0) - counts)[row]
    fits = place < width
    packed = torch.zeros(n_rows, width, dtype=items.dtype, device=items.device)
    packed[row[fits], place[fits]] = items[fits]
    return packed


def _first_distinct(items: Tensor, count: int) -> Tensor:
    """The first ``count`` different non-zero items of each row, in their order, then zeros."""
    width = items.shape[1]
    keys = _ascending(items * width + torch.arange(width, device=items.device))
    item = keys // width
    useful = item != 0
    useful[:, 1:] &= item[:, 1:] != item[:, :-1]
    useful = torch.zeros_like(useful).scatter_(1, keys - item * width, useful)
    place = useful.cumsum(dim=1).mul_(useful)  # from 1; 0 is thrown away
    place.masked_fill_(place > count, 0)
    return items.new_zeros(len(items), count + 1).scatter_(1, place, items)[:, 1:]


def _ascending(keys: Tensor) -> Tensor:
    """Each row sorted, by NumPy on a CPU: five times as fast for rows as short as these."""
    if keys.device.type == "cpu":
        return torch.from_numpy(np.sort(keys.numpy(), axis=1))
    return keys.sort(dim=1).values


def closure_rate(scores: Tensor, items: Tensor) -> Tensor:
    """How nearly ``items`` are closed: the share of J that is among the student's top |J| (RCE-KD, table 7), (B,).

    Args:
        scores: the student's scores of all items, (B, n_items), -inf for items that are not ranked.
        items: J, (B, j), 0 beyond a row's last.
    """
    sizes = (items != 0).sum(dim=1, keepdim=True)
    last = scores.topk(min(items.shape[1], scores.shape[1]), dim=1).values.gather(1, (sizes - 1).clamp_min(0))
    inside = (scores.gather(1, items) >= last) & (items != 0)
    return inside.sum(dim=1) / sizes.squeeze(1).clamp_min(1)


def ndcg(scores: Tensor, row: Tensor, item: Tensor, k: int) -> Tensor:
    """NDCG@k of each row's ranking with the relevant entries (``row``, ``item``), (B,)."""
    relevant = torch.zeros_like(scores, dtype=torch.bool)
    relevant[row, item] = True
    k = min(k, scores.shape[1])
    hits = relevant.gather(1, scores.topk(k, dim=1).indices)
    count = relevant.sum(dim=1, keepdim=True).clamp_min(1)
    return per_user_metrics(torch.cat([hits.long(), count], dim=1), k)[f"ndcg@{k}"]
