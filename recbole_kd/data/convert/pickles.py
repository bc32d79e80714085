"""Reading a sparse matrix from a stranger's pickle without running anything that it names.

Every class or function that a sparse matrix's pickle refers to is replaced by a stand-in that only records its
arguments; whatever else it names is refused before it is imported. The matrix is then rebuilt from the records, so that
no state of NumPy or SciPy is ever set by the file.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from recbole_kd.errors import UserError

_FORMATS = ("coo", "csr", "csc")


class _Sealed(type):
    """A class whose attributes a pickle cannot change (the BUILD opcode sets attributes of whatever it is given)."""

    def __setattr__(cls, name: str, value: object) -> None:
        raise TypeError(f"{cls.__name__} is sealed")


class _Record(metaclass=_Sealed):
    """Keeps what the pickle calls it with."""

    __slots__ = ("args", "state")
    args: tuple[Any, ...]
    state: Any

    def __new__(cls, *args: Any) -> _Record:
        self = object.__new__(cls)
        self.args, self.state = args, None
        return self

    def __init__(self, *args: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Object(_Record):
    __slots__ = ()


class _Coo(_Record):
    __slots__ = ()


class _Csr(_Record):
    __slots__ = ()


class _Csc(_Record):
    __slots__ = ()


class _Array(_Record):
    """``numpy.core.multiarray._reconstruct``; the content comes as state."""

    __slots__ = ()


class _Buffer(_Record):
    """``numpy.core.numeric._frombuffer`` of protocol 5: buffer, dtype, shape, order."""

    __slots__ = ()


class _Dtype(_Record):
    __slots__ = ()


class _Scalar(_Record):
    __slots__ = ()


class _Encoded(_Record):
    """``_codecs.encode(text, "latin1")``, how old protocols write bytes."""

    __slots__ = ()


class _NoBytes(_Record):
    """``bytes()``, how old protocols write an empty array's content."""

    __slots__ = ()


class _Rebuilt(_Record):
    """``copyreg._reconstructor(cls, object, None)`` of protocols 0 and 1."""

    __slots__ = ()

    def __new__(cls, *args: Any) -> _Record:  # type: ignore[misc]
        if len(args) == 3 and args[0] in (_Coo, _Csr, _Csc):
            return args[0]()
        raise pickle.UnpicklingError("not a sparse matrix")


_ALLOWED: dict[tuple[str, str], type] = {
    ("_codecs", "encode"): _Encoded,
    ("numpy", "ndarray"): _Object,
    ("numpy", "dtype"): _Dtype,
    ("copyreg", "_reconstructor"): _Rebuilt,
    ("copy_reg", "_reconstructor"): _Rebuilt,
    ("builtins", "bytes"): _NoBytes,
    ("__builtin__", "bytes"): _NoBytes,
    ("builtins", "object"): _Object,
    ("__builtin__", "object"): _Object,
}
for _core in ("numpy.core", "numpy._core"):
    _ALLOWED[f"{_core}.multiarray", "_reconstruct"] = _Array
    _ALLOWED[f"{_core}.multiarray", "scalar"] = _Scalar
    _ALLOWED[f"{_core}.numeric", "_frombuffer"] = _Buffer
for _format, _stand_in in zip(_FORMATS, (_Coo, _Csr, _Csc), strict=True):
    for _module in (_format, f"_{_format}"):
        for _kind in ("matrix", "array"):
            _ALLOWED[f"scipy.sparse.{_module}", f"{_format}_{_kind}"] = _stand_in


class _Refused(Exception):
    """The pickle names something that no sparse matrix needs."""


class _SparseUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise _Refused(f"{module}.{name}") from None


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
        _check_memo(raw)
        # Python 2 wrote bytes as str
        loaded = _SparseUnpickler(io.BytesIO(raw), encoding="latin1").load()
    except _Refused as refused:
        raise UserError(
            f"{path} asks for {refused}, which no sparse matrix needs; it was refused and nothing of it was run: "
            "do not open this file with plain pickle unless you trust its author"
        ) from None
    except Exception as error:
        # a broken pickle can fail in a dozen ways, all of which mean the same to the user
        raise UserError(f"{path} is cut short or no pickle of a sparse matrix; copy it again ({error})") from error
    if not isinstance(loaded, (_Coo, _Csr, _Csc)):
        raise UserError(f"{path} holds no scipy sparse matrix but {_describe(loaded)}; save one in coo or csr form")
    try:
        return _matrix(loaded, path)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{path} holds a sparse matrix with broken content ({error}); save it again") from error


