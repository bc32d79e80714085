"""LATTICE's item graph against dense matrices, and when it is learned."""

import pytest
import torch
from torch.nn.functional import normalize

from tests.models.contract import ModelContract, assert_same_with_gradients, build


def dense_graph(features: torch.Tensor, k: int) -> torch.Tensor:
    """``D^-1/2 S D^-1/2`` of the k largest cosines of each item, padding left out."""
    unit = normalize(features[1:], dim=1)
    cosine = unit @ unit.T
    near = cosine.detach().clone().fill_diagonal_(-2).topk(k, dim=1).indices
    kept = (cosine * torch.zeros_like(cosine).scatter_(1, near, 1.0)).relu()
    scale = kept.sum(dim=1).rsqrt()
    return torch.nn.functional.pad(scale[:, None] * kept * scale, (1, 0, 1, 0))


def dense(model, k: int) -> torch.Tensor:
    """All final embeddings."""
    share, graph = model.settings.initial_graph_weight, 0
    for name, weight in zip(model.modalities, model.modality_weights.exp(), strict=True):
        features, projection = model.features(name), model.projections[name]
        learned = dense_graph(features @ projection.weight.T + projection.bias, k)
        graph = graph + weight * (share * dense_graph(features, k) + (1 - share) * learned)
    graph = graph / model.modality_weights.exp().sum()
    ids = torch.cat([model.user_embedding.weight, model.item_embedding.weight])
    layers = [ids]
    for _ in range(model.settings.n_layers):
        layers.append(model.graph.matrix.to_dense() @ layers[-1])
    near = model.item_embedding.weight
    for _ in range(model.settings.n_item_layers):
        near = graph @ near
    final = torch.stack(layers).mean(dim=0)
    return torch.cat([final[: model.n_users], final[model.n_users :] + normalize(near, dim=1)])


class TestLATTICE(ModelContract):
    model = "LATTICE"

    @pytest.mark.parametrize("modalities", [["board"], ["board", "noise"]])
    def test_embeddings_and_gradients_are_those_of_dense_matrices(self, checkerboard, modalities):
        values = {"knn_k": 3, "n_item_layers": 2, "initial_graph_weight": 0.3}
        model = build(self.model, checkerboard, modalities=modalities, **values).model
        for parameter in (model.modality_weights, *(projection.bias for projection in model.projections.values())):
            torch.nn.init.normal_(parameter)
        ours, expected = torch.cat(model.eval().embeddings()), dense(model, 3)
        assert_same_with_gradients(ours, expected, list(model.parameters()))

    def test_the_graph_is_learned_in_the_first_step_of_an_epoch(self, made):
        model, weight = made.model, made.model.projections["board"].weight
        for _ in range(2):
            model.train()
            first = model.calculate_loss(made.batch)
            assert torch.autograd.grad(first, weight)[0].abs().sum() > 0
            with torch.no_grad():
                weight.normal_()
            second = model.calculate_loss(made.batch)
            torch.testing.assert_close(second, first)
            assert torch.autograd.grad(second, weight, allow_unused=True) == (None,)

    def test_evaluation_computes_the_graph_from_the_parameters_as_they_are(self, made):
        model = made.model
        model.calculate_loss(made.batch)
        with torch.no_grad():
            model.projections["board"].weight.normal_()
        torch.testing.assert_close(torch.cat(model.eval().embeddings()), dense(model, model.settings.knn_k))

    def test_an_item_without_features_has_no_neighbours(self, made):
        model = made.model
        torch.nn.init.normal_(model.projections["board"].bias)
        model.features_board = model.features_board.clone()
        model.features_board[5] = 0
        items, similarity = model.learned("board")
        assert not similarity[5].any()
        assert not similarity[items == 5].any()
        assert similarity[1:5].any(dim=1).all()
