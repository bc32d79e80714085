"""Item feature matrices: found on disk, validated, and aligned to RecBole's internal item ids.

Beside the atomic files lie ``<name>.<modality>.npy`` (2-D, one row an item) and ``<name>.item_ids`` (the raw item token
of each row), or ``<name>.<modality>.item_ids`` for a modality whose rows are of other items. Policies: a file is
checked whole, so that a filter on the interactions never hides a broken row; an all-zero row is kept with a warning,
except under ``missing_features: mean``, where it counts as missing.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from recbole_kd.data.content.record import is_record
from recbole_kd.data.item_ids import read_item_ids
from recbole_kd.data.matrix import finite_float32, open_matrix, row_blocks
from recbole_kd.foundation.errors import UserError


def item_ids_path(folder: Path, name: str) -> Path:
    """Return where the raw item tokens of the feature rows lie, of all modalities that have no file of their own."""
    return folder / f"{name}.item_ids"


def own_item_ids_path(folder: Path, name: str, modality: str) -> Path:
    """Return where a modality's own raw item tokens lie, if it has any."""
    return folder / f"{name}.{modality}.item_ids"


def item_ids_of(folder: Path, name: str, modality: str) -> Path:
    """Return the file with the raw item token of each row of a modality: its own where it has one.

    Raises:
        UserError: its own is gone, and the items of the others would be taken for those of its rows.
    """
    own = own_item_ids_path(folder, name, modality)
    if own.exists():
        return own
    if own.is_symlink():
        raise UserError(f"{own} is a link that leads nowhere; put there the raw item token of each row of {modality!r}")
    record = folder / f"{name}.{modality}.json"
    if is_record(record):
        raise UserError(
            f"modality {modality!r}: {own} is gone, which recbole-kd features wrote with {record}; put it back, or "
            "make the modality again with recbole-kd features --overwrite"
        )
    return item_ids_path(folder, name)


def find_modalities(folder: str | Path, name: str) -> dict[str, Path]:
    """Return ``{modality: path}`` of every ``<name>.<modality>.npy`` in ``folder``, sorted by modality."""
    folder, prefix, suffix = Path(folder), f"{name}.", ".npy"
    if not folder.is_dir():
        return {}
    found = {
        path.name[len(prefix) : -len(suffix)]: path
        for path in folder.iterdir()
        if path.name.startswith(prefix) and path.name.endswith(suffix) and len(path.name) > len(prefix + suffix)
    }
    return dict(sorted(found.items()))


def load_features(
    path: Path,
    ids_path: Path,
    item_tokens: Sequence[str],
    modality: str,
    missing_features: str = "error",
    feature_norm: str = "standardise",
) -> np.ndarray:
    """Read one modality and align it to internal ids.

    Args:
        path: the ``.npy`` matrix (rows, d_m).
        ids_path: the raw item token of each row.
        item_tokens: raw token of each internal item id; position 0 is the padding and is ignored.
        modality: named in messages.
        missing_features: what to do with items that have no row: ``error``, ``mean`` (the column mean of the
            others) or ``zero``.
        feature_norm: ``standardise`` or ``none``; see :func:`normalise`.

    Returns:
        float32 (item_num, d_m) in C order; row 0 is zero.

    Raises:
        UserError: see :func:`~recbole_kd.data.matrix.open_matrix` and
            :func:`~recbole_kd.data.item_ids.read_item_ids`; further a row count that differs from the number of
            tokens, NaN, infinity, or missing items under ``error``.
    """
    aligned, present = aligned_rows(path, ids_path, item_tokens, modality)
    return complete(aligned, present, item_tokens, modality, f"{ids_path}", missing_features, feature_norm)


def aligned_rows(
    path: Path, ids_path: Path, item_tokens: Sequence[str], modality: str
) -> tuple[np.ndarray, np.ndarray]:
    """The rows of one modality as they are, at the place of their items; arguments and errors of :func:`load_features`.

    Returns:
        float32 (item_num, d_m), zero where there is no row; and where there is one, bool (item_num,).
    """
    matrix = open_matrix(path, modality)
    rows = read_item_ids(ids_path)
    if len(rows) != matrix.shape[0]:
        raise UserError(
            f"modality {modality!r}: {path} has {matrix.shape[0]:,} rows but {ids_path} has {len(rows):,} lines; "
            "they must agree, line for row"
        )
    internal = {token: index for index, token in enumerate(item_tokens) if index > 0}
    internal_of_row = np.fromiter((internal.get(token, 0) for token in rows), dtype=np.int64, count=len(rows))
    aligned = np.zeros((len(item_tokens), matrix.shape[1]), dtype=np.float32)
    present = np.zeros(len(item_tokens), dtype=bool)
    for start, block in row_blocks(matrix):
        values = finite_float32(block, start, rows, modality, path)
        target = internal_of_row[start : start + len(values)]
        used = target > 0
        aligned[target[used]] = values[used]
        present[target[used]] = True
    return aligned, present


