"""One data set, split once, served to every training stage through RecBole's own loaders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from recbole.data import data_preparation
from recbole.data.dataloader import FullSortEvalDataLoader
from recbole.data.interaction import Interaction
from recbole.model.abstract_recommender import AbstractRecommender
from torch import Tensor

from recbole_kd.config import KDConfig
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.data.ragged import Ragged
from recbole_kd.errors import UserError

# Scores held at a time while ranking: 2^20 float32 are 4 MB, and RecBole's collector adds twice that. With 2^24, which
# no longer fit a processor's caches, ranking takes two to four times as long.
_SCORES_AT_ONCE = 2**20
# A model without full_sort_predict scores every pair through its layers, which take far more than one number each.
_PAIRS_AT_ONCE = 2**17


class Loaders(NamedTuple):
    """RecBole's train, validation and test loaders of one stage."""

    train: Any
    valid: Any
    test: Any


def check_list_lengths(config: KDConfig, dataset: MultiModalDataset) -> None:
    """Refuse lists longer than the catalogue, which RecBole would meet as an index error after the first epoch.

    Raises:
        UserError: ``topk`` asks for more items than there are.
    """
    if max(config["topk"]) >= dataset.item_num:
        raise UserError(
            f"topk={config['topk']} is too long for {dataset.item_num - 1} items; set topk and valid_metric"
        )


def make_loaders(config: KDConfig, dataset: MultiModalDataset) -> Loaders:
    """Return the loaders of a stage; ``dataset`` keeps its split, so all stages see the same one.

    RecBole's default ``eval_batch_size`` scores one user at a time; unless the user sets it, whole blocks of users
    are ranked at once, with equal metrics.
    """
    if "eval_batch_size" not in config.external_config_dict:
        scores_all = config.model_class.full_sort_predict is not AbstractRecommender.full_sort_predict
        limit = _SCORES_AT_ONCE if scores_all else _PAIRS_AT_ONCE
        config["eval_batch_size"] = max(limit // dataset.item_num, 1) * dataset.item_num
    loaders = Loaders(*data_preparation(config, dataset))
    if config["eval_mask"] == "train" and isinstance(loaders.test, FullSortEvalDataLoader):
        _mask_train_only(loaders)
    for loader in (loaders.valid, loaders.test):
        if isinstance(loader, FullSortEvalDataLoader) and not loader.is_sequential:
            loader.collate_fn = FlatCollate(loader)
    return loaders


class FlatCollate:
    """RecBole's batches of a full ranking, cut from flat arrays; RecBole joins one small tensor a user each time."""

    def __init__(self, loader: FullSortEvalDataLoader) -> None:
        users = loader.uid_list.tolist()
        self._users = loader.user_df
        self._history = Ragged.from_lists([loader.uid2history_item[user] for user in users])
        self._positive = Ragged.from_lists([loader.uid2positive_item[user].sort().values for user in users])

    def __call__(self, index: Sequence[int]) -> tuple[Interaction, tuple[Tensor, Tensor], Tensor, Tensor]:
        """Return users, (row, item) of what to leave out, and row and item of the positives, both ascending."""
        rows = torch.as_tensor(index)
        return self._users[rows], self._history.rows(rows), *self._positive.rows(rows)


def _mask_train_only(loaders: Loaders) -> None:
    """Leave only training items out of the test ranking; RecBole leaves out validation items too."""
    train_items = loaders.train._sampler.used_ids
    for user in loaders.test.uid_list.tolist():
        positives = set(loaders.test.uid2positive_item[user].tolist())
        loaders.test.uid2history_item[user] = torch.tensor(sorted(train_items[user] - positives), dtype=torch.int64)
