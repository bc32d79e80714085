"""Converters from published layouts to RecBole benchmark files with item features."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recbole_kd.data.convert import citeulike, lightgcn, mmrec, promptmm
from recbole_kd.data.convert.published import SPLITS, Layout, Published
from recbole_kd.data.convert.writing import check_target, write
from recbole_kd.errors import UserError, did_you_mean

LAYOUTS: dict[str, Layout] = {
    layout.name: layout for layout in (promptmm.LAYOUT, mmrec.LAYOUT, lightgcn.LAYOUT, citeulike.LAYOUT)
}


def convert(
    layout: str,
    source: str | Path,
    name: str,
    data_path: str | Path = "dataset",
    overwrite: bool = False,
    **options: Any,
) -> Path:
    """Convert a published data set, keeping its split.

    Args:
        layout: one of :data:`LAYOUTS`.
        source: the published folder (or the ``.inter`` file of ``mmrec``).
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
    return _convert(layout, source, name, data_path, overwrite, options)[0]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``recbole-kd convert`` to ``parser``."""
    summaries = "; ".join(f"{layout.name}: {layout.summary}" for layout in LAYOUTS.values())
    parser.add_argument("layout", metavar="LAYOUT", help=summaries)
    parser.add_argument("source", metavar="SOURCE", help="folder of the published files")
    parser.add_argument("name", metavar="NAME", help="name of the data set to write, for --dataset=NAME")
    parser.add_argument("--data_path", default="dataset", help="folder of the data sets (default: %(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing data set of this name")
    for flag, (layouts, option) in _options().items():
        default = "" if option.default == "" else f" (default: {option.default})"
        choices = option.choices or None
        text = f"{', '.join(layouts)}: {option.help}{default}"
        kind = type(option.default)
        parser.add_argument(f"--{flag}", type=kind, default=None, choices=choices, help=text)


def main(args: argparse.Namespace) -> int:
    """Convert as the parsed arguments say and print a summary; return the exit status."""
    options = {flag: getattr(args, flag) for flag in _options() if getattr(args, flag, None) is not None}
    folder, published = _convert(args.layout, args.source, args.name, args.data_path, args.overwrite, options)
    for note in published.notes:
        print(f"Note: {note}", file=sys.stderr)
    print(summary(published))
    print(f"written    {folder}")
    data_path = "" if args.data_path == "dataset" else f" --data_path={args.data_path}"
    model = "PromptMM" if published.features else "LightGCN"
    print(f"next       python run_recbole_kd.py --model={model} --dataset={args.name}{data_path}")
    return 0


def summary(published: Published) -> str:
    """Return the lines that ``convert`` prints: users, items, split sizes and modalities."""
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
        shape = (np.load(matrix, mmap_mode="r") if isinstance(matrix, Path) else matrix).shape
        lines.append(f"modality   {modality} {shape[0]:,} × {shape[1]}")
    return "\n".join(lines if published.features else [*lines, "modality   none"])


def _convert(
    layout: str, source: str | Path, name: str, data_path: str | Path, overwrite: bool, options: dict[str, Any]
) -> tuple[Path, Published]:
    if layout not in LAYOUTS:
        raise UserError(
            f"layout {layout!r} is unknown; it must be one of {', '.join(LAYOUTS)}{did_you_mean(layout, LAYOUTS)}"
        )
    known = {option.name: option for option in LAYOUTS[layout].options}
    for key in options:
        if key not in known:
            have = ", ".join(known) or "none"
            raise UserError(f"layout {layout} has no option {key!r} (it has {have}){did_you_mean(key, known)}")
    checked = {key: known[key].check(value) for key, value in options.items()}
    # before the reading, which may take long
    target = check_target(name, data_path, overwrite)
    published = LAYOUTS[layout].read(Path(source), **checked)
    return write(published, name, target, origin=f"{layout} layout, {Path(source).name}"), published


def _options() -> dict[str, tuple[Sequence[str], Any]]:
    """Return ``{flag: (layouts that have it, the option)}``."""
    flags: dict[str, tuple[list[str], Any]] = {}
    for layout in LAYOUTS.values():
        for option in layout.options:
            flags.setdefault(option.name, ([], option))[0].append(layout.name)
    return dict(flags)
