"""RecBole's loaders: their data, their masks, and batches of a full ranking cut from flat arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from recbole.data import data_preparation
from recbole.data import utils as recbole_data
from recbole.data.dataloader import FullSortEvalDataLoader
from recbole.data.interaction import Interaction
from torch import Tensor

from recbole_kd.bridge.lent import lent
from recbole_kd.bridge.no_pickles import no_saved_loaders
from recbole_kd.bridge.recbole import Dataset
from recbole_kd.bridge.sampling import TabledSampler
from recbole_kd.bridge.targets import SomeTargetsLoader, trained_items
from recbole_kd.bridge.train_loader import SlicedTrainLoader
from recbole_kd.bridge.window_loader import WindowLoader
from recbole_kd.ops.ragged import Ragged


class Loaders(NamedTuple):
    """RecBole's train, validation and test loaders of one stage; None where there is none."""

    train: Any
    valid: Any
    test: Any

    @property
    def train_part(self) -> Any:
        """The data set of the training split, a :class:`~recbole_kd.data.dataset.MultiModalDataset`."""
        return self.train._dataset

    def parts(self) -> Iterator[Dataset]:
        """The data sets of the splits that are there."""
        return (loader._dataset for loader in self if loader is not None)

    def generators(self) -> list[torch.Generator]:
        """What each loader draws from."""
        return [loader.generator for loader in self if loader is not None]


def prepare_loaders(config: Any, dataset: Any, mask_train_only: bool) -> Loaders:
    """RecBole's loaders of a data set, with faster batches, and negatives that are the same and drawn faster.

    Args:
        config: of the stage.
        dataset: keeps its split.
        mask_train_only: leave only training items out of the test ranking; RecBole leaves out validation items too.

    Pickled loaders that lie in ``checkpoint_dir`` are not looked at.
    """
    windows = getattr(config.model_class, "encodes_once", False)
    with (
        no_saved_loaders(),
        lent(recbole_data, "Sampler", TabledSampler),
        lent(recbole_data, "TrainDataLoader", WindowLoader if windows else SlicedTrainLoader),
        lent(recbole_data, "FullSortEvalDataLoader", HistoryTestLoader if config["histories"] else SomeTargetsLoader),
    ):
        loaders = Loaders(*data_preparation(config, dataset))
    if config["histories"]:
        return loaders
    _finish(loaders.valid)
    _finish(loaders.test, loaders.train if mask_train_only else None)
    return loaders


class HistoryTestLoader(FullSortEvalDataLoader):
    """RecBole's full ranking of sequential models, for any model: each row's target, nothing of its history left out.

    A general model reads the user of a row, and is so ranked on the same users and items by the same rule.
    """

    @property
    def is_sequential(self) -> bool:
        """Whatever the model is."""
        return True

    @is_sequential.setter
    def is_sequential(self, value: bool) -> None: ...

    @property
    def uid_list(self) -> Tensor:
        """The user of each row, (n_rows,)."""
        users: Tensor = self._dataset.inter_feat[self.uid_field]
        return users


def apart_tests(config: Any, loaders: Loaders) -> dict[str, Any]:
    """The test of a split that holds items out, by what its targets are: ``warm`` and ``cold``; of any other, nothing.

    Args:
        config: of the stage; where its ``eval_items`` asks for some targets alone, there is nothing to part.
        loaders: of the stage.
    """
    if loaders.train_part.held_out is None or config["eval_items"] != "all" or not ranks_all_items(loaders.test):
        return {}
    found = {}
    unseen = ~trained_items(loaders.train_part)[loaders.test._dataset.inter_feat[loaders.train_part.iid_field]]
    for wanted in [*["warm"] * (not bool(unseen.all())), *["cold"] * bool(unseen.any())]:
        test = SomeTargetsLoader(config, loaders.test._dataset, loaders.test._sampler, wanted=wanted)
        _finish(test, loaders.train if config["eval_mask"] == "train" else None)
        found[wanted] = test
    return found


def _finish(loader: Any, mask: Any = None) -> None:
    """Faster batches of a full ranking; with the training loader as ``mask`` its items alone are left out."""
    if mask is not None and isinstance(loader, FullSortEvalDataLoader):
        _mask_train_only(loader, mask)
    if ranks_all_items(loader):
        loader.collate_fn = _FlatCollate(loader)


def ranks_all_items(loader: Any) -> bool:
    """Whether a loader's evaluation is a full ranking of users."""
    return isinstance(loader, FullSortEvalDataLoader)


class _FlatCollate:
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


def _mask_train_only(test: Any, train: Any) -> None:
    train_items = train._sampler.used_ids
    for user in test.uid_list.tolist():
        positives = set(test.uid2positive_item[user].tolist()) | getattr(test, "others", {}).get(user, set())
        test.uid2history_item[user] = torch.tensor(sorted(train_items[user] - positives), dtype=torch.int64)
