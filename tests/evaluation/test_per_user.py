import math

import numpy as np
import pytest
import torch
from recbole.data.interaction import Interaction
from scipy import stats

from recbole_kd.bridge.trainer import make_trainer
from recbole_kd.evaluation.cost import ranking_seconds, user_milliseconds, values_read
from recbole_kd.evaluation.per_user import packed_hits, per_user_metrics, unpacked_hits
from recbole_kd.evaluation.significance import paired_test
from recbole_kd.scoring.model_scores import scores_of
from tests.models.contract import build


@pytest.fixture
def evaluated(checkerboard):
    made = build("LightGCN", checkerboard, topk=[5], valid_metric="NDCG@5", metric_decimal_place=10)
    trainer = make_trainer(made.config, made.model)
    return made, trainer, trainer.evaluate(made.loaders.test, load_best_model=False)


def test_means_are_what_recbole_prints(evaluated):
    _, trainer, printed = evaluated
    per_user = per_user_metrics(trainer.eval_collector.hits, 5)
    assert len(per_user["recall@5"]) == 40
    assert per_user["recall@5"].mean().item() == pytest.approx(printed["recall@5"], abs=1e-6)
    assert per_user["ndcg@5"].mean().item() == pytest.approx(printed["ndcg@5"], abs=1e-6)


def test_one_user_by_hand(evaluated):
    made, trainer, _ = evaluated
    per_user = per_user_metrics(trainer.eval_collector.hits, 5)
    user = int(made.loaders.test.uid_list[3])
    splits = [set(), set()]
    for part, dataset in enumerate((made.loaders.train_part, made.loaders.valid._dataset)):
        splits[part] = set(dataset.inter_feat["item_id"][dataset.inter_feat["user_id"] == user].tolist())
    test = made.loaders.test._dataset.inter_feat
    relevant = set(test["item_id"][test["user_id"] == user].tolist())
    users, items = made.model.embeddings()
    order = [i for i in (-(items @ users[user])).argsort().tolist() if i and i not in splits[0] | splits[1]][:5]
    gains = [1 / math.log2(place + 2) for place, item in enumerate(order) if item in relevant]
    ideal = sum(1 / math.log2(place + 2) for place in range(len(relevant)))
    assert per_user["ndcg@5"][3].item() == pytest.approx(sum(gains) / ideal, abs=1e-6)
    assert per_user["recall@5"][3].item() == pytest.approx(len(gains) / len(relevant), abs=1e-6)


def test_paired_test_is_scipys_on_seed_means():
    random = np.random.default_rng(0)
    a, b = random.normal(0.2, 1, (3, 50)), random.normal(0, 1, (3, 50))
    found = paired_test(a, b)
    assert found["difference"] == pytest.approx((a - b).mean())
    assert found["t_p"] == pytest.approx(stats.ttest_rel(a.mean(0), b.mean(0)).pvalue)
    assert found["wilcoxon_p"] == pytest.approx(stats.wilcoxon(a.mean(0), b.mean(0)).pvalue)
    assert paired_test(a, a) == {"difference": 0.0, "t_p": 1.0, "wilcoxon_p": 1.0}


def test_a_p_value_too_small_for_float32_is_not_zero():
    random = np.random.default_rng(0)
    a, b = (random.normal(mean, 1, 5000).astype(np.float32) for mean in (0.4, 0))
    assert 0 < paired_test(a, b)["t_p"] < 1e-60


def test_ranking_starts_from_a_cold_model(evaluated, monkeypatch):
    made, _, _ = evaluated
    calls = []
    forward = made.model.forward
    monkeypatch.setattr(made.model, "forward", lambda: calls.append(1) or forward())
    with torch.no_grad():
        assert ranking_seconds(made.model, made.loaders.test, k=5, repeats=3) > 0
    assert len(calls) == 3
    assert ranking_seconds(made.model, made.loaders.train) is None


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("BPR", lambda model: 64 * (41 + 25)),
        ("LightGCN", lambda model: 64 * (41 + 25)),
        ("EASE", lambda model: 1 + model.interaction_matrix.nnz + 25 * 25),
    ],
)
def test_values_read(checkerboard, model, expected):
    made = build(model, checkerboard).model.eval()
    made.full_sort_predict(Interaction({"user_id": torch.tensor([1])}))  # LightGCN keeps what it has propagated
    assert values_read(made) == expected(made)


def test_packed_hits_give_every_metric_that_recbole_prints(checkerboard):
    metrics = ["Recall", "NDCG", "Precision", "Hit", "MRR"]
    values = {"topk": [3, 5, 11], "metrics": metrics, "valid_metric": "NDCG@5", "metric_decimal_place": 10}
    made = build("LightGCN", checkerboard, **values)
    trainer = make_trainer(made.config, made.model)
    printed = trainer.evaluate(made.loaders.test, load_best_model=False)
    packed = packed_hits(trainer.eval_collector.hits)
    assert packed["hits"].dtype == torch.uint8
    assert packed["hits"].shape == (40, 2)
    hits = unpacked_hits(packed["hits"].numpy(), packed["relevant"].numpy())
    found = {name: value.mean().item() for k in (3, 5, 11) for name, value in per_user_metrics(hits, k).items()}
    assert len(found) == 15
    assert found == pytest.approx(dict(printed), abs=1e-6)


class TestLatency:
    def test_a_served_model_does_not_propagate_again(self, checkerboard, monkeypatch):
        made = build("LightGCN", checkerboard)
        scorer = scores_of(made.model.eval())
        calls = []
        forward = made.model.forward
        monkeypatch.setattr(made.model, "forward", lambda: calls.append(1) or forward())
        assert 0 < user_milliseconds(scorer, 7, k=5, seconds=0.01) < 1000
        assert len(calls) == 1

    @pytest.mark.parametrize("model", ["NeuMF", "MultiVAE"])  # pairs; all items, but no dot products
    def test_models_without_embeddings(self, checkerboard, model):
        scorer = scores_of(build(model, checkerboard).model.eval())
        assert not scorer.factorised
        assert 0 < user_milliseconds(scorer, 2, seconds=0) < 1000
