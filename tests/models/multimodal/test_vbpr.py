"""VBPR's score against its formula."""

from typing import ClassVar

import torch

from tests.models.contract import ModelContract


class TestVBPR(ModelContract):
    model = "VBPR"
    learns_with: ClassVar = {"modalities": ["board"]}

    def test_a_score_is_the_papers_sum(self, made):
        model, user, item = made.model, 3, 5
        torch.nn.init.normal_(model.item_bias.weight)
        f = torch.cat([made.dataset.features(name)[item] for name in ("board", "noise")])
        gamma_u, theta_u = model.user_embedding.weight[user].split(model.settings.embedding_size)
        score = model.item_bias.weight[item, 0] + gamma_u @ model.item_embedding.weight[item]
        score = score + theta_u @ (model.projection.weight @ f) + model.feature_bias.weight[0] @ f
        users, items = model.embeddings()
        torch.testing.assert_close(users[user] @ items[item], score)
