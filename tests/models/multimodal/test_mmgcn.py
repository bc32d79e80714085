"""MMGCN's layers against their formulas."""

import pytest
import torch
from torch.nn.functional import leaky_relu, normalize

from tests.models.contract import ModelContract, build


class TestMMGCN(ModelContract):
    model = "MMGCN"

    @pytest.mark.parametrize("modalities", [["board"], ["board", "noise"]])
    def test_embeddings_are_the_papers(self, checkerboard, modalities):
        model = build(self.model, checkerboard, modalities=modalities).model
        adjacency = torch.zeros(model.n_users + model.n_items, model.n_users + model.n_items)
        adjacency[: model.n_users, model.n_users :] = torch.from_numpy(model.interactions.toarray())
        adjacency = adjacency + adjacency.T
        mean = adjacency / adjacency.sum(dim=1, keepdim=True).clamp(min=1)
        ids = torch.cat([model.user_embedding.weight, model.item_embedding.weight])
        total = 0
        for name in modalities:
            gcn = model.gcns[name]
            x = normalize(torch.cat([gcn.preference.weight, model.features(name) @ gcn.projection.weight.T]))
            for layer in gcn.layers:
                h = leaky_relu(mean @ x @ layer.aggregate.weight.T)
                own = leaky_relu(x @ layer.own.weight.T) + ids
                of_neighbours, of_own = layer.combine.weight.split(model.settings.embedding_size, dim=1)
                x = leaky_relu(h @ of_neighbours.T + own @ of_own.T)
            total = total + x / len(modalities)
        torch.testing.assert_close(torch.cat(model.embeddings()), total, rtol=1e-4, atol=1e-6)
