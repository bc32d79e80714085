"""FREEDOM's two graphs: the frozen one against dense matrices, the pruned one by what it may hold."""

import pytest
import torch

from recbole_kd.foundation.errors import UserError
from tests.models.contract import ModelContract, build


class TestFREEDOM(ModelContract):
    model = "FREEDOM"

    def test_the_item_graph_is_the_weighted_sum_of_binary_neighbourhoods(self, checkerboard):
        made = build(self.model, checkerboard, knn_k=3, modality_weights=[0.9, 0.1])
        expected = torch.zeros(made.dataset.item_num, made.dataset.item_num)
        for name, weight in (("board", 0.9), ("noise", 0.1)):
            features = torch.nn.functional.normalize(made.dataset.features(name)[1:], dim=1)
            near = (features @ features.T).fill_diagonal_(-2).topk(3, dim=1).indices + 1
            adjacency = torch.zeros_like(expected)
            adjacency[1:].scatter_(1, near, 1.0)
            expected += weight * adjacency / 3  # each row sums to 3
        torch.testing.assert_close(made.model.item_graph.matrix.to_dense(), expected, rtol=1e-4, atol=1e-6)

    def test_an_epoch_prunes_a_share_of_the_edges(self, checkerboard):
        model = build(self.model, checkerboard, edge_dropout=0.75).model
        whole = model.graph.matrix.to_dense() > 0
        kept = []
        for _ in range(2):
            model.train()
            model._pruned = model._prune()
            kept.append(model._pruned.matrix.to_dense() > 0)
            assert kept[-1].sum() == pytest.approx(0.25 * whole.sum().item(), abs=2)
            assert not (kept[-1] & ~whole).any()
        assert (kept[0] != kept[1]).any()

    def test_frequent_pairs_are_pruned_more_often(self, made):
        """Two users with 8 and 2 items: an edge of the first is kept less often."""
        model = made.model
        users = torch.tensor([1] * 8 + [2] * 2)
        items = torch.arange(1, 11)
        from recbole_kd.ops.graph import interaction_matrix

        model.interactions = interaction_matrix(users.numpy(), items.numpy(), model.n_users, model.n_items)
        object.__setattr__(model, "settings", model.settings.model_copy(update={"edge_dropout": 0.5}))
        counts = sum((model._prune().matrix.to_dense()[:3] > 0).sum(dim=1) for _ in range(400))
        assert counts[1] / 8 < 0.9 * counts[2] / 2

    def test_weights_must_fit_the_modalities(self, checkerboard):
        with pytest.raises(UserError, match="modality_weights has 1 weights for the modalities board, noise"):
            build(self.model, checkerboard, modality_weights=[1.0])
