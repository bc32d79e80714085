"""Opening a feature matrix from a stranger's ``.npy`` file: memory-mapped, never unpickled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.npy import NpyError, open_array, read_header

BLOCK_BYTES = 16 * 2**20  # a block of rows in float64: small beside any matrix that is worth mapping
_NUMERIC_KINDS = "fiub"  # bool is welcome: a multi-hot matrix is often stored so


def open_matrix(path: Path, modality: str) -> np.ndarray:
    """Memory-map a numeric matrix.

    Args:
        path: a ``.npy`` file.
        modality: the name that error messages give to the matrix.

    Returns:
        A read-only array (rows, columns) of the dtype on disk: float, integer or bool.

    Raises:
        UserError: the file is missing, empty, cut short or not ``.npy``, or its array is not a numeric
            2-D matrix with at least one row and one column. Object arrays are refused from their header.
    """
    where = f"modality {modality!r}: {path}"
    try:
        header = read_header(path)
    except NpyError as error:
        mend = "; put the feature matrix there" * (not path.is_file())
        raise UserError(f"{where} {error}{mend}") from error
    shape, dtype = header.shape, header.dtype
    if dtype.hasobject:
        raise UserError(
            f"{where} holds Python objects, which are never unpickled here; save it again with .astype('float32')"
        )
    if dtype.kind not in _NUMERIC_KINDS:
        raise UserError(f"{where} has dtype {dtype}; save it again as float32 numbers")
    if len(shape) != 2:
        raise UserError(f"{where} has shape {shape}; it must be a 2-D matrix, one row an item")
    if shape[0] == 0:
        raise UserError(f"{where} has zero rows; it must have one row for each line of the item_ids file")
    if shape[1] == 0:
        raise UserError(f"{where} has zero columns; remove the file or write the features again")
    found = path.stat().st_size
    if found < header.file_size:
        raise UserError(
            f"{where} is cut short: {found:,} bytes of the {header.file_size:,} that its header announces; "
            "copy it again"
        )
    return open_array(path, "r")


def row_blocks(matrix: np.ndarray, block_bytes: int = BLOCK_BYTES) -> Iterator[tuple[int, np.ndarray]]:
    """Yield ``(first_row, rows)`` so that ``rows`` takes about ``block_bytes`` in float64."""
    step = max(1, block_bytes // (8 * matrix.shape[1]))
    for start in range(0, matrix.shape[0], step):
        yield start, matrix[start : start + step]


def finite_float32(
    rows: np.ndarray, first_row: int, tokens: Sequence[str] | None, modality: str, path: Path | str
) -> np.ndarray:
    """Cast a block to float32 and refuse NaN, infinity and what float32 cannot hold.

    Args:
        rows: (n, columns), any numeric dtype.
        first_row: the row of the file where the block starts.
        tokens: the raw item token of each row of the file, or None where a row is its own item id.
        modality: named in the message.
        path: named in the message.

    Returns:
        (n, columns) float32, in C order, a copy.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        cast = np.array(rows, dtype=np.float32, order="C")
    finite = np.isfinite(cast)
    if finite.all():
        return cast
    row, column = (int(index) for index in np.argwhere(~finite)[0])
    value = rows[row, column]
    if np.isnan(value):
        what = "NaN"
    elif np.isinf(value):
        what = "infinity"
    else:
        what = f"{value:.3g}, which is infinity in float32,"
    item = tokens[first_row + row] if tokens is not None else str(first_row + row)
    bad_rows = int((~finite).any(axis=1).sum())
    more = f" ({bad_rows - 1} more such rows near by)" if bad_rows > 1 else ""
    raise UserError(
        f"modality {modality!r}: {path} holds {what} in row {first_row + row} (item {item!r}), column {column}{more}; "
        "replace it by a number, or remove the item's row and its line in item_ids and set missing_features"
    )
