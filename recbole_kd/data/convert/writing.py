"""Writing a data set as RecBole's atomic files: whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from recbole_kd.data.convert.published import SPLITS, Published
from recbole_kd.data.convert.tables.interactions import Interactions
from recbole_kd.data.convert.tables.writing import write_interactions, yaml_of
from recbole_kd.data.matrix import finite_float32, open_matrix, row_blocks
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.files import sync_folder
from recbole_kd.foundation.npy import write_header

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_MODALITY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,99}")


def check_target(name: str, data_path: str | Path, overwrite: bool) -> Path:
    """Return the folder to be written, ``data_path/name``.

    Raises:
        UserError: the name cannot be a data set's, or the folder exists and may not be replaced.
    """
    if not _NAME.fullmatch(name):
        raise UserError(
            f"data set name {name!r} is not valid; use letters, digits, '-', '_' and '.', beginning with a letter or "
            "digit"
        )
    if name == "ml-100k":
        raise UserError("ml-100k always means the data set that RecBole carries itself; choose another name")
    target = Path(data_path) / name
    if not os.path.lexists(target):
        return target
    if not overwrite:
        raise UserError(f"{target} exists already; choose another name, or add --overwrite to replace it")
    if target.is_symlink() or not target.is_dir():
        raise UserError(f"{target} is no plain folder and is not replaced; remove it yourself or choose another name")
    for path in target.iterdir():
        if not path.name.startswith((f"{name}.", ".")):
            raise UserError(f"{path} is no file of the data set, so {target} is not replaced; move it away first")
    return target


def write(published: Published | Interactions, name: str, target: Path, origin: str) -> Path:
    """Write interactions, features and ``<name>.yaml`` into a temporary sibling and rename it to ``target``.

    Args:
        published: the data set.
        name: its new name.
        target: from :func:`check_target`; replaced if it exists.
        origin: layout and source, for the yaml file's comment.

    Returns:
        ``target``.

    Raises:
        UserError: a split is empty, a feature matrix has not one finite row an item, or the disk refuses.
    """
    lost = {path.name for path in target.glob(f"{name}.*.npy")} if target.is_dir() else set()
    notes = [*published.notes, *(check_splits(published) if isinstance(published, Published) else [])]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _building(target) as folder:
            if isinstance(published, Published):
                _write_published(folder, name, published)
            else:
                write_interactions(folder / f"{name}.inter", published)
            (folder / f"{name}.yaml").write_text(_yaml(published, origin, notes), encoding="utf-8", newline="\n")
    except OSError as error:
        raise UserError(
            f"{target} cannot be written ({error.strerror or error}); free the disk or change data_path"
        ) from error
    lost -= {path.name for path in target.iterdir()}
    gone = [f"Features of the data set that was replaced are gone: {', '.join(sorted(lost))}."] if lost else []
    published.notes[:] = [*notes, *gone]
    return target


def _write_published(folder: Path, name: str, published: Published) -> None:
    for split in SPLITS:
        _write_pairs(folder / f"{name}.{split}.inter", published.splits[split])
    for modality, matrix in published.features.items():
        _write_matrix(folder / f"{name}.{modality}.npy", modality, matrix, published.items)
    if published.features:
        lines = "".join(f"{item}\n" for item in range(published.items))
        (folder / f"{name}.item_ids").write_text(lines, encoding="utf-8", newline="\n")


def check_splits(published: Published) -> list[str]:
    """Drop pairs that a split holds twice, and return notes on these and on pairs that several splits hold.

    RecBole removes no duplicates from benchmark files, so a pair held twice would weigh double. Pairs that two splits
    share stay as published.

    Raises:
        UserError: a split is empty.
    """
    notes, keys = [], {}
    for split in SPLITS:
        pairs = published.splits[split]
        if not len(pairs):
            raise UserError(f"the {split} split is empty; RecBole needs interactions in train, valid and test")
        key = pairs[:, 0] * np.int64(published.items) + pairs[:, 1]
        keys[split], first = np.unique(key, return_index=True)
        if len(first) < len(pairs):
            notes.append(f"{len(pairs) - len(first):,} pairs that {split} held twice were written once.")
            published.splits[split] = pairs[np.sort(first)]
    for index, split in enumerate(SPLITS):
        for other in SPLITS[index + 1 :]:
            shared = len(np.intersect1d(keys[split], keys[other], assume_unique=True))
            if shared:
                notes.append(f"{shared:,} pairs are in both {split} and {other}, and are kept as published.")
    return notes


@contextlib.contextmanager
def _building(target: Path) -> Iterator[Path]:
    """Yield a temporary sibling folder that becomes ``target`` at a clean exit."""
    folder = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part"))
    aside: Path | None = None
    try:
        yield folder
        for path in folder.iterdir():
            _sync(path)
        folder.chmod(0o755)
        sync_folder(folder)
        if target.exists():
            aside = folder.with_suffix(".old")
            os.rename(target, aside)
        os.rename(folder, target)
        sync_folder(target.parent)
    except BaseException:
        if aside is not None and aside.exists() and not target.exists():
            os.rename(aside, target)
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if aside is not None:
        shutil.rmtree(aside, ignore_errors=True)


def _sync(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def _write_pairs(path: Path, pairs: np.ndarray) -> None:
    import pandas as pd  # slow to import, and not for a command that is refused

    columns = ["user_id:token", "item_id:token"]
    pd.DataFrame(pairs, columns=columns).to_csv(path, sep="\t", index=False, lineterminator="\n")


def _write_matrix(path: Path, modality: str, matrix: np.ndarray | Path, items: int) -> None:
    """Write float32 (items, columns) in row blocks, so that a matrix on disk is never held whole."""
    if not _MODALITY.fullmatch(modality):
        raise UserError(f"modality name {modality!r} is not valid; rename its file with letters, digits, '_' and '-'")
    source = matrix if isinstance(matrix, Path) else path
    rows = open_matrix(matrix, modality) if isinstance(matrix, Path) else matrix
    if len(rows) != items:
        raise UserError(f"modality {modality!r}: {source} has {len(rows):,} rows for {items:,} items; they must agree")
    with path.open("wb") as stream, tqdm(total=items, desc=modality, unit=" rows", delay=2) as progress:
        # not through a memory map: a full disk must raise an error, not kill the process
        write_header(stream, rows.shape, "<f4")
        for start, block in row_blocks(rows):
            stream.write(finite_float32(block, start, None, modality, source).astype("<f4", copy=False).tobytes())
            progress.update(len(block))


def _yaml(published: Published | Interactions, origin: str, notes: list[str]) -> str:
    lines = [f"Converted from {origin}.", *notes]
    # names of files and columns are a stranger's, and must not end the comment
    comments = "".join(f"# {''.join(sign if sign.isprintable() else ' ' for sign in line)}\n" for line in lines)
    if isinstance(published, Interactions):
        return f"{comments}\n{yaml_of(published)}"
    return f"""{comments}
# RecBole takes the splits from <name>.train.inter, <name>.valid.inter and <name>.test.inter as they are.
benchmark_filename: [train, valid, test]
field_separator: "\\t"
USER_ID_FIELD: user_id
ITEM_ID_FIELD: item_id
load_col:
    inter: [user_id, item_id]
"""
