"""Numbers that take long to compute, kept in files: what is there is not computed again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from recbole_kd.foundation.digest import sha256_of_values
from recbole_kd.foundation.files import replacing
from recbole_kd.foundation.npy import NpyError, read_arrays

Numbers = dict[str, np.ndarray]


class Kept:
    """A folder with one ``.npz`` for each computation, named by a digest of what it depends on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, name: str, depends_on: Any, compute: Callable[[], Numbers]) -> Numbers:
        """Read the numbers, or compute and write them; a damaged file is written anew.

        Args:
            name: how the file's name begins.
            depends_on: plain values.
            compute: gives arrays without Python objects by name.
        """
        path = self._folder / f"{name}-{sha256_of_values([name, depends_on])[:16]}.npz"
        try:
            return read_arrays(path)
        except NpyError:
            numbers = compute()
        with replacing(path) as stream:
            np.savez_compressed(stream, **numbers)  # type: ignore[arg-type]
        return numbers
