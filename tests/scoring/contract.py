"""What every teacher's cache must do; a new kind of teacher inherits these tests for a few lines."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from recbole.data.interaction import Interaction

from recbole_kd.data.identity import identity_of
from recbole_kd.foundation.errors import UserError
from recbole_kd.scoring.build import build_cache
from recbole_kd.scoring.cache import TeacherCache
from recbole_kd.scoring.model_scores import scores_of
from tests.models.contract import build
from tests.scoring.made_up import rows_of


def training_pairs(train) -> sp.csr_matrix:
    """The interactions (n_users, n_items) of a training split."""
    users, items = (train.inter_feat[field].numpy() for field in (train.uid_field, train.iid_field))
    return sp.csr_matrix((np.ones(len(users), np.float32), (users, items)), (train.user_num, train.item_num))


def brute_force(scores: torch.Tensor, left_out: sp.csr_matrix | None, k: int) -> list[list[int]]:
    """The best items by a plain sort: higher score first, then lower id; filled with 0."""
    best = []
    for user, row in enumerate(scores.tolist()):
        seen = set(left_out[user].indices.tolist()) if left_out is not None else set()
        items = sorted(set(range(1, len(row))) - seen, key=lambda item: (-row[item], item))
        best.append((items + [0] * k)[:k])
    return best


class CacheContract:
    """A cache of an untrained model of the checkerboard's 41 users and 25 items, in shards of 16 users."""

    model: str
    factorised: bool

    @pytest.fixture
    def made(self, checkerboard):
        made = build(self.model, checkerboard)
        made.train = made.loaders.train_part
        made.identity = identity_of(made.train, checkerboard, 2020) | {"teacher": self.model}
        made.positives = training_pairs(made.train)
        for weights in made.model.parameters():
            torch.nn.init.normal_(weights, generator=torch.Generator().manual_seed(weights.numel()))
        users = torch.arange(made.model.n_users)
        with torch.no_grad():
            made.model.eval()
            pairs = Interaction({"user_id": users.repeat_interleave(25), "item_id": torch.arange(25).repeat(41)})
            made.scores = made.model.predict(pairs).view(41, 25)
            made.model.train()
        return made

    def cache(self, made, path="cache", **values) -> TeacherCache:
        values = {"shard_users": 16, "block_scores": 25 * 5, **values}
        seen = rows_of(made.positives)
        return build_cache(path, scores_of(made.model), seen, made.identity, {"ndcg": 0.5}, **values)

    def everything(self, cache) -> torch.Tensor:
        return cache.score(torch.arange(cache.n_users), torch.arange(cache.n_items).expand(cache.n_users, -1))

    def test_what_it_says_of_itself(self, made):
        cache = self.cache(made)
        assert (cache.n_users, cache.n_items, cache.max_topk) == (41, 25, 24)
        assert (cache.factorised, cache.record, cache.identity) == (self.factorised, {"ndcg": 0.5}, made.identity)
        cache.check(made.identity)

    @pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float16", 2e-3)])
    def test_scores_are_the_models(self, made, dtype, tolerance):
        cache = self.cache(made, dtype=dtype)
        found = self.everything(cache)
        assert found.dtype == torch.float32
        largest = made.scores.abs().max()
        torch.testing.assert_close(found / largest, made.scores / largest, rtol=0, atol=tolerance)

    @pytest.mark.parametrize("dtype", ["float32", "float16"])
    @pytest.mark.parametrize("masked", [True, False])
    def test_the_best_items_are_those_of_a_plain_sort(self, made, dtype, masked):
        cache = self.cache(made, dtype=dtype, mask_train_positives=masked)
        users = torch.arange(41)
        items, scores = cache.topk(users, 24)
        assert items.tolist() == brute_force(self.everything(cache), made.positives if masked else None, 24)
        assert torch.equal(scores, cache.score(users, items).masked_fill(items == 0, -torch.inf))
        assert (items == 0).any() == masked  # who has seven items has seventeen left

    def test_the_first_k_of_any_users_in_any_order(self, made):
        cache = self.cache(made, topk=10)
        users = torch.tensor([40, 3, 16, 3, 17])
        items, scores = cache.topk(users, 4)
        everyone, their_scores = cache.topk(torch.arange(41), 10)
        assert (items.dtype, scores.dtype) == (torch.int64, torch.float32)
        assert torch.equal(items, everyone[users, :4])
        assert torch.equal(scores, their_scores[users, :4])

    def test_no_users_and_no_items(self, made):
        cache = self.cache(made)
        nobody = torch.zeros(0, dtype=torch.int64)
        assert cache.score(nobody, torch.zeros(0, 3, dtype=torch.int64)).shape == (0, 3)
        assert cache.score(torch.tensor([1, 2]), torch.zeros(2, 0, dtype=torch.int64)).shape == (2, 0)
        assert cache.topk(nobody, 3)[0].shape == (0, 3)

    def test_more_best_items_than_were_kept(self, made):
        with pytest.raises(UserError, match=r"keeps the 5 .* 6 are asked for; build it with --cache_topk=6$"):
            self.cache(made, topk=5).topk(torch.tensor([1]), 6)

    def test_ids_that_do_not_exist(self, made):
        cache = self.cache(made)
        for user, item, match in ((41, 1, "user 41"), (-1, 1, "user -1"), (1, 25, "item 25"), (1, -2, "item -2")):
            with pytest.raises(IndexError, match=match):
                cache.score(torch.tensor([0, user]), torch.tensor([[0], [item]]))
        with pytest.raises(IndexError, match="user 41"):
            cache.topk(torch.tensor([41]), 2)

    def test_moving_it_changes_nothing(self, made):
        cache = self.cache(made)
        before = self.everything(cache)
        assert cache.to("cpu") is cache
        assert torch.equal(self.everything(cache), before)

    def test_the_model_is_left_as_it_was(self, made):
        before = {name: value.clone() for name, value in made.model.state_dict().items()}
        threads = torch.get_num_threads()
        self.cache(made)
        assert made.model.training
        assert torch.get_num_threads() == threads
        assert all(torch.equal(value, before[name]) for name, value in made.model.state_dict().items())

    def test_the_digest_follows_the_weights_and_nothing_else(self, made):
        first = self.cache(made).digest
        assert self.cache(made, "again").digest == first
        assert TeacherCache.open("cache", verify=False).digest == first
        with torch.no_grad():
            next(made.model.parameters()).add_(1)
        assert self.cache(made, "other").digest != first