def complete(
    aligned: np.ndarray,
    present: np.ndarray,
    item_tokens: Sequence[str],
    modality: str,
    source: str,
    missing_features: str = "error",
    feature_norm: str = "standardise",
) -> np.ndarray:
    """Apply the policies for missing and all-zero rows to an aligned matrix, then normalise it in place.

    Args:
        aligned: float32 (item_num, d_m); rows that are not present are zero.
        present: bool (item_num,); row 0 must be False.
        item_tokens: raw tokens, for messages.
        modality: named in messages.
        source: where the rows came from, named in messages.
        missing_features: see :func:`load_features`.
        feature_norm: see :func:`load_features`.

    Returns:
        ``aligned``, changed in place.
    """
    logger = logging.getLogger()
    missing = np.flatnonzero(~present[1:]) + 1
    if len(missing) == len(present) - 1:
        raise UserError(
            f"modality {modality!r}: none of the {len(missing):,} items has a row in {source}; "
            "it must hold the raw item tokens of the interaction file"
        )
    if len(missing) and missing_features == "error":
        raise UserError(
            f"modality {modality!r}: {len(missing):,} of {len(present) - 1:,} items have no row in {source} "
            f"({_first(item_tokens, missing)}); add them or set missing_features to mean or zero"
        )
    if len(missing):
        fill = "the column means" if missing_features == "mean" else "zero"
        logger.warning(
            f"modality {modality!r}: {len(missing):,} items have no features and get {fill} "
            f"({_first(item_tokens, missing)})"
        )
    blank = np.flatnonzero(present & ~_any_nonzero(aligned))
    present = counted_rows(aligned, present, missing_features)
    if len(blank) and missing_features == "mean":
        logger.warning(f"modality {modality!r}: {len(blank):,} all-zero rows get the column means")
    elif len(blank):
        logger.warning(
            f"modality {modality!r}: {len(blank):,} all-zero rows are kept as they are "
            f"({_first(item_tokens, blank)}); missing_features=mean would treat them as missing"
        )
    if not present.any():
        raise UserError(f"modality {modality!r}: all rows are zero; write the features again")
    return normalise(aligned, present, missing_features, feature_norm)


def normalise(aligned: np.ndarray, present: np.ndarray, missing_features: str, feature_norm: str) -> np.ndarray:
    """Standardise each column over the present rows, and fill the others so that they do not distort.

    Statistics are taken in float64, in row blocks. A column that is constant over the present rows becomes zero.
    Rows that are not present become zero, except under ``feature_norm: none`` with ``missing_features: mean``, where
    they become the column means (which standardising turns into zero as well). Row 0 stays zero.

    Args:
        aligned: float32 (item_num, d_m), changed in place.
        present: bool (item_num,), row 0 False, at least one True.
        missing_features: ``error``, ``mean`` or ``zero``.
        feature_norm: ``standardise`` or ``none``.

    Returns:
        ``aligned``.
    """
    if feature_norm == "none" and (missing_features != "mean" or present[1:].all()):
        return aligned
    mean, scale = column_statistics(aligned, present)
    if feature_norm == "none":
        aligned[1:][~present[1:]] = mean.astype(np.float32)
        return aligned
    for start, block in row_blocks(aligned):
        keep = present[start : start + len(block)]
        block[:] = np.where(keep[:, None], (block - mean) * scale, 0.0)
    return aligned


def counted_rows(aligned: np.ndarray, present: np.ndarray, missing_features: str) -> np.ndarray:
    """Which of the present rows say something: all, or under ``missing_features: mean`` those that are not all zero."""
    return present & _any_nonzero(aligned) if missing_features == "mean" else present


def column_statistics(aligned: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of each column over the present rows, and one over its standard deviation, zero where it is constant."""
    count = int(present.sum())
    mean = np.zeros(aligned.shape[1])
    low, high = np.full(aligned.shape[1], np.inf), np.full(aligned.shape[1], -np.inf)
    for start, block in row_blocks(aligned):
        rows = block[present[start : start + len(block)]].astype(np.float64)
        if len(rows):
            mean += rows.sum(axis=0) / count
            low, high = np.minimum(low, rows.min(axis=0)), np.maximum(high, rows.max(axis=0))
    variance = np.zeros(aligned.shape[1])
    for start, block in row_blocks(aligned):
        rows = block[present[start : start + len(block)]].astype(np.float64)
        variance += ((rows - mean) ** 2).sum(axis=0) / count
    # the extremes tell a constant column exactly; its computed variance may be a rounding error above zero
    scale = np.where((low < high) & (variance > 0), 1.0 / np.sqrt(np.where(variance > 0, variance, 1.0)), 0.0)
    return mean, scale


def _any_nonzero(matrix: np.ndarray) -> np.ndarray:
    return np.concatenate([block.any(axis=1) for _, block in row_blocks(matrix)])


def _first(item_tokens: Sequence[str], indices: np.ndarray, count: int = 3) -> str:
    names = ", ".join(repr(str(item_tokens[index])) for index in indices[:count])
    return f"first: {names}" + (" …" if len(indices) > count else "")
