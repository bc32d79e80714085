"""RecBole's reading of atomic files, with each file checked as it is read."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from recbole_kd.bridge import lightly  # noqa: F401

# isort: split
import pandas as pd
from recbole.data.dataset import Dataset
from recbole.utils import FeatureSource, FeatureType

from recbole_kd.atomic.table import AtomicFile, Layout
from recbole_kd.foundation.errors import UserError, did_you_mean

_DEFAULT_IDS = {"user_id", "item_id"}  # what RecBole's load_col names where nobody gives one


def layout_of(config: Any, ids: Iterable[str]) -> Layout:
    """How the keys of a config say that a data set's files are written; ``ids`` are columns that are never empty."""
    return Layout(
        separator=config["field_separator"].replace("\\t", "\t"),
        sequence_separator=config["seq_separator"],
        encoding=config["encoding"] or "utf-8",
        ids=frozenset(ids),
        time=config["TIME_FIELD"],
        time_format=config["time_format"],
    )


class CheckedReading(Dataset):
    """A data set of RecBole whose files are read by :mod:`recbole_kd.atomic`; the values are the same."""

    rows_read: dict[str, int]  # by the name of the file, before any filter
    times: tuple[float, float] | None  # the first and the last, before RecBole normalises them

    def _get_field_from_config(self) -> None:
        super()._get_field_from_config()
        self.rows_read, self.times = {}, None
        for key, field in (("USER_ID_FIELD", self.uid_field), ("ITEM_ID_FIELD", self.iid_field)):
            if not field:
                raise UserError(f"{key} is empty; name the column of the ids")

    def _load_inter_feat(self, token: str, dataset_path: str) -> None:
        names = [f"{token}.inter"]
        if self.benchmark_filename_list is not None:
            names = [f"{token}.{part}.inter" for part in self.benchmark_filename_list]
        for path in (Path(dataset_path) / name for name in names):
            if not path.is_file():
                there = [other.name for other in sorted(path.parent.iterdir()) if other.suffix == ".inter"]
                found = f"; the folder has {', '.join(there)}" if there else ""
                raise UserError(f"there is no file {path}, which holds the interactions{found}")
        super()._load_inter_feat(token, dataset_path)

    def _load_data(self, token: str, dataset_path: str) -> None:
        super()._load_data(token, dataset_path)
        for kind in self.config["load_col"] or ():
            path = Path(dataset_path) / f"{token}.{kind}"
            if kind != "inter" and path.name not in self.rows_read:
                why = "no model here reads it" if path.is_file() else "it is not there"
                raise UserError(f"load_col asks for columns of {path}, and {why}; take {kind} out of load_col")

    def _load_feat(self, filepath: str, source: Any) -> pd.DataFrame | None:
        path = Path(filepath)
        kind = source.value if isinstance(source, FeatureSource) else source
        load_col, unload_col = self._get_load_and_unload_col(source)
        required = self._required(source)
        if load_col == set() and source != FeatureSource.INTERACTION:
            return None
        file = AtomicFile(path, layout_of(self.config, required))
        self._check_columns(file, kind, load_col, unload_col, required)
        names = [
            name
            for name in file.names
            if (load_col is None or name in load_col or name in required) and name not in (unload_col or ())
        ]
        gone = [name for name in required if name not in names]
        if gone:
            raise UserError(f"unload_col leaves out {', '.join(gone)} of {path}, which every run needs; take it out")
        if not names:
            self.logger.warning(f"No columns has been loaded from [{source}]")
            return None
        table = file.read(names)
        if table.empty:
            what = "no interactions" if source == FeatureSource.INTERACTION else "no rows"
            raise UserError(f"{path} has a header and {what}")
        self.rows_read[path.name] = len(table)
        if source == FeatureSource.INTERACTION and self.time_field in table:
            self._note_times(table[self.time_field])
        for column in file.columns:
            if column.name in names:
                self._note_column(column.name, FeatureType(column.kind), source, table)
        return table

    def _note_times(self, times: pd.Series) -> None:
        if pd.api.types.is_numeric_dtype(times) and times.notna().any():
            both = [times.min(), times.max(), *(self.times or ())]
            self.times = float(min(both)), float(max(both))

    def _required(self, source: Any) -> list[str]:
        """The id columns that a file must have."""
        of_source = {
            FeatureSource.INTERACTION: [self.uid_field, self.iid_field],
            FeatureSource.USER: [self.uid_field],
            FeatureSource.ITEM: [self.iid_field],
        }
        return of_source.get(source, [])

    def _check_columns(
        self,
        file: AtomicFile,
        kind: str,
        load_col: Collection[str] | None,
        unload_col: Collection[str] | None,
        required: Collection[str],
    ) -> None:
        kinds = {column.name: column.kind for column in file.columns}
        for name in required:
            key = "USER_ID_FIELD" if name == self.uid_field else "ITEM_ID_FIELD"
            if name not in kinds:
                likely = did_you_mean(name, [name for name, type_ in kinds.items() if type_ == "token"])
                raise UserError(
                    f"{file.path} has no column {name!r}, only {', '.join(kinds)}; rename one, or name it with "
                    f"--{key}=NAME{likely}"
                )
            if kinds[name] != "token":
                raise UserError(f"{file.path}: {key} {name!r} is of type {kinds[name]}; write {name}:token")
        if unload_col:
            absent = sorted(set(unload_col) - kinds.keys())
            if absent:
                raise UserError(
                    f"unload_col leaves out {absent[0]!r} of {file.path}, which has only {', '.join(kinds)}"
                )
        default = _DEFAULT_IDS - {self.uid_field, self.iid_field}
        for name in sorted(set(load_col or ()) - kinds.keys() - default):
            hint = did_you_mean(name, kinds) or f"; it has {', '.join(kinds)}"
            if name == self.time_field and self.config["histories"]:
                hint += (
                    "; histories need times: name their column with TIME_FIELD, or let recbole-kd convert table make it"
                )
            raise UserError(f"load_col asks for {name!r} of {kind}, and {file.path} has no such column{hint}")

    def _note_column(self, name: str, kind: FeatureType, source: Any, table: pd.DataFrame) -> None:
        """Tell RecBole of a column what its own reader tells of it, and cut sequences to their ``seq_len``."""
        if source != "link":  # links of a knowledge graph are no features
            self.field2source[name], self.field2type[name] = source, kind
            if "float" in kind.value:
                self.field2bucketnum[name] = 2
        if not kind.value.endswith("seq"):
            self.field2seqlen[name] = 1
            return
        longest = max(map(len, table[name]))
        limit = (self.config["seq_len"] or {}).get(name, longest)
        if limit < longest:
            table[name] = [values[:limit] for values in table[name]]
        self.field2seqlen[name] = min(limit, longest)
