"""DLLM2Rec's ranking term from its definition."""

import math
from typing import ClassVar

import pytest
import torch

from recbole_kd.distillers.dllm2rec import DLLM2RecSettings, trust
from recbole_kd.experiments.run import run
from recbole_kd.scoring.model_scores import scores_of
from tests.distillers.contract import DistillerContract, Made
from tests.models.sequential.contract import SHORT

SMALL = {"kd_topk": 4, "embedding_size": 8}


class TestDLLM2Rec(DistillerContract):
    method = "DLLM2Rec"
    silent: ClassVar = {"kd_weight": 0.0}

    @pytest.fixture
    def made(self, checkerboard):
        return Made(self.method, checkerboard, **SMALL)


def test_trust_by_hand():
    settings = DLLM2RecSettings(
        kd_weight=1,
        kd_topk=3,
        kd_position=0.3,
        kd_confidence=0.5,
        kd_consistency=0,
        kd_rank_scale=2,
        kd_temperature=4,
        mask_train_positives=True,
    )
    found = trust(settings, torch.tensor([[7, 2, 0]]), torch.tensor([[5.0, 3.0, -torch.inf]]))
    expected = [0.3 * math.exp(-0.5) + 0.5, 0.3 * math.exp(-1) + 0.5 * math.exp(-0.5), 0]
    assert found[0].tolist() == pytest.approx(expected)


def test_the_loss_equals_its_definition(checkerboard):
    made = Made("DLLM2Rec", checkerboard, **SMALL, kd_weight=2.0, kd_consistency=0.7)
    settings, feat = made.distiller.settings, made.loaders.train_part.inter_feat
    seen = {}
    for user, item in zip(feat["user_id"].tolist(), feat["item_id"].tolist(), strict=True):
        seen.setdefault(user, set()).add(item)
    scores = {}
    for name, model in (("student", made.student), ("teacher", made.teacher)):
        model.eval()
        scores[name] = scores_of(model).score_all(torch.arange(model.n_users)).detach().double()
    losses = []
    for user in made.batch["user_id"].unique().tolist():
        tops = {
            name: sorted(set(range(1, 25)) - seen[user], key=lambda item, row=row[user]: (-row[item], item))[:4]
            for name, row in scores.items()
        }
        best = scores["teacher"][user, tops["teacher"][0]]
        loss = 0.0
        for rank, item in enumerate(tops["teacher"], 1):
            weight = settings.kd_position * math.exp(-rank / settings.kd_rank_scale)
            weight += settings.kd_confidence * math.exp(-float(best - scores["teacher"][user, item]))
            weight += 0.7 * (item in tops["student"])
            loss += weight * math.log1p(math.exp(-float(scores["student"][user, item])))
        losses.append(loss)
    found = made.distiller(scores_of(made.student), made.batch)["ranking"]
    assert float(found.detach()) == pytest.approx(2 * sum(losses) / len(losses), rel=1e-5)


@pytest.mark.parametrize("positions", ["last", "all"])
def test_a_model_of_histories_teaches_another(ring, positions):
    values = {**SHORT, "teacher": "HSTU", "student": "SASRec", "kd_positions": positions, "epochs": 5}
    values |= {"train_batch_size": 64, "learning_rate": 0.01, "kd_topk": 3, "cache_topk": 8}
    history = run("DLLM2Rec", ring, config_dict=values).stages[-1].history
    assert history[-1]["losses"]["ranking"] < history[0]["losses"]["ranking"]
