"""Our LightGCN is RecBole's, only faster."""

import pytest
import torch
from recbole.model.general_recommender.lightgcn import LightGCN as RecBoleLightGCN
from recbole.utils import init_seed

from tests.models.contract import ModelContract, build


def stock_twin(made) -> RecBoleLightGCN:
    init_seed(made.config["seed"], True)
    return RecBoleLightGCN(made.config, made.loaders.train_part)


class TestLightGCN(ModelContract):
    model = "LightGCN"

    def test_loss_and_gradients_are_recboles(self, made):
        stock = stock_twin(made)
        ours, theirs = made.model.calculate_loss(made.batch), stock.calculate_loss(made.batch)
        assert ours.item() == pytest.approx(theirs.item(), rel=1e-6)
        ours.backward()
        theirs.backward()
        torch.testing.assert_close(made.model.item_embedding.weight.grad, stock.item_embedding.weight.grad)

    def test_loads_into_recboles_and_scores_identically(self, made):
        with torch.no_grad():
            made.model.item_embedding.weight.add_(0.1)
        stock = stock_twin(made)
        stock.load_state_dict(made.model.state_dict())
        for ours, theirs in zip(made.model(), stock(), strict=True):
            torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("values", [{}, {"n_layers": 3, "reg_weight": 1e-2, "require_pow": True, "embedding_size": 16}])
def test_loss_on_ml_100k_is_recboles_to_six_digits(tmp_path, monkeypatch, values):
    monkeypatch.chdir(tmp_path)
    made = build("LightGCN", "ml-100k", **values)
    stock = stock_twin(made)
    assert made.model.calculate_loss(made.batch).item() == pytest.approx(
        stock.calculate_loss(made.batch).item(), rel=1e-6
    )
