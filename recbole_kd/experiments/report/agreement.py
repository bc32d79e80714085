"""How alike two models rank, a teacher and a student."""

from __future__ import annotations

import numpy as np
import torch

from recbole_kd.data.interactions import positives_of
from recbole_kd.experiments.report.compared import Compared, Pair
from recbole_kd.experiments.report.numbers import Numbers
from recbole_kd.experiments.results.row import Row
from recbole_kd.foundation.digest import sha256_of_values
from recbole_kd.foundation.errors import UserError
from recbole_kd.ops.membership import contains
from recbole_kd.serving.rankings import best_unseen

CUTOFFS = (10, 20, 50)
MOST_USERS = 5000


def agreement(compared: Compared, pair: Pair, alone: bool) -> Numbers:
    """Where a student has the items that its teacher ranks first, training items left out.

    Args:
        compared: opens the models.
        pair: of the comparison.
        alone: ask the student that was trained alone instead of the distilled one.

    Returns:
        ``rank`` (r,), r up to 50: the mean over users of the student's rank of the teacher's item of each rank;
        ``overlap`` (3,): the share of the teacher's top 10, 20 and 50 that is in the student's; ``users`` (). At most
        :data:`MOST_USERS` users, drawn with a fixed seed.

    Raises:
        UserError: a model cannot be opened, or both are of different data.
    """
    student = pair.alone if alone else pair.student
    assert student is not None

    def compute() -> Numbers:
        of_teacher = _taught(compared, pair.teacher)
        taught, users = (torch.from_numpy(of_teacher[name]) for name in ("items", "users"))
        asked = compared.trained(student)
        if sha256_of_values(asked.identity) != str(of_teacher["data"]):
            raise UserError(f"{pair.teacher.label} and {student.label} were trained on different data")
        mine, ranks = best_unseen(asked, users, max(CUTOFFS), taught)
        there = taught != 0
        weights = there.sum(dim=0)
        rank = torch.where(there, ranks, 0).sum(dim=0) / weights
        overlap = []
        for k in CUTOFFS:
            shared = contains(mine[:, :k], taught[:, :k]) & there[:, :k]
            overlap.append(float((shared.sum(dim=1) / there[:, :k].sum(dim=1).clamp_min(1)).mean()))
        return {
            "rank": rank[weights > 0].numpy(),
            "overlap": np.array(overlap),
            "users": np.array(len(users)),
        }

    return compared.numbers("agreement", [pair.teacher, student], compute)


def _taught(compared: Compared, teacher: Row) -> Numbers:
    """A teacher's lists, ranked once for all its students.

    Returns:
        ``users`` (n,), ``items`` (n, r), r up to 50, and ``data``, a digest of the identity of its data.
    """

    def compute() -> Numbers:
        trained = compared.trained(teacher)
        users = positives_of(trained.train).filled()
        if len(users) > MOST_USERS:
            drawn = torch.randperm(len(users), generator=torch.Generator().manual_seed(0))[:MOST_USERS]
            users = users[drawn.sort().values]
        items, _ = best_unseen(trained, users, max(CUTOFFS))
        return {"users": users.numpy(), "items": items.numpy(), "data": np.array(sha256_of_values(trained.identity))}

    return compared.numbers("taught", [teacher], compute)


def pairs_of(compared: Compared) -> list[Pair]:
    """Distilled students whose teacher is a model of its own.

    Raises:
        UserError: there is none.
    """
    pairs = compared.pairs()
    if not pairs:
        raise UserError(
            "it needs a distilled student and a teacher with a checkpoint of its own, such as "
            "--models='RCEKD:LightGCN>BPR'"
        )
    return pairs


def pair_names(compared: Compared) -> dict[str, Pair]:
    """The pairs by the student's label, with the teacher's where it has several."""
    pairs = pairs_of(compared)
    labels = [pair.student.label for pair in pairs]
    return {pair.student.label if labels.count(pair.student.label) == 1 else pair.teacher.label: pair for pair in pairs}
