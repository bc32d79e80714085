"""RecBole's ways of opening pickles, shut: its keys are refused, and its calls are lent harmless ones meanwhile."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from recbole.data import utils as recbole_data

from recbole_kd.bridge.lent import lent
from recbole_kd.bridge.recbole_checkpoint import load_any_checkpoint
from recbole_kd.foundation.errors import UserError

_INSTEAD = {
    "save_dataset": "the data set is read from its atomic files each time",
    "dataset_save_path": "the data set is read from its atomic files each time",
    "save_dataloaders": "finished stages are kept in checkpoint_dir and found again without it",
    "dataloaders_save_path": "finished stages are kept in checkpoint_dir and found again without it",
}


def refuse_pickles(values: Mapping[str, Any]) -> None:
    """Refuse RecBole's keys that write or read pickled data sets and loaders.

    Args:
        values: by key; one that is None, False or empty asks for nothing.

    Raises:
        UserError: one of them is set.
    """
    for key, instead in _INSTEAD.items():
        if values.get(key):
            raise UserError(
                f"{key}={values[key]} asks for a pickle, and opening one can run anything, so none is written or read "
                f"here; leave it out: {instead}"
            )


@contextmanager
def no_saved_loaders() -> Iterator[None]:
    """Within the block RecBole does not look for pickled loaders, which it does in ``checkpoint_dir`` unasked."""
    with lent(recbole_data, "load_split_dataloaders", lambda config: None):
        yield


@contextmanager
def no_unpickling() -> Iterator[None]:
    """Within the block ``np.load`` and ``torch.load``, whoever calls them and how, give arrays and plain values only.

    A checkpoint of stock RecBole, whose config is pickled, is read by our own reader, which runs nothing.
    """
    load_array, load_tensors = np.load, torch.load

    def array(file: Any, *args: Any, **kwargs: Any) -> Any:
        return load_array(file, *args[:1], **{**kwargs, "allow_pickle": False})

    def tensors(file: Any, map_location: Any = None, *_: Any, **kwargs: Any) -> Any:
        try:
            return load_tensors(file, map_location, **{**kwargs, "weights_only": True})
        except pickle.UnpicklingError:
            if not isinstance(file, str | os.PathLike):
                raise
            return load_any_checkpoint(file, map_location or "cpu")

    with lent(np, "load", array), lent(torch, "load", tensors):
        yield
