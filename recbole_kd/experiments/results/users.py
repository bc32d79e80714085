"""Per-user metrics of a run in one compact file, from which any of them at any cutoff can be made later."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from recbole_kd.bridge.checkpoint import load_checkpoint
from recbole_kd.evaluation.per_user import per_user_metrics, unpacked_hits
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.files import replacing
from recbole_kd.foundation.npy import NpyError, read_arrays

if TYPE_CHECKING:
    from recbole_kd.training.record import StageRecord


def write_users(path: Path, data: Any, stages: Sequence[StageRecord]) -> bool:
    """Write which of the test users' best items are relevant, by each stage; a NumPy ``.npz`` without pickles.

    Args:
        path: the file.
        data: the data set of the run, which knows the raw tokens.
        stages: finished; those without a checkpoint or without a full ranking are left out.

    Returns:
        False, and nothing is written, if all are left out.

    The arrays are ``user`` (raw tokens, in the order of the other arrays), ``relevant`` (test items a user) and for
    each stage ``hits_<stage>``: uint8 (n_users, ⌈max(topk) / 8⌉), a bit a place of the list, the first the highest.
    """
    kept = {stage.name: load_checkpoint(stage.checkpoint)["per_user"] for stage in stages if stage.checkpoint}
    kept = {name: values for name, values in kept.items() if "hits" in values}
    if not kept:
        return False
    first = next(iter(kept.values()))
    arrays = {f"hits_{name}": values["hits"].numpy() for name, values in kept.items()}
    arrays["user"] = np.asarray(data.field2id_token[data.uid_field])[first["user"].numpy()].astype(str)
    arrays["relevant"] = first["relevant"].numpy()
    with replacing(path) as stream:
        np.savez_compressed(stream, **arrays)
    return True


def read_users(path: Path, stage: str, metric: str) -> pd.Series | None:
    """One metric of every test user.

    Args:
        path: a file of :func:`write_users`.
        stage: ``model``, ``teacher``, ``baseline`` or ``student``.
        metric: Recall, NDCG, Precision, Hit or MRR, ``@`` and a cutoff up to the run's largest ``topk``, in any case.

    Returns:
        float64 by raw token, the mean of a user's rows where histories have several; None if the file has nothing of
        this stage.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        arrays = read_arrays(path)
        if f"hits_{stage}" not in arrays:
            return None
        hits, relevant, user = (arrays[name] for name in (f"hits_{stage}", "relevant", "user"))
        if hits.dtype != np.uint8 or hits.ndim != 2 or not len(hits) == len(relevant) == len(user):
            raise NpyError("holds other arrays")
        if relevant.dtype.kind not in "iu" or relevant.ndim != 1 or user.ndim != 1:
            raise NpyError("holds other arrays")
    except (NpyError, KeyError):
        raise UserError(
            f"{path} is missing or damaged; delete its line in runs.jsonl, and the run is repeated"
        ) from None
    values = per_user_metrics(unpacked_hits(hits, relevant), int(metric.partition("@")[2]))
    found = pd.Series(values[metric.lower()].double().numpy(), index=user)
    return found if found.index.is_unique else found.groupby(level=0, sort=False).mean()
