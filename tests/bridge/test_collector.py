import pytest
import torch
from recbole.evaluator import Collector

from recbole_kd.bridge.collector import LeanCollector
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