def _check_memo(raw: bytes) -> None:
    """Refuse a memo index beyond the file's length, for which the unpickler would take gigabytes."""
    for opcode, argument, _ in pickletools.genops(raw):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and (argument or 0) > len(raw):
            raise ValueError(f"memo index {argument}")


def _matrix(record: _Record, path: Path) -> sparse.coo_matrix:
    state = record.state
    if not isinstance(state, dict):
        raise ValueError("no attributes")
    shape = tuple(_integer(size) for size in state.get("_shape") or ())
    if len(shape) != 2 or not all(0 < size < 2**31 for size in shape):
        raise ValueError(f"shape {shape}")
    data = _values(state["data"])
    if isinstance(record, _Coo):
        row, column = state["coords"] if "coords" in state else (state["row"], state["col"])
        rows, columns = _indices(row), _indices(column)
    else:
        starts, minor = _indices(state["indptr"]), _indices(state["indices"])
        majors = shape[0] if isinstance(record, _Csr) else shape[1]
        if len(starts) != majors + 1 or starts[0] != 0 or starts[-1] > len(minor) or (np.diff(starts) < 0).any():
            raise ValueError("indptr does not fit the shape")
        # a matrix may carry spare room behind its last entry
        minor, data = minor[: starts[-1]], data[: starts[-1]]
        major = np.repeat(np.arange(majors, dtype=np.int64), np.diff(starts))
        rows, columns = (major, minor) if isinstance(record, _Csr) else (minor, major)
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
    if isinstance(record, _Buffer):
        content, kind, shape, order = record.args[:4]
        fortran = order == "F"
    elif isinstance(record, _Array) and isinstance(record.state, tuple) and len(record.state) >= 4:
        shape, kind, fortran, content = record.state[-4:]
    else:
        raise ValueError(f"{_describe(record)} where an array was expected")
    dtype = _dtype(kind)
    shape = tuple(_integer(size) for size in shape)
    content = _bytes(content)
    if any(size < 0 for size in shape) or math.prod(shape) * dtype.itemsize != len(content):
        raise ValueError(f"{len(content)} bytes for an array of shape {shape} and dtype {dtype}")
    return np.frombuffer(content, dtype=dtype).reshape(shape, order="F" if fortran else "C")


def _dtype(record: Any) -> np.dtype:
    if not isinstance(record, _Dtype) or not record.args:
        raise ValueError("no dtype")
    spec = record.args[0]
    spec = _bytes(spec).decode("latin1") if not isinstance(spec, str) else spec
    # "f8", "i4", "b1" …: a kind and a size, never an object or a structure
    if len(spec) != 2 or spec[0] not in "fiub" or not spec[1].isdigit():
        raise ValueError(f"dtype {spec!r} is not numeric")
    order = record.state[1] if isinstance(record.state, tuple) and len(record.state) > 1 else "="
    return np.dtype(f"{order}{spec}" if order in ("<", ">") else spec)


def _bytes(content: Any) -> bytes:
    if isinstance(content, _NoBytes) and not content.args:
        return b""
    if isinstance(content, _Encoded):
        if content.args[1:] not in (("latin1",), ("latin-1",)):
            raise ValueError(f"bytes in the encoding {content.args[1:]}")
        content = content.args[0]
    if isinstance(content, str):
        return content.encode("latin1")
    if isinstance(content, (bytes, bytearray)):
        return bytes(content)
    raise ValueError(f"{_describe(content)} where bytes were expected")


def _integer(value: Any) -> int:
    if isinstance(value, _Scalar):
        kind, content = value.args
        return int(np.frombuffer(_bytes(content), dtype=_dtype(kind))[0])
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{_describe(value)} where an integer was expected")
    return value


def _describe(value: Any) -> str:
    names = {_Array: "a dense array", _Buffer: "a dense array", _Scalar: "a number", _Dtype: "a dtype"}
    return names.get(type(value), f"a {type(value).__name__.lstrip('_')}")
