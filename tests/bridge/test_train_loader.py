"""Training batches and what is drawn after them are stock RecBole's, to the digit."""

import numpy as np
import pytest
import torch
from recbole.data import data_preparation
from recbole.data.dataloader import TrainDataLoader
from recbole.sampler import Sampler
from recbole.utils import init_seed

from recbole_kd.bridge.sampling import TabledSampler, UsedItems
from recbole_kd.bridge.train_loader import SlicedTrainLoader
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.data.loaders import make_loaders
from recbole_kd.registry import make_config

UNIFORM = {"distribution": "uniform", "sample_num": 1, "alpha": 1.0, "dynamic": False, "candidate_num": 0}


def loaders(dataset: str, model: str = "BPR", **values):
    config = make_config(model, dataset, config_dict={"use_gpu": False, "state": "error", **values})
    data = MultiModalDataset(config)
    stock = data_preparation(config, data)[0]
    return make_loaders(config, data).train, stock


def batches(loader, epochs: int) -> list[dict[str, torch.Tensor]]:
    init_seed(7, True)
    loader.generator.manual_seed(7)
    if loader.neg_sample_args.get("dynamic"):
        loader.get_model(_Likes())
    found = [dict(batch.interaction) for _ in range(epochs) for batch in loader]
    drawn = {"numpy": torch.from_numpy(np.random.rand(3)), "loader": torch.rand(3, generator=loader.generator)}  # noqa: NPY002
    return [*found, drawn]


class _Likes(torch.nn.Module):
    """Scores an item by its number, for negatives that are chosen by a model."""

    device = torch.device("cpu")

    def predict(self, interaction):
        return interaction["item_id"].float()


@pytest.mark.parametrize(
    ("model", "values"),
    [
        ("BPR", {}),
        ("BPR", {"train_batch_size": 40}),  # the last batch is a whole one
        ("BPR", {"train_batch_size": 1}),  # one user a batch, which RecBole samples by another route
        ("BPR", {"shuffle": False}),
        ("BPR", {"train_neg_sample_args": {**UNIFORM, "sample_num": 3}}),
        ("BPR", {"train_neg_sample_args": {**UNIFORM, "distribution": "popularity", "alpha": 0.5}}),
        ("BPR", {"train_neg_sample_args": {**UNIFORM, "dynamic": True, "candidate_num": 2}}),
        ("NeuMF", {}),  # pointwise
        ("BPR", {"worker": 1}),
    ],
)
def test_batches_of_two_epochs_and_all_that_is_drawn_afterwards_are_recboles(checkerboard, model, values):
    ours, stock = loaders(checkerboard, model, **{"train_batch_size": 64, **values})
    assert type(ours) is SlicedTrainLoader
    assert type(ours._sampler) is TabledSampler
    assert type(stock) is TrainDataLoader
    assert type(stock._sampler) is Sampler
    assert len(ours) == len(stock)
    for one, other in zip(batches(ours, 2), batches(stock, 2), strict=True):
        assert one.keys() == other.keys()
        for name in one:
            assert torch.equal(one[name], other[name]), name


def test_columns_of_items_and_of_interactions_come_along_on_ml_100k():
    columns = {"inter": ["user_id", "item_id", "rating"], "item": ["item_id", "release_year", "class"]}
    ours, stock = loaders("ml-100k", load_col=columns, train_batch_size=30_000)
    for one, other in zip(batches(ours, 1), batches(stock, 1), strict=True):
        assert one.keys() == other.keys()
        for name in one:
            assert torch.equal(one[name], other[name]), name


def test_shuffled_in_several_blocks_they_are_the_same(checkerboard, monkeypatch):
    monkeypatch.setattr("recbole_kd.bridge.train_loader._ROWS_AT_ONCE", 100)
    ours, stock = loaders(checkerboard, train_batch_size=32)
    for one, other in zip(batches(ours, 1), batches(stock, 1), strict=True):
        for name in one:
            assert torch.equal(one[name], other[name]), name


def test_no_list_of_all_row_numbers_stays(checkerboard):
    ours, _ = loaders(checkerboard)
    assert vars(ours)["dataset"] == range(280)
    assert ours.sampler.data_source == range(280)


@pytest.mark.parametrize("table", [2**26, 13, 100])
def test_used_items_are_found_where_pairs_share_a_place_of_the_table_too(table, monkeypatch):
    monkeypatch.setattr("recbole_kd.bridge.sampling._TABLE", table)
    monkeypatch.setattr("recbole_kd.bridge.sampling._PLACES_A_PAIR", 0 if table < 2**26 else 8)
    random = np.random.default_rng(0)
    users, items = random.integers(0, 20, 150), random.integers(1, 12, 150)
    used = UsedItems(users, items, 20, 12)
    expected = [set(items[users == user].tolist()) for user in range(20)]
    assert list(used) == expected
    assert used.counts().tolist() == [len(one) for one in expected]
    asked = np.repeat(np.arange(20), 12), np.tile(np.arange(12), 20)
    assert used.contain(*asked).tolist() == [
        item in expected[user] for user, item in zip(*(ids.tolist() for ids in asked), strict=True)
    ]


def test_used_items_of_nobody_contain_nothing():
    none = np.empty(0, dtype=np.int64)
    used = UsedItems(none, none, 3, 4)
    assert used.contain(np.array([1, 2]), np.array([3, 3])).tolist() == [False, False]
    assert list(used) == [set()] * 3
    assert used[None] == set()
