import pytest
import torch
from recbole.evaluator import Collector, Evaluator

from recbole_kd.bridge.collector import LeanCollector
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.data.loaders import make_loaders
from recbole_kd.registry import make_config


@pytest.mark.parametrize("metrics", [["Recall", "NDCG", "MRR"], ["Recall", "GAUC"], ["Recall", "ItemCoverage"]])
def test_collects_what_recbole_collects(checkerboard, metrics):
    values = {"metrics": metrics, "topk": [2, 4], "valid_metric": "Recall@4"}
    config = make_config("BPR", checkerboard, config_dict=values)
    torch.manual_seed(0)
    scores = torch.randn(7, 20)
    scores[:, 0] = -torch.inf
    users, items = torch.nonzero(torch.rand(7, 20) < 0.3, as_tuple=True)
    structs = []
    for kind in (Collector, LeanCollector):
        collector = kind(config)
        for half in (slice(0, 4), slice(4, 7)):
            chosen = (users >= half.start) & (users < half.stop)
            collector.eval_batch_collect(scores[half], None, users[chosen] - half.start, items[chosen])
        structs.append(collector.get_data_struct()._data_dict)
    assert structs[0].keys() == structs[1].keys()
    for name, expected in structs[0].items():
        assert torch.equal(structs[1][name], expected), name


LISTED = ["ItemCoverage", "AveragePopularity", "GiniIndex", "ShannonEntropy", "TailPercentage"]


def collected(kind, config, train, scores, users, items):
    collector = kind(config)
    collector.data_collect(train)
    for half in (slice(0, 4), slice(4, 7)):
        chosen = (users >= half.start) & (users < half.stop)
        collector.eval_batch_collect(scores[half], None, users[chosen] - half.start, items[chosen])
    return collector


@pytest.mark.parametrize("metrics", [LISTED, ["Recall", *LISTED], ["GAUC", *LISTED]])
def test_metrics_of_all_lists_are_recboles(checkerboard, metrics):
    """RecBole's own collector fails on the numbers that these metrics need; its metrics are computed from its lists."""
    values = {"metrics": metrics, "topk": [2, 4], "valid_metric": "ItemCoverage@4", "tail_ratio": 0.3}
    config = make_config("BPR", checkerboard, config_dict=values)
    data = MultiModalDataset(config)
    train = make_loaders(config, data).train
    torch.manual_seed(0)
    scores = torch.randn(7, data.item_num)
    users, items = torch.nonzero(torch.rand(7, data.item_num) < 0.3, as_tuple=True)
    stock, lean = (collected(kind, config, train, scores, users, items) for kind in (Collector, LeanCollector))
    evaluator = Evaluator(config)
    found = evaluator.evaluate(lean.get_data_struct())
    assert lean.data_struct._data_dict.keys() >= {"data.num_items", "data.count_items"}  # for the next evaluation
    stock.data_struct._data_dict.update(
        {name: torch.as_tensor(value) for name, value in stock.data_struct._data_dict.items() if isinstance(value, int)}
    )
    counts = stock.data_struct._data_dict.pop("data.count_items")
    expected = stock.get_data_struct()
    expected.set("data.count_items", counts)
    expected.set("data.num_items", data.item_num)
    assert evaluator.evaluate(expected) == found


def test_hits_are_kept_whatever_is_computed(checkerboard):
    config = make_config(
        "BPR", checkerboard, config_dict={"metrics": ["ItemCoverage"], "topk": [2], "valid_metric": "ItemCoverage@2"}
    )
    collector = LeanCollector(config)
    collector.data_struct.set("data.num_items", 5)
    collector.eval_batch_collect(torch.tensor([[0.0, 3, 2, 1]]), None, torch.tensor([0]), torch.tensor([2]))
    struct = collector.get_data_struct()
    assert collector.hits.tolist() == [[0, 1, 1]]
    assert struct._data_dict.keys() == {"data.num_items", "rec.items"}
