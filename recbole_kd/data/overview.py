"""What a run would train on: counts of a data set as it is after reading, filtering and splitting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from recbole_kd.data.content.writing import unfinished
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.data.interactions import pairs_of
from recbole_kd.foundation.errors import UserError

PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Overview:
    """Counts of a data set, without the padding.

    Attributes:
        dataset: its name.
        folder: where its files lie.
        rows_read: of each file.
        dropped: interactions that each filter took, by key and value.
        users: known ids.
        items: likewise.
        interactions: that are left, all parts together.
        density: the share of all pairs of users and items that they fill; pairs that are there twice count once.
        repeated: interactions beyond the first of their pair.
        parts: of each part of the split: ``interactions``, ``users``, ``items``.
        unseen: ``users`` and ``items`` that only validation or test have.
        unused: ``users`` and ``items`` with rows of features and no interaction.
        split: how it was split.
        times: the first and the last time in ISO form, none where no time is loaded.
        modalities: ``width``, ``items`` with a row and ``rows`` of no item, by name.
        per_user: how many users have up to so many interactions, by that number, each twice the one before.
        per_item: likewise for items.
        unfinished: modalities that ``recbole-kd features`` has begun and not finished.
        faults: sentences about modalities that a model of them would refuse.
    """

    dataset: str
    folder: str
    rows_read: Mapping[str, int]
    dropped: Mapping[str, int]
    users: int
    items: int
    interactions: int
    density: float
    repeated: int
    parts: Mapping[str, Mapping[str, int]]
    unseen: Mapping[str, int]
    unused: Mapping[str, int]
    split: str
    times: tuple[str, str] | None
    modalities: Mapping[str, Mapping[str, int]]
    per_user: Mapping[int, int]
    per_item: Mapping[int, int]
    unfinished: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def overview_of(data: MultiModalDataset) -> Overview:
    """Split a data set as a run does, and count.

    Raises:
        UserError: it cannot be split.
    """
    pairs = [tuple(ids.numpy() for ids in pairs_of(part)) for part in data.build()]
    users, items = (np.concatenate(ids) for ids in zip(*pairs, strict=True))
    sizes = {"users": data.user_num, "items": data.item_num}
    keys = np.sort(users * data.item_num + items)  # np.unique hashes, which takes five times as long
    distinct = int((np.diff(keys) > 0).sum()) + 1
    activity = {"users": np.bincount(users, minlength=data.user_num), "items": np.bincount(items)}
    trained = {key: _different(ids) for key, ids in zip(sizes, pairs[0], strict=True)}
    used = {key: int((counts > 0).sum()) for key, counts in activity.items()}
    known = {key: size - 1 for key, size in sizes.items()}
    faults: list[str] = []
    return Overview(
        dataset=data.dataset_name,
        folder=str(data.dataset_path),
        rows_read=dict(data.rows_read),
        dropped=dict(data.dropped),
        users=known["users"],
        items=known["items"],
        interactions=len(users),
        density=distinct / (known["users"] * known["items"]),
        repeated=len(users) - distinct,
        parts={
            name: {"interactions": len(part[0]), "users": _different(part[0]), "items": _different(part[1])}
            for name, part in zip(PARTS, pairs, strict=True)
        },
        unseen={key: used[key] - trained[key] for key in sizes},
        unused={key: known[key] - used[key] for key in sizes},
        split=_split(data.config),
        times=_dates(data.times),
        modalities=dict(_modalities(data, faults)),
        per_user=_histogram(activity["users"]),
        per_item=_histogram(activity["items"]),
        unfinished=unfinished(data.features_folder, data.dataset_name),
        faults=faults,
    )


def _split(config: Any) -> str:
    if config["benchmark_filename"] is not None:
        return f"as the files {', '.join(config['benchmark_filename'])} have it"
    args = config["eval_args"]
    ((kind, shares),) = args["split"].items()
    grouped = "each user's" if args["group_by"] == "user" or kind != "RS" else "all"
    order = "by time" if args["order"] == "TO" else f"in random order of seed {config['seed']}"
    how = f"{kind} {shares if isinstance(shares, str) else ' : '.join(map(str, shares))}"
    held_out = f", then {config['split']} held out of training" if config["split"] else ""
    return f"{how} of {grouped} interactions {order}{held_out}"


def _dates(times: tuple[float, float] | None) -> tuple[str, str] | None:
    if times is None:
        return None
    try:
        first, last = (datetime.fromtimestamp(time, UTC).isoformat() for time in times)
    except (ValueError, OverflowError, OSError):  # positions or milliseconds: no time of a calendar
        first, last = map(str, times)
    return first, last


def _modalities(data: MultiModalDataset, faults: list[str]) -> Iterator[tuple[str, dict[str, int]]]:
    try:
        names = data.modalities
    except UserError as error:
        faults.append(str(error))
        return
    for name in names:
        try:
            width, items, rows = data.coverage(name)
            yield name, {"width": width, "items": items, "rows": rows}
            data.features(name)
        except UserError as error:
            faults.append(str(error))


def _different(ids: np.ndarray) -> int:
    return int(np.count_nonzero(np.bincount(ids)))


def _histogram(counts: np.ndarray) -> dict[int, int]:
    """How many of the positive counts are at most 1, 2, 4, ..., and above the limit before."""
    positive = counts[counts > 0]
    steps = np.ceil(np.log2(positive)).astype(int)
    return {int(2**step): int(count) for step, count in enumerate(np.bincount(steps))}
