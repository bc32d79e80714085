"""RecBole's filters, which here say what each has dropped and never act on a column that is not there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from recbole_kd.bridge import lightly  # noqa: F401

# isort: split
from recbole.data.dataset import Dataset
from recbole.utils import FeatureType

from recbole_kd.foundation.errors import UserError, did_you_mean

_EVERYBODY = "[0,inf)"  # RecBole's default interval

_FILTERS = ("user_inter_num_interval", "item_inter_num_interval", "val_interval", "rm_dup_inter")

# Keys that name columns, and whether those must be of numbers.
_NAMING = {"val_interval": False, "normalize_field": True, "threshold": True, "discretization": True, "seq_len": False}
_NAMING |= {"alias_of_user_id": False, "alias_of_item_id": False}


def filters_given(config: Any, keys: Iterable[str] = _FILTERS) -> list[str]:
    """The keys of filters that are on; RecBole's defaults are off."""
    return [key for key in keys if config[key] not in (None, False, _EVERYBODY)]


class CountedFilters(Dataset):
    """A data set of RecBole that counts the rows that each of its filters takes from the interactions.

    Attributes:
        dropped: rows by the key of the filter, in the order in which filters act; those that are off are not in it.
    """

    dropped: dict[str, int]

    def _init_alias(self) -> None:
        """Called once the files are read, before anything is done with their columns."""
        self.dropped = {}
        self._check_filters()
        self._check_named_columns()
        super()._init_alias()

    def _remove_duplication(self) -> None:
        with self._counting("rm_dup_inter"):
            super()._remove_duplication()

    def _filter_by_field_value(self) -> None:
        with self._counting("val_interval"):
            super()._filter_by_field_value()

    def _filter_inter_by_user_or_item(self) -> None:
        features = self.user_feat is not None or self.item_feat is not None
        with self._counting(*["filter_inter_by_user_or_item"] * features):
            super()._filter_inter_by_user_or_item()

    def _filter_by_inter_num(self) -> None:
        with self._counting("user_inter_num_interval", "item_inter_num_interval"):
            super()._filter_by_inter_num()

    def _reset_index(self) -> None:
        empty = [name for name in self.feat_name_list if getattr(self, name).empty]
        if empty:
            what = {"inter_feat": "interactions", "user_feat": "users", "item_feat": "items"}.get(empty[0], empty[0])
            said = ", ".join(f"{key} drops {count:,}" for key, count in self.dropped.items())
            raise UserError(f"the filters leave no {what} of the data set {self.dataset_name!r}: {said}; widen one")
        super()._reset_index()

    @contextmanager
    def _counting(self, *keys: str) -> Iterator[None]:
        before = len(self.inter_feat)
        yield
        given = filters_given(self.config, keys)
        if given:
            shown = " and ".join(f"{key}={self.config[key]}" for key in given)
            self.dropped[shown] = before - len(self.inter_feat)

    def _check_filters(self) -> None:
        """Refuse filters where RecBole does not use them."""
        given = filters_given(self.config)
        if given and self.benchmark_filename_list is not None:
            raise UserError(
                f"{given[0]}={self.config[given[0]]} does nothing beside benchmark_filename, whose parts are taken as "
                "they are; leave it out, or filter the files"
            )

    def _check_named_columns(self) -> None:
        """Refuse keys that name a column which is not loaded; RecBole meets some of them as a traceback."""
        for key, numbers in _NAMING.items():
            for field in self.config[key] or ():
                self._check_loaded(key, field)
                if numbers and self.field2type[field] not in (FeatureType.FLOAT, FeatureType.FLOAT_SEQ):
                    raise UserError(
                        f"{key} names {field!r}, which is of type {self.field2type[field].value} and not of numbers"
                    )
        for field in (field for fields in (self.config["unused_col"] or {}).values() for field in fields):
            self._check_loaded("unused_col", field)
            if field in (self.uid_field, self.iid_field):
                raise UserError(f"unused_col names {field!r}, without which there is no data; take it out")
        for pair in (self.config["preload_weight"] or {}).items():
            for field in pair:
                self._check_loaded("preload_weight", field)
        for field, wanted in (self.config["val_interval"] or {}).items():
            tokens = self.field2type[field] in (FeatureType.TOKEN, FeatureType.TOKEN_SEQ)
            if tokens != isinstance(wanted, list):
                form = "a list of the values to keep" if tokens else "an interval such as [4,inf)"
                raise UserError(f"val_interval: {field} is of type {self.field2type[field].value}; give it {form}")
        for field in self.config["threshold"] or ():
            if field not in self.inter_feat:
                raise UserError(f"threshold names {field!r}, which is no column of the interactions")
        self._check_time()

    def _check_loaded(self, key: str, field: Any) -> None:
        if field in self.field2type:
            return
        hint = did_you_mean(str(field), self.field2type) or f"; there are {', '.join(self.field2type)}"
        raise UserError(
            f"{key} names the column {field!r}, which is not loaded; add it to load_col if the file has it{hint}"
        )

    def _check_time(self) -> None:
        args = self.config["eval_args"] or {}
        by_time = args.get("order") == "TO" or "TS" in (args.get("split") or {})
        if not by_time or self.benchmark_filename_list is not None:
            return
        if self.time_field not in self.inter_feat:
            raise UserError(
                f"eval_args orders by time, and the column {self.time_field!r} is not loaded; add it to load_col, as "
                f"in load_col={{inter: [{self.uid_field}, {self.iid_field}, {self.time_field}]}}, or set TIME_FIELD"
            )
        if self.field2type[self.time_field] != FeatureType.FLOAT:
            raise UserError(
                f"eval_args orders by time, and {self.time_field!r} is of type "
                f"{self.field2type[self.time_field].value}; write {self.time_field}:float in the header"
            )
