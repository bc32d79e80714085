"""MGCN's purifier and fusion against the formulas with dense matrices."""

import torch

from tests.models.contract import ModelContract, build


class TestMGCN(ModelContract):
    model = "MGCN"

    def test_final_embeddings_equal_the_formulas(self, checkerboard):
        made = build(self.model, checkerboard, n_layers=1, knn_k=4)
        model = made.model
        encoders = model.encoders
        users = encoders.user_embedding.weight
        items = encoders.item_embeddings["id"].weight
        adjacency = encoders.graph.matrix.to_dense()
        half = adjacency[: len(users), len(users) :]
        ids = torch.cat([users, items])
        ids = (ids + adjacency @ ids) / 2
        sides = []
        for name in ("board", "noise"):
            view = encoders.views[name]
            features = made.dataset.features(name)
            purified = items * torch.sigmoid(view.gate(view.projection(features)))
            unit = torch.nn.functional.normalize(features[1:], dim=1)
            best = (unit @ unit.T).fill_diagonal_(-2).topk(4, dim=1)
            near = torch.zeros(len(items), len(items))
            near[1:, 1:] = torch.zeros(len(unit), len(unit)).scatter_(1, best.indices, best.values.clamp_min(0))
            scale = (near.sum(dim=1) + 1e-7).rsqrt()
            propagated = (scale[:, None] * near * scale) @ purified
            sides.append(torch.cat([half @ propagated, propagated]))
        weights = torch.cat([model.fusion.query(side) for side in sides], dim=1).softmax(dim=1)
        common = weights[:, :1] * sides[0] + weights[:, 1:] * sides[1]
        parts = common
        for gate, side in zip(model.fusion.gates.values(), sides, strict=True):
            parts = parts + torch.sigmoid(gate(ids)) * (side - common)
        user, item = (ids + parts / 3).split([len(users), len(items)])
        torch.testing.assert_close(model.embeddings(), (user, item), rtol=1e-3, atol=1e-5)

    def test_one_modality_is_passed_on_as_it_is(self, checkerboard):
        model = build(self.model, checkerboard, modalities=["board"]).model
        found = model.fused()
        torch.testing.assert_close(found.modal, torch.cat(model.encoders()["board"]))
        assert not list(model.fusion.parameters())
