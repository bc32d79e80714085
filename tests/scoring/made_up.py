"""Teachers without a data set: random factors, or scores that are no dot product."""

from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
from recbole.data.interaction import Interaction
from torch import Tensor, nn

from recbole_kd.ops.ragged import Ragged
from recbole_kd.scoring.build import build_cache
from recbole_kd.scoring.cache import TeacherCache
from recbole_kd.scoring.model_scores import ModelScores

IDENTITY = {
    **{"version": "1", "dataset": "a", "users": "u", "items": "i", "train": "t", "seed": 3, "teacher": "BPR"},
    **{"config": {"epochs": 3}, "checkpoint": "c"},
}


class MadeUp(nn.Module):
    """As much of a RecBole model as a builder needs; ``asked`` counts the rows of scores that it is asked for."""

    USER_ID = "user_id"

    def __init__(self, n_users: int, n_items: int, width: int, seed: int, coarse: bool) -> None:
        super().__init__()
        self.n_users, self.n_items, self.device = n_users, n_items, torch.device("cpu")
        generator = torch.Generator().manual_seed(seed)
        self.users, self.items = (torch.randn(size, width, generator=generator) for size in (n_users, n_items))
        if coarse:  # makes many scores equal
            self.users, self.items = self.users.round(), self.items.round()
        self.weights = torch.randn(width, width, generator=generator)
        self.asked: list[int] = []

    def full_sort_predict(self, interaction: Interaction) -> Tensor:
        users = interaction[self.USER_ID]
        self.asked.append(len(users))
        return (self.users[users] @ self.weights).tanh() @ self.items.T + 1


def factors(n_users: int = 20, n_items: int = 13, width: int = 4, seed: int = 0, coarse: bool = False) -> ModelScores:
    """A teacher that scores by dot product."""
    model = MadeUp(n_users, n_items, width, seed, coarse)
    return ModelScores(model, lambda: (model.users, model.items))


def dense(n_users: int = 20, n_items: int = 13, width: int = 4, seed: int = 0, coarse: bool = False) -> ModelScores:
    """A teacher that does not."""
    return ModelScores(MadeUp(n_users, n_items, width, seed, coarse), None)


def positives(n_users: int, n_items: int) -> sp.csr_matrix:
    """Some interactions; the last user has all items."""
    matrix = np.random.default_rng(0).random((n_users, n_items)) < 0.2
    matrix[0], matrix[:, 0] = False, False
    matrix[-1, 1:] = n_users > 1
    return sp.csr_matrix(matrix.astype(np.float32))


def rows_of(matrix: sp.csr_matrix) -> Ragged:
    """The columns of each row's entries."""
    rows, columns = (torch.from_numpy(ids).long() for ids in matrix.tocoo().coords)
    return Ragged.of_pairs(rows, columns, *matrix.shape)


def make(path: str | Path, scorer: ModelScores, **values) -> TeacherCache:
    """Build a cache of small shards and blocks."""
    values = {"topk": 5, "shard_users": 8, "block_scores": 3 * scorer.model.n_items, **values}
    seen = positives(scorer.model.n_users, scorer.model.n_items)
    return build_cache(path, scorer, rows_of(seen), values.pop("identity", IDENTITY), {"ndcg": 0.5}, **values)
