"""What columns of Arrow are, and how long their cells would be in Python, told before one is made."""

from __future__ import annotations

from typing import Any

import numpy as np

_NUMBER = 8  # characters that a number of a list counts as


def why_no_cells(kind: Any, longest: int) -> str:
    """Why a type holds no texts, numbers or lists of them; ``""`` if it does."""
    from pyarrow import types

    kind = _stored(kind)
    if _is_list(kind):
        kind = _stored(kind.value_type)
    if types.is_nested(kind):
        return "which is no cell; give texts, numbers or lists of them"
    if fixed_width(kind) > longest:
        return f"which is longer than the {longest:,} characters of a cell; name another column"
    return ""


def is_plain(kind: Any) -> bool:
    """Whether a column holds a text or a value of fixed size in each row, with nothing shared or listed."""
    from pyarrow import types

    kind = _stored(kind)
    listed = types.is_nested(kind) or types.is_dictionary(kind)
    texts = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    return not listed and (_has_fixed_size(kind) or any(is_one(kind) for is_one in texts))


def fixed_width(kind: Any) -> int:
    """Bytes of a value, 0 where they differ."""
    from pyarrow import types

    kind = _stored(kind)
    if _is_list(kind):
        return fixed_width(kind.value_type)
    return (kind.bit_width + 7) // 8 if _has_fixed_size(kind) and not types.is_null(kind) else 0


def cell_lengths(column: Any) -> np.ndarray | None:
    """Characters of each cell, int64 (rows,), 0 where there is none; of a list, those of its texts with commas.

    None of a column whose values are of one size.
    """
    import pyarrow
    from pyarrow import compute, types

    if isinstance(column, pyarrow.ExtensionArray):
        return cell_lengths(column.storage)
    kind = column.type
    if types.is_dictionary(kind):
        words = cell_lengths(column.dictionary)
        return None if words is None else np.append(words, 0)[_numbers(column.indices, -1)]
    if types.is_string(kind) or types.is_large_string(kind):
        return _numbers(compute.utf8_length(column), 0)
    if types.is_binary(kind) or types.is_large_binary(kind):
        return _numbers(compute.binary_length(column), 0)
    if _is_list(kind):
        counts, values = _numbers(compute.list_value_length(column), 0), column.flatten()
        words = cell_lengths(values)
        ends = np.append(0, np.cumsum(np.full(len(values), _NUMBER) if words is None else words))
        last = np.cumsum(counts)
        return np.asarray(ends[last] - ends[last - counts] + 2 * counts)
    if _has_fixed_size(kind):
        return None
    return np.array([column.slice(row, 1).nbytes for row in range(len(column))], dtype=np.int64)


def _numbers(found: Any, missing: int) -> np.ndarray:
    return np.asarray(found.fill_null(missing).to_numpy(zero_copy_only=False)).astype(np.int64)


def _stored(kind: Any) -> Any:
    return getattr(kind, "storage_type", kind)  # of an extension


def _is_list(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _has_fixed_size(kind: Any) -> bool:
    from pyarrow import types

    if types.is_nested(kind) or types.is_dictionary(kind):
        return False
    fixed = (types.is_null, types.is_primitive, types.is_decimal, types.is_fixed_size_binary)
    return any(is_one(kind) for is_one in fixed)
