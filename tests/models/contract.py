"""What every model here must do; a new model inherits these tests for a few lines."""

from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch
from recbole.data.interaction import Interaction
from recbole.utils import init_seed

from recbole_kd.data.dataset import open_dataset
from recbole_kd.data.loaders import make_loaders
from recbole_kd.registry import make_config


def build(model: str, dataset: str, **values) -> SimpleNamespace:
    """A model on a data set, with everything around it."""
    values = {"show_progress": False, "state": "error", **values}
    config = make_config(model, dataset, config_dict=values)
    init_seed(config["seed"], True)
    data = open_dataset(config)
    loaders = make_loaders(config, data)
    init_seed(config["seed"], True)
    made = config.model_class(config, loaders.train_part)
    return SimpleNamespace(config=config, dataset=data, loaders=loaders, model=made, batch=next(iter(loaders.train)))


def assert_same_with_gradients(ours: torch.Tensor, expected: torch.Tensor, parameters: list[torch.Tensor]) -> None:
    """Equal values, and equal gradients of a random projection in every parameter."""
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)
    weights = torch.randn_like(ours)
    of_ours, of_expected = (torch.autograd.grad((found * weights).sum(), parameters) for found in (ours, expected))
    torch.testing.assert_close(of_ours, of_expected, rtol=1e-3, atol=1e-4)


class ModelContract:
    model: str
    learns_with: ClassVar[dict] = {}  # keys without which it takes more than 40 epochs to learn the checkerboard

    @pytest.fixture
    def made(self, checkerboard):
        return build(self.model, checkerboard)

    def test_loss_is_a_finite_scalar_that_reaches_every_parameter(self, made):
        loss = made.model.calculate_loss(made.batch)
        loss.backward()
        assert loss.numel() == 1
        assert torch.isfinite(loss)
        unreached = [name for name, p in made.model.named_parameters() if p.grad is None or not p.grad.abs().sum()]
        assert unreached == []

    def test_scores_agree_one_by_one_in_a_batch_and_in_full(self, made):
        model = made.model.eval()
        names = [*model.state_dict()]
        n_users, n_items = made.dataset.user_num, made.dataset.item_num
        users = torch.arange(1, n_users)
        with torch.no_grad():
            full = model.full_sort_predict(Interaction({"user_id": users})).view(-1, n_items)
            pairs = Interaction(
                {"user_id": users.repeat_interleave(n_items), "item_id": torch.arange(n_items).repeat(len(users))}
            )
            one_by_one = torch.stack(
                [model.full_sort_predict(Interaction({"user_id": users[i : i + 1]})) for i in range(5)]
            )
            torch.testing.assert_close(model.predict(pairs).view(-1, n_items), full, rtol=1e-4, atol=1e-5)
        assert [*model.state_dict()] == names  # what is kept for the next scoring is no part of the model
        torch.testing.assert_close(one_by_one, full[:5], rtol=1e-4, atol=1e-5)
        user_embedding, item_embedding = model.embeddings()
        torch.testing.assert_close(user_embedding[1:] @ item_embedding.T, full, rtol=1e-4, atol=1e-5)

    def test_same_seed_same_model(self, made, checkerboard):
        again = build(self.model, checkerboard)
        losses = []
        for twin in (made, again):
            torch.manual_seed(1)  # of the dropout
            losses.append(twin.model.calculate_loss(twin.batch).item())
        assert losses[0] == losses[1]

    def test_a_state_dict_restores_the_scores(self, made, checkerboard):
        other = build(self.model, checkerboard, seed=7).model
        other.load_state_dict(made.model.state_dict())
        for mine, theirs in zip(other.eval().embeddings(), made.model.eval().embeddings(), strict=True):
            assert torch.equal(mine, theirs)

    def test_learns_the_checkerboard(self, checkerboard):
        from recbole_kd.experiments.run import run

        values = {"epochs": 40, "learning_rate": 0.05, "show_progress": False, "topk": [3], "valid_metric": "NDCG@3"}
        values |= {"metrics": ["NDCG", "Recall"], "state": "error", **self.learns_with}
        result = run(self.model, checkerboard, config_dict=values)
        assert result.test["recall@3"] > 0.95
