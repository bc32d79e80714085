"""The one room that knows what RecBole 1.2 gets wrong on today's NumPy, SciPy, pandas and PyTorch."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd
import scipy.sparse as sp

from recbole_kd.foundation.errors import UserError

# Names that RecBole reads while it runs and that NumPy 1.24 to 2.0 took away, with what they meant.
_NUMPY_ALIASES = {
    "bool": "bool_",
    "int": "int_",
    "float": "float64",
    "complex": "complex128",
    "object": "object_",
    "str": "str_",
    "long": "int_",
    "unicode": "str_",
}


def check_versions() -> None:
    """Refuse library versions under which RecBole computes wrong values without a word.

    Raises:
        UserError: pandas 3 or newer, where RecBole's ``fillna(inplace=True)`` no longer fills anything.
    """
    if int(pd.__version__.split(".")[0]) >= 3:
        raise UserError(
            f"pandas {pd.__version__} makes RecBole corrupt padding ids and missing values silently; "
            "install an older one with: pip install 'pandas<3'"
        )


def restore_removed_names() -> None:
    """Give NumPy and SciPy back the names that RecBole 1.2 still calls.

    RecBole's own ``Config.compatibility_settings`` does the same for NumPy, from aliases that are gone since
    NumPy 2. Called when a config is made, never at import.
    """
    for alias, name in _NUMPY_ALIASES.items():
        if alias not in np.__dict__:
            setattr(np, alias, getattr(np, name))
    if not hasattr(sp.dok_matrix, "_update"):
        sp.dok_matrix._update = _dok_update


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what RecBole's use of PyTorch warns of at every epoch and no user can change."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning, module="recbole")
        warnings.filterwarnings("ignore", message=".*does not have a deterministic implementation")
        warnings.filterwarnings("ignore", message=r".*torch\.sparse\.SparseTensor")
        warnings.filterwarnings("ignore", message=".*Sparse .* tensor support is in beta")
        yield


def _dok_update(matrix: sp.dok_matrix, entries: dict[tuple[int, int], float]) -> None:
    """``dok_matrix._update`` of SciPy < 1.13, which NGCF, NCL, GCMC and SpectralCF build their graphs with."""
    matrix._dict.update(entries)
