"""RecBole's data set with what it gets wrong mended, split once, and its ``preload_weight`` aligned to items."""

from __future__ import annotations

from logging import getLogger
from pathlib import Path
from typing import Any, Self

from recbole_kd.bridge import lightly  # noqa: F401

# isort: split
import numpy as np
from recbole.utils import FeatureSource, FeatureType
from torch import Tensor

from recbole_kd.bridge.evaluation_keys import held_out_share
from recbole_kd.bridge.filtering import CountedFilters
from recbole_kd.bridge.held_out import hold_out_items
from recbole_kd.bridge.reading import CheckedReading
from recbole_kd.bridge.refusals import in_one_sentence, said_by
from recbole_kd.foundation.errors import UserError

_PARTS = ("training", "validation", "test")


class SoundDataset(CheckedReading, CountedFilters):
    """RecBole's data set; what it reads of atomic files is the same."""

    _rest_fields: Any  # RecBole's: token fields that are no alias

    def __init__(self, config: Any) -> None:
        """Read the data set that ``config`` names.

        Raises:
            UserError: a file, a row of it, or a key that says how to read it is wrong.
        """
        self._splits: list[Any] | None = None
        self.held_out: Tensor | None = None  # which items are, bool (item_num,)
        with in_one_sentence(f"the data set {config['dataset']!r} cannot be read with these settings"):
            super().__init__(config)

    def build(self) -> list[Self]:
        """Split once: later calls return the same three data sets, so that several stages share one split.

        The first call draws random numbers exactly as RecBole's does, the later ones none.

        With ``split: cold_items=0.1`` a tenth of the items is held out of training.

        Raises:
            UserError: a part has no interactions, or ``eval_args`` is none that RecBole knows.
        """
        if self._splits is None:
            how = f"eval_args={self.config['eval_args']}"
            with in_one_sentence(f"the data set {self.dataset_name!r} cannot be split by {how}"):
                parts = super().build()
            if self.config["split"]:
                parts, held_out = hold_out_items(parts, held_out_share(self.config["split"]), self.config["seed"])
                for part in parts:
                    part.held_out = held_out
                share = len(parts[0]) / max(sum(map(len, parts)), 1)
                getLogger().info(
                    f"split: {self.config['split']} keeps {int(held_out.sum()):,} items out of training, which has "
                    f"{len(parts[0]):,} interactions now, {share:.0%} of all"
                )
            self._check_parts(parts)
            self._splits = parts
        return list(self._splits)

    def _check_parts(self, parts: list[Any]) -> None:
        for name, part in zip(_PARTS, parts, strict=True):
            if len(part) == 0:
                every = getattr(self, "events", None)  # rows of histories lack each user's first interaction
                columns = [every] if every is not None else [other.inter_feat for other in parts]
                most = int(np.bincount(np.concatenate([found[self.uid_field] for found in columns])).max())
                raise UserError(
                    f"the {name} part of {self.dataset_name!r} has no interactions: eval_args splits by "
                    f"{self.config['eval_args']['split']}, and no user has more than {most}; change the split, or "
                    "give users with more interactions"
                )

    def _download(self) -> None:
        """Fetch a data set that RecBole knows; what it says when that fails is a traceback."""
        try:
            super()._download()
        except (Exception, SystemExit) as error:
            # RecBole waits for other processes at the end, of which there may be none
            if not Path(self.dataset_path, f"{self.dataset_name}.inter").is_file():
                raise UserError(
                    f"the data set {self.dataset_name!r} is not in {self.dataset_path} and could not be fetched "
                    f"({said_by(error)}); put its atomic files there"
                ) from error

    def preloaded_of_items(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """The matrices of ``preload_weight`` that are of items, by the field of their values.

        Those of users or entities are no item features.

        Returns:
            Rows (item_num, d) in the order of the items, and which of them have a value, bool (item_num,).
        """
        found = {}
        for id_field, value_field in (self.config["preload_weight"] or {}).items():
            if id_field not in self._preloaded_weight:
                continue
            given = self._preloaded_weight[id_field]
            row_of_item = self._rows_for_items(id_field)
            if row_of_item is not None:
                matrix = given.reshape(len(given), -1)[row_of_item]
                present = self._has_value(id_field, value_field, len(given))[row_of_item] & (row_of_item > 0)
                found[value_field] = (matrix, present)
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
        """Fill missing values as RecBole does; its own reads ``np.float``, which NumPy dropped, for sequences.

        Raises:
            UserError: a time is missing where histories go by it; RecBole would take the mean of all for it.
        """
        missing = int(self.inter_feat[self.time_field].isna().sum()) if self.config["histories"] else 0
        if missing:
            raise UserError(
                f"{missing:,} interaction{'s have' if missing > 1 else ' has'} no {self.time_field} in the data set "
                f"{self.dataset_name!r}, and histories go by time; fill the column, or leave such rows out"
            )
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
