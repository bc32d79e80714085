"""The interactions of a data set, or of one part of its split, in the forms that others ask for."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from torch import Tensor

from recbole_kd.bridge.histories import interactions_of
from recbole_kd.bridge.recbole import Dataset
from recbole_kd.ops.graph import interaction_matrix
from recbole_kd.ops.ragged import Ragged


def pairs_of(dataset: Dataset) -> tuple[Tensor, Tensor]:
    """Internal user and item ids of all interactions, int64 (n,) each; of the training part with the histories'."""
    events = interactions_of(dataset)
    users, items = (events[field].long() for field in (dataset.uid_field, dataset.iid_field))
    return users, items


def positives_of(dataset: Dataset) -> Ragged:
    """The items of each user's interactions, ascending and each once; row = internal user id."""
    return Ragged.of_pairs(*pairs_of(dataset), dataset.user_num, dataset.item_num)


def matrix_of(dataset: Dataset) -> sp.csr_array:
    """The interactions as a 0/1 matrix, (n_users, n_items)."""
    users, items = (ids.numpy() for ids in pairs_of(dataset))
    return interaction_matrix(users, items, dataset.user_num, dataset.item_num)


def popularity_of(dataset: Dataset) -> np.ndarray:
    """How many interactions each item has, int64 (n_items,)."""
    return np.bincount(pairs_of(dataset)[1].numpy(), minlength=dataset.item_num)


def activity_of(dataset: Dataset) -> np.ndarray:
    """How many interactions each user has, int64 (n_users,)."""
    return np.bincount(pairs_of(dataset)[0].numpy(), minlength=dataset.user_num)
