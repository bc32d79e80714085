"""What a model is trained on, as one number."""

from __future__ import annotations

import hashlib

import numpy as np

from recbole_kd.data.loaders import Loaders


def data_digest(loaders: Loaders, model: type) -> str:
    """Digest of what a stage is trained and evaluated on: the splits, and the features if ``model`` reads them."""
    digest = hashlib.sha256()
    for loader in loaders:
        if loader is not None:
            dataset = loader._dataset
            for column in (dataset.uid_field, dataset.iid_field):
                digest.update(np.ascontiguousarray(dataset.inter_feat[column].numpy()).tobytes())
    dataset = loaders.train._dataset
    digest.update("\n".join(map(str, dataset.field2id_token[dataset.iid_field])).encode())
    for modality in dataset.modalities if getattr(model, "reads_features", False) else ():
        digest.update(modality.encode())
        digest.update(dataset.features(modality).numpy().tobytes())
    return digest.hexdigest()
