"""Users that a model does not know: whether they are in the data set's files, and what has dropped them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from recbole_kd.atomic.table import AtomicFile
from recbole_kd.bridge.config import KDConfig
from recbole_kd.bridge.filtering import filters_given
from recbole_kd.bridge.intervals import holds
from recbole_kd.bridge.reading import layout_of
from recbole_kd.foundation.errors import UserError


class Unknown(NamedTuple):
    """A user token that has no id.

    Attributes:
        token: as it was asked for.
        interactions: rows of the user in the files of interactions; 0 where there are none.
        reason: what has become of the user; empty of one who is in no file.
    """

    token: str
    interactions: int = 0
    reason: str = ""


def unknown_users(config: KDConfig, tokens: Sequence[str]) -> list[Unknown]:
    """Look for users in the files that a data set was read from; they are read once.

    Args:
        config: of the data set, as it was read.
        tokens: of users that have no id.
    """
    wanted, folder, name = frozenset(tokens), Path(str(config["data_path"])), str(config["dataset"])
    parts = config["benchmark_filename"]
    files = [folder / f"{name}{f'.{part}' if part else ''}.inter" for part in parts or [None]]
    rows = Counter(token for file in files for token in _column(file, config, wanted))
    listed = set(_column(folder / f"{name}.user", config, wanted)) if len(rows) < len(wanted) else set()
    return [Unknown(token, rows[token], _reason(token, rows[token], token in listed, config)) for token in tokens]


def _reason(token: str, count: int, listed: bool, config: KDConfig) -> str:
    if count:
        filters = _dropping(config, count)
        many = f"{count:,} interaction{'s' * (count > 1)}"
        by = f"{' and '.join(filters)} drop{'s' * (len(filters) == 1)} them" if filters else "none of them is kept"
        return f"is in the data set with {many}, but {by}"
    return f"is in {config['dataset']}.user, but has no interactions" if listed else ""


def _dropping(config: KDConfig, count: int) -> list[str]:
    """The filters that are set, as a user writes them; the one of users alone where it drops this one for certain."""
    said = {key: f"{key}={config[key]}" for key in filters_given(config)}
    by_features = "filter_inter_by_user_or_item"
    if config[by_features] and {"user", "item"} & set(config["load_col"] or ()):
        said[by_features] = f"{by_features}={config[by_features]}"
    interval = config["user_inter_num_interval"]
    if isinstance(interval, str) and not holds(interval, count):
        return [said["user_inter_num_interval"]]
    return list(said.values())


def _column(file: Path, config: KDConfig, wanted: Collection[str]) -> list[str]:
    """The user of each row, of those that are wanted; nothing where the file cannot be read."""
    field = config["USER_ID_FIELD"]
    try:
        users = AtomicFile(file, layout_of(config, [field])).read([field])[field]
    except (UserError, KeyError):
        return []
    return [str(user) for user in users[users.isin(list(wanted))]]
