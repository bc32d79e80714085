"""BM3's loss and its gradients against its formulas."""

import pytest
import torch

from tests.models.contract import ModelContract, build


def error(online, target):
    cosine = (online * target).sum(dim=1) / (online.norm(dim=1) * target.norm(dim=1))
    return (1 - cosine).mean()


class TestBM3(ModelContract):
    model = "BM3"

    @pytest.mark.parametrize("modalities", [["board"], ["noise", "board"]])
    def test_loss_and_gradients_equal_the_formulas_with_dense_matrices(self, checkerboard, modalities):
        values = {"n_layers": 2, "dropout": 0.0, "modality_loss_weight": 0.7, "reg_weight": 0.3}
        made = build(self.model, checkerboard, modalities=modalities, **values)
        model, n_users = made.model, made.dataset.user_num
        users, positives = made.batch["user_id"], made.batch["item_id"]
        adjacency = model.graph.matrix.to_dense()
        ids = torch.cat([model.user_embedding.weight, model.item_embedding.weight])
        final = (ids + adjacency @ ids + adjacency @ adjacency @ ids) / 3
        user = final[:n_users][users]
        item = (final[n_users:] + model.item_embedding.weight)[positives]
        weight, bias = model.predictor.weight, model.predictor.bias
        expected = error(user @ weight.T + bias, item.detach()) + error(item @ weight.T + bias, user.detach())
        for name in modalities:
            modal = model.projections[name](made.dataset.features(name)[positives])
            predicted = modal @ weight.T + bias
            expected = expected + 0.7 * (error(predicted, item.detach()) + error(predicted, modal.detach()))
        expected = expected + 0.3 * ((user**2).sum() + (item**2).sum()) / len(users)
        loss = model.calculate_loss(made.batch)
        torch.testing.assert_close(loss, expected)
        parameters = list(model.parameters())
        torch.testing.assert_close(
            torch.autograd.grad(loss, parameters), torch.autograd.grad(expected, parameters), rtol=1e-3, atol=1e-6
        )

    def test_only_targets_are_dropped_out(self, checkerboard):
        made = build(self.model, checkerboard, dropout=0.5)
        model = made.model.train()
        assert model.calculate_loss(made.batch) != model.calculate_loss(made.batch)
        for first, second in zip(model.embeddings(), model.embeddings(), strict=True):
            assert torch.equal(first, second)
