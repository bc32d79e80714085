"""RecBole's keys of a data set: columns, filters and parts. Only their form is checked; no file is read here."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from recbole_kd.bridge.intervals import Interval, interval
from recbole_kd.foundation.errors import did_you_mean
from recbole_kd.foundation.settings import Count, Part, Settings, check_inner_keys, refused

_BY_DEFAULT = {"inter": ["user_id", "item_id"]}  # RecBole's load_col of a general recommender
_FILES = ("inter", "user", "item", "kg", "link")  # that RecBole reads of a data set, by suffix


def part_of_name(value: str) -> str:
    """A name that becomes a part of a file's name, and must not lead out of the data set's folder.

    Raises:
        PydanticCustomError: it holds a slash or is no name.
    """
    if not value or value in (".", "..") or any(sign in value for sign in "/\\\0\n"):
        raise refused("it is a part of a file's name, as train in NAME.train.inter, and holds no slash")
    return value


def _names(value: Any) -> Any:
    if isinstance(value, str):
        raise refused(f"write a list, as [{value}]")
    return value


def _one_character(value: Any) -> Any:
    if isinstance(value, str) and len(value) != 1:
        raise refused('the columns are separated by one character, such as "\\t" or ","')
    return value


def _encoding(value: Any) -> Any:
    try:
        codecs.lookup(value)
        " ".encode(value)  # rot13 and base64 are no encodings of text
    except (LookupError, TypeError, ValueError):
        raise refused("Python knows no such encoding; write utf-8, latin-1, gb18030 or another") from None
    return value


def _columns(value: Any) -> Any:
    """``load_col``, ``unload_col``, ``unused_col``: lists of columns by the suffix of their file."""
    if isinstance(value, list | tuple | str):
        columns = value if not isinstance(value, str) else [value]
        raise refused(f"say of which file: {{inter: [{', '.join(map(str, columns))}]}}")
    if isinstance(value, Mapping):
        for suffix, columns in value.items():
            if isinstance(columns, str) and columns != "*":
                raise refused(f"write a list, as {{{suffix}: [{columns}]}}")
    return value


def _values_to_keep(value: Any) -> Any:
    if value is not None and not isinstance(value, Mapping):
        raise refused('write {COLUMN: "[4,inf)"}, an interval of a column')
    for column, kept in (value or {}).items():
        if not isinstance(kept, list | tuple):  # of tokens it is a list of those to keep
            try:
                interval(kept)
            except Exception as error:
                raise refused(f"{column}: {error}") from None
        if kept is None:
            raise refused(f'{column} has no interval; write {{{column}: "[4,inf)"}}')
    return value


def _threshold(value: Any) -> Any:
    number = isinstance(value, int | float)
    if value is not None and (not isinstance(value, Mapping) or len(value) != 1):
        raise refused(f"write one column and its smallest good value, as {{rating: {value if number else 4}}}")
    return value


def _three_parts(value: Any) -> Any:
    if value is not None and (not isinstance(value, list) or len(value) != 3 or len(set(map(str, value))) != 3):
        raise refused("write the three parts, as [train, valid, test] for NAME.train.inter and so on")
    return value


Field_ = Annotated[str, Field(min_length=1)]
Names = Annotated[list[Field_] | None, BeforeValidator(_names)]
PartOfName = Annotated[str, AfterValidator(part_of_name)]
ColumnsOfFiles = Annotated[
    dict[str, list[Field_] | Literal["*"]] | None,
    BeforeValidator(_columns),
]


class Discretization(Part):
    """How a numerical column is cut into buckets."""

    example: ClassVar[str] = "{method: ED, bucket: 10}"

    method: Literal["ED", "LD"]
    bucket: Count | None = None


class DataSettings(Settings):
    """RecBole's keys of a data set; the defaults count where a config does not have them."""

    field_separator: Annotated[str, BeforeValidator(_one_character)] = "\t"
    seq_separator: Field_ = " "
    encoding: Annotated[str | None, BeforeValidator(_encoding)] = "utf-8"

    USER_ID_FIELD: Field_ = "user_id"
    ITEM_ID_FIELD: Field_ = "item_id"
    RATING_FIELD: Field_ | None = None
    TIME_FIELD: Field_ | None = None
    LABEL_FIELD: Field_ = "label"
    NEG_PREFIX: Field_ = "neg_"
    ITEM_LIST_LENGTH_FIELD: Field_ | None = None
    LIST_SUFFIX: Field_ | None = None
    POSITION_FIELD: Field_ | None = None
    MAX_ITEM_LIST_LENGTH: Count | None = None
    HEAD_ENTITY_ID_FIELD: Field_ | None = None
    TAIL_ENTITY_ID_FIELD: Field_ | None = None
    RELATION_ID_FIELD: Field_ | None = None
    ENTITY_ID_FIELD: Field_ | None = None
    kg_reverse_r: bool = False
    entity_kg_num_interval: Interval = None
    relation_kg_num_interval: Interval = None

    load_col: ColumnsOfFiles = None
    unload_col: ColumnsOfFiles = None
    unused_col: ColumnsOfFiles = None
    additional_feat_suffix: PartOfName | list[PartOfName] | None = None
    seq_len: dict[str, Count] | None = None
    numerical_features: Names = None
    discretization: dict[str, Discretization] | None = None
    alias_of_user_id: Names = None
    alias_of_item_id: Names = None
    alias_of_entity_id: Names = None
    alias_of_relation_id: Names = None
    preload_weight: dict[str, Field_] | None = None

    rm_dup_inter: Literal["first", "last"] | None = None
    val_interval: Annotated[dict[str, Any] | None, BeforeValidator(_values_to_keep)] = None
    user_inter_num_interval: Interval = None
    item_inter_num_interval: Interval = None
    filter_inter_by_user_or_item: bool = True
    threshold: Annotated[
        dict[str, Annotated[float, Field(allow_inf_nan=False)]] | None, BeforeValidator(_threshold)
    ] = None
    normalize_field: Names = None
    normalize_all: bool | None = None
    benchmark_filename: Annotated[list[PartOfName] | None, BeforeValidator(_three_parts)] = None

    @model_validator(mode="after")
    def _fit_together(self) -> DataSettings:
        ids = (self.USER_ID_FIELD, self.ITEM_ID_FIELD)
        if ids[0] == ids[1]:
            raise refused(f"USER_ID_FIELD and ITEM_ID_FIELD are both {ids[0]!r}; name the two columns")
        if self.field_separator == self.seq_separator:
            raise refused(
                "field_separator and seq_separator are the same; one separates columns, the other their parts"
            )
        if self.normalize_field is not None and self.normalize_all:
            raise refused("normalize_field and normalize_all are both set; add --normalize_all=false or leave one out")
        self._check_columns(ids)
        return self

    def _check_columns(self, ids: tuple[str, str]) -> None:
        more = self.additional_feat_suffix or []
        files = (*_FILES, *([more] if isinstance(more, str) else more))
        for key in ("load_col", "unload_col", "unused_col"):
            columns = getattr(self, key) or {}
            try:
                check_inner_keys(columns, files, "{inter: [user_id, item_id]}")
            except Exception as error:
                raise refused(f"{key}: {error}") from None
        for suffix in {*(self.load_col or {})} & {*(self.unload_col or {})}:
            raise refused(
                f"load_col and unload_col both name columns of the .{suffix} file; leave one out (unload_col alone is "
                "--load_col=null --unload_col=...)"
            )
        if self.load_col is not None and "inter" not in self.load_col:
            raise refused(f"load_col leaves out the .inter file; add {{inter: [{', '.join(ids)}]}} to it")
        if self.load_col == _BY_DEFAULT:  # not the user's words; the ids are loaded under the names that they have
            return
        for column in ids:
            if not self.loads(column) and self.load_col is not None:
                hint = did_you_mean(column, self.load_col["inter"])
                raise refused(f"load_col leaves out the column {column!r} of the .inter file{hint or '; add it'}")
            if not self.loads(column):
                raise refused(f"unload_col leaves out the column {column!r}, without which there is no data")

    def loads(self, column: str) -> bool:
        """Whether a column of the .inter file is loaded, if the file has it."""
        loaded = "*" if self.load_col is None else self.load_col.get("inter", [])
        return (loaded == "*" or column in loaded) and column not in (self.unload_col or {}).get("inter", [])
