"""A sparse matrix from a stranger's pickle, without running anything that it names.

Whatever else than a sparse matrix needs the pickle names is refused; the matrix is rebuilt from the records of
:mod:`recbole_kd.foundation.pickles`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.pickles import Record, Refused, bytes_of, dtype_of, number_of, place_of, read_pickle

if TYPE_CHECKING:
    from scipy import sparse

_FORMATS = ("coo", "csr", "csc")
_MATRICES = {  # the format that a class stands for, by SciPy's old and new names
    f"scipy.sparse.{module}.{name}_{kind}": name
    for name in _FORMATS
    for module in (name, f"_{name}")
    for kind in ("matrix", "array")
}
_RECONSTRUCTORS = ("copyreg._reconstructor", "copy_reg._reconstructor")  # how protocols 0 and 1 make an object
_ARRAYS = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")  # the content comes as state
_BUFFERS = ("numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer")  # protocol 5's
_SCALARS = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
_ADMITTED = {
    *(*_MATRICES, *_RECONSTRUCTORS, *_ARRAYS, *_BUFFERS, *_SCALARS),
    *("_codecs.encode", "numpy.ndarray", "numpy.dtype"),
    *("builtins.bytes", "__builtin__.bytes", "builtins.object", "__builtin__.object"),
}


def load_sparse(path: Path) -> sparse.coo_matrix:
    """Read a pickled sparse matrix.

    Args:
        path: a pickle of a ``coo``, ``csr`` or ``csc`` matrix or array, of any protocol and any SciPy.

    Returns:
        The matrix in coordinate form, int64 indices, float64 data, duplicates and explicit zeros kept.

    Raises:
        UserError: the file is missing, empty, cut short, no pickle or no sparse matrix; it names a class that a
            sparse matrix does not need (nothing of it is imported or run); an index is out of range, or a value is
            NaN or infinite.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist; give the folder of the pickled matrices")
    if path.stat().st_size == 0:
        raise UserError(f"{path} is an empty file; copy it again")
    raw = path.read_bytes()
    try:
        loaded = read_pickle(raw, _ADMITTED.__contains__, encoding="latin1")  # Python 2 wrote bytes as str
    except Refused as refused:
        raise UserError(
            f"{path} asks for {refused}, which no sparse matrix needs; it was refused and nothing of it was run: "
            "do not open this file with plain pickle unless you trust its author"
        ) from None
    except Exception as error:
        # a broken pickle can fail in a dozen ways, all of which mean the same to the user
        raise UserError(f"{path} is cut short or no pickle of a sparse matrix; copy it again ({error})") from error
    kind = _format_of(loaded)
    if kind is None:
        raise UserError(f"{path} holds no scipy sparse matrix but {_describe(loaded)}; save one in coo or csr form")
    try:
        return _matrix(loaded, kind, path)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{path} holds a sparse matrix with broken content ({error}); save it again") from error


def _format_of(value: Any) -> str | None:
    """``coo``, ``csr`` or ``csc`` of a record of a matrix."""
    place = place_of(value)
    if place in _RECONSTRUCTORS and len(value.args) == 3:
        place = place_of(value.args[0])
    return _MATRICES.get(place) if isinstance(value, Record) else None


def _matrix(record: Record, kind: str, path: Path) -> sparse.coo_matrix:
    from scipy import sparse  # slow to import, and not for a command that is refused

    state = record.state
    if not isinstance(state, dict):
        raise ValueError("no attributes")
    shape = tuple(_integer(size) for size in state.get("_shape") or ())
    if len(shape) != 2 or not all(0 < size < 2**31 for size in shape):
        raise ValueError(f"shape {shape}")
    data = _values(state["data"])
    if kind == "coo":
        row, column = state["coords"] if "coords" in state else (state["row"], state["col"])
        rows, columns = _indices(row), _indices(column)
    else:
        starts, minor = _indices(state["indptr"]), _indices(state["indices"])
        majors = shape[0 if kind == "csr" else 1]
        if len(starts) != majors + 1 or starts[0] != 0 or starts[-1] > len(minor) or (np.diff(starts) < 0).any():
            raise ValueError("indptr does not fit the shape")
        # a matrix may carry spare room behind its last entry
        minor, data = minor[: starts[-1]], data[: starts[-1]]
        major = np.repeat(np.arange(majors, dtype=np.int64), np.diff(starts))
        rows, columns = (major, minor) if kind == "csr" else (minor, major)
    if not len(rows) == len(columns) == len(data):
        raise ValueError(f"{len(rows)} rows, {len(columns)} columns and {len(data)} values")
    for what, found, size in (("row", rows, shape[0]), ("column", columns, shape[1])):
        if len(found) and (found.min() < 0 or found.max() >= size):
            bad = int(np.flatnonzero((found < 0) | (found >= size))[0])
            raise UserError(
                f"{path}: entry {bad} has {what} index {found[bad]}, outside the matrix's shape {shape}; save it again"
            )
    if not np.isfinite(data).all():
        bad = int(np.flatnonzero(~np.isfinite(data))[0])
        raise UserError(
            f"{path}: entry {bad} (user {rows[bad]}, item {columns[bad]}) is {data[bad]}; values must be finite"
        )
    return sparse.coo_matrix((data, (rows, columns)), shape=shape)


def _indices(record: Any) -> np.ndarray:
    array = _array(record)
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise ValueError(f"indices of dtype {array.dtype} and {array.ndim} dimensions")
    return array.astype(np.int64)


def _values(record: Any) -> np.ndarray:
    array = _array(record)
    if array.ndim != 1:
        raise ValueError(f"values of {array.ndim} dimensions")
    return array.astype(np.float64)


def _array(record: Any) -> np.ndarray:
    if place_of(record) in _BUFFERS:
        content, kind, shape, order = record.args[:4]
        fortran = order == "F"
    elif place_of(record) in _ARRAYS and isinstance(record.state, tuple) and len(record.state) >= 4:
        shape, kind, fortran, content = record.state[-4:]
    else:
        raise ValueError(f"{_describe(record)} where an array was expected")
    dtype = dtype_of(kind)
    shape = tuple(_integer(size) for size in shape)
    content = bytes_of(content)
    if len(shape) > 2 or any(size < 0 for size in shape) or math.prod(shape) * dtype.itemsize != len(content):
        raise ValueError(f"{len(content)} bytes for an array of shape {shape} and dtype {dtype}")
    return np.frombuffer(content, dtype=dtype).reshape(shape, order="F" if fortran else "C")


def _integer(value: Any) -> int:
    if place_of(value) in _SCALARS:
        return int(number_of(value))
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**63:
        raise ValueError(f"{_describe(value)} where an integer was expected")
    return value


def _describe(value: Any) -> str:
    place = place_of(value)
    if place in (*_ARRAYS, *_BUFFERS):
        return "a dense array"
    names = dict.fromkeys(_SCALARS, "a number") | {"numpy.dtype": "a dtype"}
    return names.get(place, f"a {(place or type(value).__name__).rpartition('.')[2].lstrip('_')}")
