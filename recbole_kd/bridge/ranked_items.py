"""A full ranking of some items alone: those that training has, or those that it never saw."""

from __future__ import annotations

from typing import Any

import torch
from recbole.data.dataloader import FullSortEvalDataLoader
from torch import Tensor

from recbole_kd.foundation.errors import UserError


def trained_items(train: Any) -> Tensor:
    """Which items have an interaction of the training part, bool (item_num,)."""
    found = torch.zeros(train.item_num, dtype=torch.bool)
    found[train.inter_feat[train.iid_field]] = True
    return found


class SomeItemsLoader(FullSortEvalDataLoader):
    """RecBole's, with the targets that ``eval_items`` asks for; users without any are left out.

    Attributes:
        left_out: items that are ranked for nobody, bool (n_items,); None where all are.
    """

    left_out: Tensor | None = None

    def __init__(self, config: Any, dataset: Any, sampler: Any, shuffle: bool = False) -> None:
        """As RecBole's.

        Raises:
            UserError: no target is left.
        """
        wanted = config["eval_items"] or "all"
        if wanted != "all":
            trained = trained_items(sampler.datasets[0])
            self.__dict__["left_out"] = left_out = trained if wanted == "cold" else ~trained
            targets = dataset.inter_feat[dataset.iid_field]
            some = dataset.inter_feat[~left_out[targets]]
            if not len(some):
                raise UserError(
                    f"eval_items={wanted}: no interaction of validation or test is of {_NAMED[wanted]}"
                    + "; --split=cold_items=0.1 holds items out of training" * (wanted == "cold")
                )
            dataset = dataset.copy(some)
        super().__init__(config, dataset, sampler, shuffle=shuffle)


_NAMED = {"warm": "an item that training has", "cold": "an item that training never saw"}
