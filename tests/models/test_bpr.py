"""Our BPR is RecBole's, only faster."""

import pytest
import torch
from recbole.model.general_recommender.bpr import BPR as RecBoleBPR
from recbole.utils import init_seed

from tests.models.contract import ModelContract


class TestBPR(ModelContract):
    model = "BPR"

    def test_loss_and_gradients_are_recboles(self, made):
        init_seed(made.config["seed"], True)
        stock = RecBoleBPR(made.config, made.loaders.train_part)
        assert stock.state_dict().keys() == made.model.state_dict().keys()
        ours, theirs = made.model.calculate_loss(made.batch), stock.calculate_loss(made.batch)
        assert ours.item() == pytest.approx(theirs.item(), rel=1e-6)
        ours.backward()
        theirs.backward()
        for name, parameter in stock.named_parameters():
            torch.testing.assert_close(made.model.get_parameter(name).grad, parameter.grad)
