"""Converters from published layouts, and from tables of interactions, to RecBole's atomic files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from recbole_kd.data.convert.published import SPLITS, Layout, Option, Published
from recbole_kd.data.convert.tables.interactions import Interactions
from recbole_kd.data.convert.writing import check_target, write
from recbole_kd.foundation.errors import UserError, did_you_mean
from recbole_kd.foundation.npy import open_array
from recbole_kd.foundation.registry import Registry

LAYOUTS: Registry[Layout] = Registry(
    kind="layout",
    package=__name__,
    accepts=lambda found: isinstance(found, Layout),
    expected="recbole_kd's Layout",
    name_of=lambda _, written: written,
)


def convert(
    layout: str,
    source: str | Path,
    name: str,
    data_path: str | Path = "dataset",
    overwrite: bool = False,
    **options: Any,
) -> Path:
    """Convert a published data set, keeping its split, or a table of interactions, which runs then split.

    Args:
        layout: one of :data:`LAYOUTS`; ``table`` is what shops keep, see :func:`recbole_kd.data.convert.table.read`.
        source: the published folder, or the file of ``table`` (or the ``.inter`` file of ``mmrec``).
        name: the new data set's name.
        data_path: the folder that gets the folder ``name``.
        overwrite: replace an existing data set of this name.
        options: of the layout; see its ``options``.

    Returns:
        The folder written, ``data_path/name``.

    Raises:
        UserError: an unknown layout or option, a target that may not be written, or a source that is not sound.
            Nothing is left behind then.
    """
    return read_and_write(layout, source, name, data_path, overwrite, options)[0]


def summary(published: Published | Interactions) -> str:
    """Return the lines that ``convert`` prints: users, items, split sizes and modalities."""
    if isinstance(published, Interactions):
        return published.summary()
    train = published.splits["train"]
    every = np.concatenate([published.splits[split] for split in SPLITS])
    users, items = len(np.unique(every[:, 0])), len(np.unique(every[:, 1]))
    cold = len(np.setdiff1d(every[:, 1], train[:, 1]))
    counts = " / ".join(f"{len(published.splits[split]):,}" for split in SPLITS)
    extra = [f"{cold:,} only in valid or test"] if cold else []
    if published.items > items:
        extra.append(f"{published.items - items:,} more without interactions")
    lines = [
        f"users      {users:,}",
        f"items      {items:,}" + (f" ({', '.join(extra)})" if extra else ""),
        f"train / valid / test   {counts}",
    ]
    for modality, matrix in published.features.items():
        shape = (open_array(matrix, "r") if isinstance(matrix, Path) else matrix).shape
        lines.append(f"modality   {modality} {shape[0]:,} × {shape[1]}")
    return "\n".join(lines if published.features else [*lines, "modality   none"])


def read_and_write(
    layout: str, source: str | Path, name: str, data_path: str | Path, overwrite: bool, options: dict[str, Any]
) -> tuple[Path, Published | Interactions]:
    """:func:`convert`, returning what was read too."""
    if layout not in LAYOUTS:
        names = sorted(LAYOUTS.names())
        raise UserError(
            f"layout {layout!r} is unknown; it must be one of {', '.join(names)}{did_you_mean(layout, names)}"
        )
    known = {option.name: option for option in LAYOUTS.find(layout).options}
    for key in options:
        if key not in known:
            have = ", ".join(known) or "none"
            raise UserError(f"layout {layout} has no option {key!r} (it has {have}){did_you_mean(key, known)}")
    checked = {key: known[key].check(value) for key, value in options.items()}
    # before the reading, which may take long
    target = check_target(name, data_path, overwrite)
    published = LAYOUTS.find(layout).read(Path(source), **checked)
    return write(published, name, target, origin=f"{layout} layout, {Path(source).name}"), published


def layout_options() -> dict[str, dict[str, Option]]:
    """Return ``{flag: {layout that has it: its option}}``."""
    flags: dict[str, dict[str, Option]] = {}
    for layout in LAYOUTS.all().values():
        for option in layout.options:
            flags.setdefault(option.name, {})[layout.name] = option
    return flags
