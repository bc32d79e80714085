"""What every sequential model of ours must do; a new one inherits these tests for a few lines."""

from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch

from recbole_kd.data.states import States
from recbole_kd.experiments.run import run
from recbole_kd.scoring.history_scores import scores_in
from tests.models import contract

SHORT = {"show_progress": False, "state": "error", "topk": [1, 3], "metrics": ["Recall", "NDCG"]}
SHORT |= {"valid_metric": "NDCG@3", "MAX_ITEM_LIST_LENGTH": 6}
LEARNING = {**SHORT, "epochs": 30, "eval_step": 10, "learning_rate": 0.01, "train_batch_size": 64, "dropout": 0.1}


def build(model: str, dataset: str, **values) -> SimpleNamespace:
    """A sequential model on a data set, with everything around it."""
    made = contract.build(model, dataset, **{**SHORT, **values})
    made.states = States(made.loaders.train_part)
    return made


class SequentialContract:
    model: str
    values: ClassVar[dict] = {}

    @pytest.fixture
    def made(self, ring):
        return build(self.model, ring, **self.values)

    def test_loss_is_a_finite_scalar_that_reaches_every_parameter(self, made):
        loss = made.model.calculate_loss(made.batch)
        loss.backward()
        assert loss.numel() == 1
        assert torch.isfinite(loss)
        unreached = [name for name, p in made.model.named_parameters() if p.grad is None or not p.grad.abs().sum()]
        assert unreached == []

    @torch.no_grad()
    def test_a_later_item_changes_no_earlier_state(self, made):
        model = made.model.eval()
        items = torch.randint(1, 13, (4, 6), generator=torch.Generator().manual_seed(0))
        changed = items.clone()
        changed[:, 4:] = 13 - items[:, 4:]
        torch.testing.assert_close(model(items)[:, :4], model(changed)[:, :4])
        assert not torch.allclose(model(items)[:, 4:], model(changed)[:, 4:])

    @torch.no_grad()
    def test_padding_changes_nothing(self, made):
        model = made.model.eval()
        items = torch.tensor([[3, 5, 1, 0, 0, 0]])
        torch.testing.assert_close(model(items)[:, :3], model(items[:, :3]))

    @torch.no_grad()
    def test_scores_agree_one_by_one_in_a_batch_and_in_full(self, made):
        model = made.model.eval()
        rows = made.states.histories(made.states.seen.filled())
        full = model.full_sort_predict(rows)
        for item in (1, 7):
            rows.update(type(rows)({"item_id": torch.full((len(rows),), item)}))
            torch.testing.assert_close(model.predict(rows), full[:, item])
        scores = scores_in(made.states, model)
        assert scores.factorised
        states, items = scores.embeddings()
        torch.testing.assert_close((states @ items.T)[made.states.seen.filled()], full)

    def test_same_seed_same_model(self, made, ring):
        again = build(self.model, ring, **self.values)
        losses = []
        for twin in (made, again):
            torch.manual_seed(1)  # of the dropout
            losses.append(twin.model.calculate_loss(twin.batch).item())
        assert losses[0] == losses[1]

    def test_learns_the_ring(self, ring):
        result = run(self.model, ring, config_dict={**LEARNING, **self.values})
        assert result.test["recall@1"] > 0.9
