"""RecBole's data set, plus item features of any number of modalities."""

from __future__ import annotations

from copy import copy
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from recbole_kd.bridge.config import KDConfig
from recbole_kd.bridge.dataset import SoundDataset
from recbole_kd.bridge.histories import Histories
from recbole_kd.bridge.models import is_sequential
from recbole_kd.bridge.recbole import Config
from recbole_kd.bridge.run_settings import FeatureSettings
from recbole_kd.data import ml100k
from recbole_kd.data.feature_store import FeatureStore, Preloaded
from recbole_kd.data.neighbours import Neighbours, cached_neighbours
from recbole_kd.foundation.errors import UserError


class MultiModalDataset(SoundDataset):
    """RecBole's data set plus modality matrices aligned to internal item ids.

    Config keys, all optional: ``modalities`` (a list; default: all that are found), ``features_path`` (the folder
    that directly holds ``<dataset>.<modality>.npy``; default: ``data_path``), ``missing_features`` (``error``, ``mean``
    or ``zero``), ``feature_norm`` (``standardise`` or ``none``), ``knn_features`` (``standardised``, which means as
    ``feature_norm`` says, or ``raw``: what :meth:`neighbours` compares). Items known only from the features never enter
    ``item_num``. Without any modality this is RecBole's own data set.

    Args:
        config: RecBole's configuration.

    Raises:
        UserError: a key has a value that it cannot have, or a modality asked for is not there.
    """

    def __init__(self, config: Config) -> None:
        self._policies = FeatureSettings.read(config)
        selected = _modality_list(config["modalities"])
        super().__init__(config)
        self._store = self._make_store(selected)
        if selected is not None:
            # a misspelt name must fail now, not when the model asks for it
            _ = self._store.modalities

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities, in the order of the config key, else sorted; ``()`` where there are none."""
        return self._store.modalities

    def features(self, modality: str) -> torch.Tensor:
        """Return one modality, read at the first call and kept, shared by the splits.

        Args:
            modality: one of :attr:`modalities`.

        Returns:
            float32 (item_num, d_m), row 0 (the padding) zero. Do not change it in place.

        Raises:
            UserError: the name is unknown, or the files are not valid (see
                :func:`~recbole_kd.data.features.load_features`).
        """
        return self._store.get(modality)

    def further_features(self, modality: str, rows: np.ndarray, present: np.ndarray) -> torch.Tensor:
        """Rows of items that the data set has not, as :meth:`features` would have them.

        Arguments and errors are those of :meth:`~recbole_kd.data.feature_store.FeatureStore.further`.
        """
        return self._store.further(modality, rows, present)

    def described_items(self) -> torch.Tensor:
        """Which items have a row of any modality, bool (item_num,)."""
        found = np.zeros(self.item_num, dtype=bool)
        for modality in self.modalities:
            found |= self._store.described(modality)
        return torch.from_numpy(found)

    @property
    def features_folder(self) -> Path:
        """Where the files of the modalities lie, or would."""
        return self._store.folder

    def coverage(self, modality: str) -> tuple[int, int, int]:
        """How wide a modality's rows are, how many items have one, and how many rows are of no item."""
        return self._store.coverage(modality)

    def neighbours(self, modality: str, k: int) -> Neighbours:
        """Return the ``k`` items nearest to each by one modality; found once and kept beside the features.

        With ``knn_features: raw`` the features as they are on disk are compared, else those of :meth:`features`.
        """
        features = self._store.raw(modality) if self._policies.knn_features == "raw" else self.features(modality)
        folder = self._store.folder / ".neighbours"
        return cached_neighbours(folder, f"{self.dataset_name}.{modality}", features, k, self.config["show_progress"])

    def _make_store(self, selected: tuple[str, ...] | None) -> FeatureStore:
        config, prepare = self.config, None
        folder = config["features_path"] or self.dataset_path
        if self.dataset_name == ml100k.NAME:
            folder, prepare = config["features_path"] or ml100k.default_folder(), ml100k.ensure_features
        elif config["features_path"] and not Path(folder).is_dir():
            raise UserError(f"features_path {folder!r} is not a folder; give the one that holds the .npy files")
        return FeatureStore(
            name=self.dataset_name,
            folder=Path(folder),
            item_tokens=self.field2id_token[self.iid_field] if self.iid_field else ["[PAD]"],
            preloaded=self._preloaded_modalities(),
            selected=selected,
            missing_features=self._policies.missing_features,
            feature_norm=self._policies.feature_norm,
            prepare=prepare,
        )

    def _preloaded_modalities(self) -> dict[str, Preloaded]:
        return {
            field: Preloaded(matrix, present, f"field {field!r} of preload_weight")
            for field, (matrix, present) in self.preloaded_of_items().items()
        }


class HistoryDataset(MultiModalDataset, Histories):
    """The same of histories: for sequential models, and for general ones beside them."""

    def build(self) -> list[Self]:
        """Split once, by time; each user's last interactions are held out.

        Raises:
            UserError: also where items are to be held out, or parts lie in files of their own.
        """
        if self._splits is None:
            if self.config["split"]:
                raise UserError(
                    f"split: {self.config['split']} holds items out of histories, which would have gaps; leave it out"
                )
            self.note_training(super().build())
        return super().build()

    def for_model(self, config: KDConfig) -> Self:
        """The same split as the model of a stage reads it.

        A sequential model has histories of at most ``MAX_ITEM_LIST_LENGTH`` events. A general one trains on the
        interactions of training, and is tested on the same rows.
        """
        found = copy(self)
        parts = [part.cut_to(config["MAX_ITEM_LIST_LENGTH"]) for part in self.build()]
        if not is_sequential(config.model_class):
            parts[0] = parts[0].as_pairs()
        found._splits = parts  # noqa: SLF001 - a copy of itself
        return found


def open_dataset(config: KDConfig) -> MultiModalDataset:
    """Read the data set of a run.

    Raises:
        UserError: as :class:`MultiModalDataset`; histories from files that hold the parts of a split.
    """
    if not config["histories"]:
        return MultiModalDataset(config)
    if config["benchmark_filename"] is not None:
        raise UserError(
            f"histories are cut from one file of interactions with times, and the data set {config['dataset']!r} lies "
            "in a file a part (benchmark_filename); put all into one .inter file"
        )
    if config["eval_items"] != "all":
        raise UserError(
            f"eval_items={config['eval_items']} is not for histories, whose tests count every row; leave it out"
        )
    return HistoryDataset(config)


def read_features(model: str, dataset: MultiModalDataset) -> tuple[str, ...]:
    """Read all that a model of item features reads, and return the names of the modalities.

    Args:
        model: its name, for the sentence.
        dataset: keeps what is read.

    Raises:
        UserError: the data set has none, or they are not valid.
    """
    modalities = tuple(dataset.modalities)
    if not modalities:
        name = dataset.dataset_name
        raise UserError(
            f"{model} needs item features, but data set {name!r} has none; put {name}.<modality>.npy and "
            f"{name}.item_ids beside its atomic files"
        )
    for modality in modalities:
        dataset.features(modality)
    return modalities


def _modality_list(value: Any) -> tuple[str, ...] | None:
    """Read ``modalities``: null, a list, or names separated by commas as the command line gives them."""
    if value is None:
        return None
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise UserError(f"modalities is {value!r}; it must be a list of names such as [text, image], or null for all")
    return tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
