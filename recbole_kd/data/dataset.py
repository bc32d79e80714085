"""RecBole's data set, plus item features of any number of modalities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from recbole.data.dataset import Dataset
from recbole.utils import FeatureSource, FeatureType

from recbole_kd.data import ml100k
from recbole_kd.data.features import MISSING_POLICIES, NORMS
from recbole_kd.data.neighbours import Neighbours, cached_neighbours
from recbole_kd.data.store import FeatureStore, Preloaded
from recbole_kd.errors import UserError, did_you_mean


class MultiModalDataset(Dataset):
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

    _rest_fields: Any  # RecBole's: token fields that are no alias

    def __init__(self, config: Any) -> None:
        self._splits: list[Dataset] | None = None
        self._missing_features = _choice(config, "missing_features", MISSING_POLICIES)
        self._feature_norm = _choice(config, "feature_norm", NORMS)
        self._knn_features = _choice(config, "knn_features", ("standardised", "raw"))
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

    def neighbours(self, modality: str, k: int) -> Neighbours:
        """Return the ``k`` items nearest to each by one modality; found once and kept beside the features.

        With ``knn_features: raw`` the features as they are on disk are compared, else those of :meth:`features`.
        """
        features = self._store.raw(modality) if self._knn_features == "raw" else self.features(modality)
        folder = self._store.folder / ".neighbours"
        return cached_neighbours(folder, f"{self.dataset_name}.{modality}", features, k, self.config["show_progress"])

    def build(self) -> list[Dataset]:
        """Split once: later calls return the same three data sets, so that several stages share one split.

        The first call draws random numbers exactly as RecBole's does, the later ones none.
        """
        if self._splits is None:
            self._splits = super().build()
        return list(self._splits)

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
            missing_features=self._missing_features,
            feature_norm=self._feature_norm,
            prepare=prepare,
        )

    def _preloaded_modalities(self) -> dict[str, Preloaded]:
        """Align each ``preload_weight`` matrix of items; those of users or entities are no item features."""
        found = {}
        for id_field, value_field in (self.config["preload_weight"] or {}).items():
            if id_field not in self._preloaded_weight:
                continue
            given = self._preloaded_weight[id_field]
            row_of_item = self._rows_for_items(id_field)
            if row_of_item is not None:
                matrix = given.reshape(len(given), -1)[row_of_item]
                present = self._has_value(id_field, value_field, len(given))[row_of_item] & (row_of_item > 0)
                source = f"field {value_field!r} of preload_weight"
                found[value_field] = Preloaded(matrix, present, source)
        return found

    def _rows_for_items(self, id_field: str) -> np.ndarray | None:
        """Return int64 (item_num,): the row of ``id_field`` for each internal item id, 0 where it has none."""
        if self.iid_field is None:
            return None
        if id_field in self.alias["item_id"]:
            return np.arange(self.item_num)
        if any(id_field in fields for fields in self.alias.values()):
            return None
        if self.field2source[id_field] in {FeatureSource.USER, FeatureSource.USER_ID, FeatureSource.INTERACTION}:
            return None
        rows = self.field2token_id[id_field]
        tokens = self.field2id_token[self.iid_field]
        row_of_item = np.array([0] + [rows.get(token, 0) for token in tokens[1:]], dtype=np.int64)
        return row_of_item if row_of_item.any() else None

    def _has_value(self, id_field: str, value_field: str, count: int) -> np.ndarray:
        """Return bool (count,): which internal ids of ``id_field`` came with a value."""
        feat = self.field2feats(id_field)[-1]
        filled = np.ones(len(feat), dtype=bool)
        if self.field2type[value_field] == FeatureType.FLOAT_SEQ:
            # RecBole fills a missing sequence with an empty one
            filled = np.array([len(value) > 0 for value in feat[value_field]], dtype=bool)
        present = np.zeros(count, dtype=bool)
        present[np.asarray(feat[id_field], dtype=np.int64)[filled]] = True
        present[0] = False
        return present

    def _init_alias(self) -> None:
        """Give ids to a ``preload_weight`` field that is no alias; RecBole forgets fields of additional files.

        Without this only an alias of the item id works there, and an alias adds the file's items to ``item_num``.
        """
        super()._init_alias()
        known = {*self._rest_fields, *(field for fields in self.alias.values() for field in fields)}
        forgotten = [
            field
            for field in self.config["preload_weight"] or {}
            if field not in known and self.field2type.get(field) == FeatureType.TOKEN
        ]
        if forgotten:
            self._rest_fields = np.append(self._rest_fields, forgotten)

    def _fill_nan(self) -> None:
        """Fill missing values as RecBole does; its own reads ``np.float``, which NumPy dropped, for sequences."""
        for name in self.feat_name_list:
            feat = getattr(self, name)
            for field in feat:
                kind = self.field2type[field]
                if kind == FeatureType.TOKEN:
                    feat[field] = feat[field].fillna(0)
                elif kind == FeatureType.FLOAT:
                    feat[field] = feat[field].fillna(feat[field].mean())
                else:
                    empty = np.array([], dtype=np.int64 if kind == FeatureType.TOKEN_SEQ else np.float64)
                    feat[field] = [empty if isinstance(value, float) else value for value in feat[field]]


def _choice(config: Any, key: str, choices: tuple[str, ...]) -> str:
    """Read a key that is absent or one of ``choices`` (the first being the default)."""
    value = config[key]
    if value is None:
        return choices[0]
    if value not in choices:
        raise UserError(
            f"{key} is {value!r}; it must be one of {', '.join(choices)}{did_you_mean(str(value), choices)}"
        )
    return str(value)


def _modality_list(value: Any) -> tuple[str, ...] | None:
    """Read ``modalities``: null, a list, or names separated by commas as the command line gives them."""
    if value is None:
        return None
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise UserError(f"modalities is {value!r}; it must be a list of names such as [text, image], or null for all")
    return tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
