"""GRCN's refined graph against dense matrices."""

import pytest
import torch
from torch.nn.functional import leaky_relu, normalize

from tests.models.contract import ModelContract, assert_same_with_gradients, build


def dense(model) -> torch.Tensor:
    """All final embeddings, from matrices of users × items of which only the interactions count."""
    linked = torch.from_numpy(model.interactions.toarray()) > 0
    none = torch.zeros(linked.shape).masked_fill(~linked, -1e9)
    to_users, to_items, of_users, of_items = [], [], [], []
    for m, name in enumerate(model.modalities):
        u = normalize(model.preferences[name])
        i = normalize(leaky_relu(model.features(name) @ model.projections[name].weight.T))
        for _ in range(model.settings.n_routings):
            u = normalize(u + (u @ i.T + none).softmax(dim=1) * linked @ i)
        a, b = (u @ i.T + none).softmax(dim=1) * linked, (i @ u.T + none.T).softmax(dim=1) * linked.T
        to_users.append(a * model.item_confidence[:, m])
        to_items.append(b * model.user_confidence[:, m])
        of_users.append(u + a @ i)
        of_items.append(i + b @ u)
    a, b = (torch.stack(of_all).amax(dim=0).clamp(min=0) for of_all in (to_users, to_items))
    u, i = normalize(model.user_embedding.weight), normalize(model.item_embedding.weight)
    users, items = u, i
    for _ in range(model.settings.n_layers):
        u, i = a @ i, b @ u
        users, items = users + u, items + i
    return torch.cat([torch.cat([users, *of_users], dim=1), torch.cat([items, *of_items], dim=1)])


class TestGRCN(ModelContract):
    model = "GRCN"

    @pytest.mark.parametrize("modalities", [["board"], ["board", "noise"]])
    def test_embeddings_and_gradients_are_those_of_dense_matrices(self, checkerboard, modalities):
        model = build(self.model, checkerboard, modalities=modalities).model
        torch.nn.init.normal_(model.user_confidence)
        torch.nn.init.normal_(model.item_confidence)
        ours, expected = torch.cat(model.embeddings()), dense(model)
        assert_same_with_gradients(ours, expected, list(model.parameters()))

    def test_nothing_comes_from_an_item_without_confidence(self, checkerboard):
        model = build(self.model, checkerboard, n_layers=1).model
        linked = torch.from_numpy(model.interactions.sum(axis=0)) > 0
        item = int(linked.nonzero()[0])
        with torch.no_grad():
            model.item_confidence[item] = -1
        of_ids = model.embeddings()[0][:, : model.settings.embedding_size]
        (gradient,) = torch.autograd.grad(of_ids.pow(2).sum(), model.item_embedding.weight)
        linked[item] = False
        assert torch.equal(gradient.abs().sum(dim=1) > 0, linked)
