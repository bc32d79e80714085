"""What a model is trained on, as digests: whether two runs, or a run and a file, mean the same data."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from recbole_kd.bridge.histories import Histories, interactions_of
from recbole_kd.bridge.loaders import Loaders
from recbole_kd.bridge.recbole import Dataset
from recbole_kd.data.interactions import pairs_of
from recbole_kd.foundation.digest import NUMERICS, sha256_of, sha256_of_values


def identity_of(dataset: Dataset, name: str, seed: int, numerics: str = NUMERICS) -> dict[str, Any]:
    """Say what scores of a model depend on besides its weights.

    Args:
        dataset: the training part of a RecBole data set's split.
        name: the data set's.
        seed: of RecBole's split.
        numerics: the version of our arithmetic.

    Returns:
        ``version`` (the numerics), ``dataset``, ``seed``, and sha256 digests of the user tokens (``users``), of the
        item tokens (``items``), both in the order of their ids, and of the training pairs (``train``), in any order
        unless they are histories, of which it counts, and the times do.
    """
    users, items = (ids.numpy().astype(np.int64) for ids in pairs_of(dataset))
    pairs = users * dataset.item_num + items
    if isinstance(dataset, Histories):
        pairs = np.concatenate([pairs, interactions_of(dataset)[dataset.time_field].numpy().astype(np.int64)])
    else:
        pairs = np.sort(pairs)
    tokens = {"users": dataset.uid_field, "items": dataset.iid_field}
    digests = {
        key: sha256_of_values([str(token) for token in dataset.field2id_token[field]]) for key, field in tokens.items()
    }
    return {"version": numerics, "dataset": name, "seed": seed, **digests, "train": sha256_of(pairs.tobytes())}


def data_digest(loaders: Loaders, model: type, with_features: bool = False) -> str:
    """Digest of what a stage is trained and evaluated on: the splits, and the features if they are read.

    Args:
        loaders: of the stage.
        model: its class, which tells whether it reads features.
        with_features: whether they are read besides, by a content path.
    """
    digest = hashlib.sha256()
    for part in loaders.parts():
        for column in (part.uid_field, part.iid_field):
            digest.update(np.ascontiguousarray(part.inter_feat[column].numpy()).tobytes())
        if isinstance(part, Histories):  # rows have no first items
            for column in (part.iid_field, part.time_field):
                digest.update(np.ascontiguousarray(part.events[column].numpy()).tobytes())
    dataset = loaders.train_part
    digest.update("\n".join(map(str, dataset.field2id_token[dataset.iid_field])).encode())
    read = with_features or getattr(model, "reads_features", False)
    for modality in dataset.modalities if read else ():
        digest.update(modality.encode())
        digest.update(dataset.features(modality).numpy().tobytes())
    return digest.hexdigest()
