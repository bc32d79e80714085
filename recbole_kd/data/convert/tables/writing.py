"""Writing the interactions of a table as one atomic file, with the split in the data set's own yaml file."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from recbole_kd.data.convert.tables.interactions import Interactions

_ROWS = 1 << 16  # written at once


def write_interactions(path: Path, found: Interactions) -> None:
    """Write ``NAME.inter``: ids as tokens, ratings and times as numbers that read back the same."""
    header = ["user_id:token", "item_id:token"]
    header += ["rating:float"] * (found.ratings is not None) + ["timestamp:float"] * (found.times is not None)
    with (
        path.open("w", encoding="utf-8", newline="") as stream,
        tqdm(total=len(found), desc=path.name, unit=" rows", delay=2) as progress,
    ):
        writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
        writer.writerow(header)
        for start in range(0, len(found), _ROWS):
            part = slice(start, start + _ROWS)
            columns: list[Iterable[Any]] = [
                map(found.user_tokens.__getitem__, found.users[part].tolist()),
                map(found.item_tokens.__getitem__, found.items[part].tolist()),
            ]
            columns += [_plain(values[part]) for values in (found.ratings, found.times) if values is not None]
            writer.writerows(zip(*columns, strict=True))
            progress.update(min(_ROWS, len(found) - start))


def yaml_of(found: Interactions) -> str:
    """The keys of ``NAME.yaml``, which runs may override."""
    more = ["rating"] * (found.ratings is not None) + ["timestamp"] * (found.times is not None)
    loaded = [name for name in more if name == "timestamp" and found.split.by_time]
    spare = [name for name in more if name not in loaded]
    lines = ['field_separator: "\\t"', "USER_ID_FIELD: user_id", "ITEM_ID_FIELD: item_id"]
    lines += [f"{'RATING' if name == 'rating' else 'TIME'}_FIELD: {name}" for name in more]
    if spare:
        lines.append(f"# {' and '.join(spare)} can be loaded too: add the names.")
    lines += ["load_col:", f"    inter: [{', '.join(['user_id', 'item_id', *loaded])}]"]
    lines += ["", f"# The split: {found.split.what}.", f"eval_args: {found.split.eval_args}"]
    if found.split.key:
        lines.append(f"split: {found.split.key}")
    return "\n".join(lines) + "\n"


def _plain(values: np.ndarray) -> list[Any]:
    """Numbers without a point where all are whole."""
    whole = (values % 1 == 0).all() and np.abs(values).max(initial=0) < 2**53
    plain: list[Any] = (values.astype(np.int64) if whole else values).tolist()
    return plain
