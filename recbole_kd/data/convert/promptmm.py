"""The layout of PromptMM, MMSSL and DiffMM: three pickled sparse matrices and ``<modality>_feat.npy``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recbole_kd.data.convert.published import Layout, Published, feature_files, need_file, need_folder
from recbole_kd.data.convert.sparse_pickles import load_sparse
from recbole_kd.foundation.errors import UserError

_FILES = {
    "train": ("trnMat.pkl", "trnMat", "train_mat", "train_mat.pkl"),
    "valid": ("valMat.pkl", "valMat", "val_mat", "val_mat.pkl"),
    "test": ("tstMat.pkl", "tstMat", "test_mat", "test_mat.pkl"),
}


def read(source: Path) -> Published:
    """Read the matrices; a stored zero is no interaction, and any other value is one.

    Raises:
        UserError: a file is missing or unsafe, or the shapes differ between splits.
    """
    folder = need_folder(source)
    splits: dict[str, np.ndarray] = {}
    shape: tuple[int, int] | None = None
    first = Path()
    for split, names in _FILES.items():
        path = need_file(folder, names, f"{split} matrix")
        matrix = load_sparse(path)
        if shape is None:
            shape, first = matrix.shape, path
        elif matrix.shape != shape:
            raise UserError(f"{path} is {matrix.shape} but {first} is {shape}; the matrices must have one shape")
        kept = matrix.data != 0
        splits[split] = np.stack([matrix.row[kept], matrix.col[kept]], axis=1).astype(np.int64)
    assert shape is not None
    return Published(splits, users=shape[0], items=shape[1], features=feature_files(folder))


LAYOUT = Layout("promptmm", "pickled trnMat/valMat/tstMat or train_mat/val_mat/test_mat, and *_feat.npy", read)
