"""A full ranking that counts some targets alone: items that training has, or items that it never saw."""

from __future__ import annotations

from typing import Any

import torch
from recbole.data.dataloader import FullSortEvalDataLoader
from torch import Tensor

from recbole_kd.bridge.histories import interactions_of
from recbole_kd.foundation.errors import UserError

_NAMED = {"warm": "an item that training has", "cold": "an item that training never saw"}


def trained_items(train: Any) -> Tensor:
    """Which items have an interaction of the training part, bool (item_num,)."""
    found = torch.zeros(train.item_num, dtype=torch.bool)
    found[interactions_of(train)[train.iid_field]] = True
    return found


class SomeTargetsLoader(FullSortEvalDataLoader):
    """RecBole's, with the targets that ``eval_items`` asks for, each ranked among all items.

    Users without any are left out. The targets that do not count are ranked all the same, not masked.
    """

    def __init__(
        self, config: Any, dataset: Any, sampler: Any, shuffle: bool = False, wanted: str | None = None
    ) -> None:
        """As RecBole's, and ``wanted``, which beats ``eval_items``.

        Raises:
            UserError: no target is left.
        """
        wanted = wanted or config["eval_items"] or "all"
        self.others: dict[int, set[int]] = {}  # by user, the targets that do not count
        if wanted != "all":
            trained = trained_items(sampler.datasets[0])
            users, items = (dataset.inter_feat[field] for field in (dataset.uid_field, dataset.iid_field))
            counts = trained[items] if wanted == "warm" else ~trained[items]
            if not counts.any():
                raise UserError(
                    f"eval_items={wanted}: no interaction of validation or test is of {_NAMED[wanted]}"
                    + "; --split=cold_items=0.1 holds items out of training" * (wanted == "cold")
                )
            for user, item in zip(users[~counts].tolist(), items[~counts].tolist(), strict=True):
                self.others.setdefault(user, set()).add(item)
            dataset = dataset.copy(dataset.inter_feat[counts])
        super().__init__(config, dataset, sampler, shuffle=shuffle)

    def _set_user_property(self, uid: int | None, used_item: set[int], positive_item: set[int]) -> None:
        others = self.others.get(int(uid), set()) if uid is not None else set()
        super()._set_user_property(uid, used_item - others, positive_item)
