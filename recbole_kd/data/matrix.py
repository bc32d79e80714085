"""Opening a feature matrix from a stranger's ``.npy`` file: memory-mapped, never unpickled."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from recbole_kd.errors import UserError

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
    shape, dtype, offset = _read_header(path, modality)
    where = f"modality {modality!r}: {path}"
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
    expected, found = offset + math.prod(shape) * dtype.itemsize, path.stat().st_size
    if found < expected:
        raise UserError(
            f"{where} is cut short: {found:,} bytes of the {expected:,} that its header announces; copy it again"
        )
    return np.load(path, mmap_mode="r", allow_pickle=False)


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


def _read_header(path: Path, modality: str) -> tuple[tuple[int, ...], np.dtype, int]:
    """Return shape, dtype and where the data start, without touching the data."""
    where = f"modality {modality!r}: {path}"
    if not path.is_file():
        raise UserError(f"{where} does not exist; put the feature matrix there")
    if path.stat().st_size == 0:
        raise UserError(f"{where} is an empty file; copy it again")
    with path.open("rb") as stream:
        start = stream.read(len(np.lib.format.MAGIC_PREFIX))
        if start != np.lib.format.MAGIC_PREFIX:
            if np.lib.format.MAGIC_PREFIX.startswith(start):
                raise UserError(f"{where} is cut short inside its header; copy it again")
            raise UserError(
                f"{where} is not a .npy file (it starts with {start!r}); write it with numpy.save as a float32 matrix"
            )
        stream.seek(0)
        try:
            return _parse_header(stream)
        except (ValueError, EOFError, SyntaxError, TypeError) as error:
            if "EOF" in str(error):
                raise UserError(f"{where} is cut short inside its header; copy it again") from error
            reason = str(error).splitlines()[0]
            raise UserError(f"{where} has a broken .npy header ({reason}); write it again with numpy.save") from error


def _parse_header(stream: BinaryIO) -> tuple[tuple[int, ...], np.dtype, int]:
    version = np.lib.format.read_magic(stream)
    # version 3 differs from 2 only in the encoding of field names, and arrays with fields are refused anyway
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    return shape, dtype, stream.tell()
