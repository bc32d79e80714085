"""MTS²4MM's student against the formulas with dense matrices, and each of its ablations."""

import pytest
import torch

from recbole_kd.foundation.errors import UserError
from recbole_kd.ops import losses
from tests.models.contract import ModelContract, build

NAMES = ("board", "noise")


def views_by_hand(made, k: int) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """ID view with one layer, modality views with one layer, from dense adjacency matrices."""
    encoders = made.model.encoders
    users, ids = encoders.user_embedding.weight, encoders.item_embeddings["id"].weight
    adjacency = encoders.graph.matrix.to_dense()
    start = torch.cat([users, ids])
    found = {"id": ((start + adjacency @ start) / 2).split([len(users), len(ids)])}
    for name in NAMES:
        view, features = encoders.views[name], made.dataset.features(name)
        table = encoders.item_embeddings["id" if made.model.settings.shared_ids else name].weight
        items = table * torch.sigmoid(view.gate(view.projection(features)))
        unit = torch.nn.functional.normalize(features[1:], dim=1)
        near = torch.zeros(len(ids), len(ids))
        near[1:, 1:].scatter_(1, (unit @ unit.T).fill_diagonal_(-2).topk(k, dim=1).indices, 1.0)
        near = torch.maximum(near, near.T)
        degree = (near.sum(dim=1) + 1e-7).rsqrt()
        items = (items + (degree[:, None] * near * degree) @ items) / 2
        found[name] = adjacency[: len(users), len(users) :] @ items, items
    return found


class TestMTS4MMStudent(ModelContract):
    model = "MTS4MMStudent"

    @pytest.mark.parametrize(
        "values", [{}, {"shared_ids": True}, {"gated": False}, {"specific_pooling": "sum"}], ids=lambda v: "-".join(v)
    )
    def test_final_embeddings_equal_the_formulas(self, checkerboard, values):
        made = build(self.model, checkerboard, n_layers=1, knn_k=4, **values)
        model, settings = made.model, made.model.settings
        views = {name: torch.cat(pair) for name, pair in views_by_hand(made, 4).items()}
        weights = torch.cat([model.fusion.query(views[name]) for name in NAMES], dim=1).softmax(dim=1)
        common = sum(weights[:, [place]] * views[name] for place, name in enumerate(NAMES))
        parts = [common]
        for name in NAMES:
            gate = torch.sigmoid(model.fusion.gates[name](views["id"])) if settings.gated else 1
            parts.append(gate * (views[name] - common))
        modal = sum(parts) / (1 if settings.specific_pooling == "sum" else 3)
        final = (views["id"] + modal).split([model.n_users, model.n_items])
        torch.testing.assert_close(model.embeddings(), final, rtol=1e-3, atol=1e-5)

    @pytest.mark.parametrize("values", [{}, {"gated": False, "specific_pooling": "sum"}, {"views": ["board", "noise"]}])
    def test_a_batch_is_fused_as_all_nodes_are_with_the_same_gradients(self, checkerboard, values):
        made = build(self.model, checkerboard, contrast_weight=0.1, **values)
        model, settings = made.model.train(), made.model.settings
        batch = losses.Batch(*(made.batch[key] for key in ("user_id", "item_id", "neg_item_id")))
        found = model.forward()
        user, item = found.whole
        modal = torch.cat([user, item]) - (torch.cat(found.views["id"]) if "id" in found.views else 0)
        expected = losses.bpr(user, item, batch)
        expected = expected + settings.reg_weight * losses.squared_norm_of_tables(*model.encoders.tables(), batch)
        if "id" in found.views:
            rows = batch.user.unique(), batch.positive.unique() + model.n_users
            pairs = [(modal[row], torch.cat(found.views["id"])[row]) for row in rows]
            expected = expected + 0.1 * sum(losses.info_nce(*pair, settings.contrast_temperature) for pair in pairs)
        results = [
            (loss, torch.autograd.grad(loss, list(model.parameters()))) for loss in (model.loss(batch), expected)
        ]
        torch.testing.assert_close(*results, rtol=1e-3, atol=1e-6)

    def test_whoever_asks_for_a_batch_gets_the_same_rows(self, checkerboard):
        made = build(self.model, checkerboard)
        found = made.model.forward()
        batch = losses.Batch(*(made.batch[key] for key in ("user_id", "item_id", "neg_item_id")))
        rows = found.of(batch)
        assert found.of(losses.Batch(*batch)) is rows
        assert found.of(losses.Batch(*(ids[:3] for ids in batch))) is not rows
        assert torch.equal(rows.users[rows.local.user], batch.user)
        assert torch.equal(rows.items[rows.local.negative], batch.negative)
        torch.testing.assert_close(rows.item, found.whole[1][rows.items])

    def test_modalities_learn_at_every_nth_step(self, checkerboard):
        made = build(self.model, checkerboard, modal_every=3)
        model = made.model
        batch = losses.Batch(*(made.batch[key] for key in ("user_id", "item_id", "neg_item_id")))
        of_ids = {"encoders.user_embedding.weight", "encoders.item_embeddings.id.weight"}
        for _ in range(2):  # an epoch each
            model.train()
            kept = model.forward().modal().split([model.n_users, model.n_items])
            for step in range(5):
                model.zero_grad()
                loss = model.loss(batch)
                loss.backward()
                moved = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
                assert (moved == of_ids) == (step % 3 != 0)
                ids, tables = model.encoders.of_ids(), model.encoders.tables(of_ids_alone=step % 3 != 0)
                expected = losses.bpr(ids[0] + kept[0], ids[1] + kept[1], batch)
                expected = expected + model.settings.reg_weight * losses.squared_norm_of_tables(*tables, batch)
                torch.testing.assert_close(loss, expected)
                with torch.no_grad():  # the IDs move on
                    model.encoders.user_embedding.weight.add_(0.01)
                if step == 2:
                    kept = model.forward().modal().split([model.n_users, model.n_items])

    def test_gates_of_two_linear_maps(self, checkerboard):
        view = build(self.model, checkerboard).model.encoders.views["board"]
        torch.testing.assert_close(view._gates(), view.gate(view.projection(view.features)), rtol=1e-4, atol=1e-6)

    @pytest.mark.parametrize("name", ["id", "board"])
    def test_inference_from_one_view_is_that_view(self, checkerboard, name):
        model = build(self.model, checkerboard, inference_views=[name]).model.eval()
        torch.testing.assert_close(model.embeddings(), model.encoders()[name])

    @pytest.mark.parametrize("name", ["id", "board"])
    def test_training_with_one_view_has_no_parameters_of_others(self, checkerboard, name):
        made = build(self.model, checkerboard, views=[name], shared_ids=False)
        made.model.calculate_loss(made.batch).backward()
        torch.testing.assert_close(made.model.embeddings(), made.model.encoders()[name])
        assert all(parameter.grad is not None for parameter in made.model.parameters())
        assert not [key for key, _ in made.model.named_parameters() if "noise" in key or "fusion" in key]

    def test_one_modality_works(self, checkerboard):
        made = build(self.model, checkerboard, modalities=["board"])
        made.model.calculate_loss(made.batch).backward()
        assert all(parameter.grad is not None for parameter in made.model.parameters())

    def test_without_contrast_only_that_term_is_missing(self, checkerboard):
        with_it, without = (build(self.model, checkerboard, contrast_weight=weight) for weight in (1.0, 0.0))
        losses = [made.model.calculate_loss(with_it.batch).item() for made in (with_it, without)]
        assert losses[0] > losses[1]

    @pytest.mark.parametrize(("key", "hint"), [("views", "'bord'; did you mean"), ("inference_views", "'bord'")])
    def test_an_unknown_view_is_refused(self, checkerboard, key, hint):
        with pytest.raises(UserError, match=f"{key}: there is no view {hint}"):
            build(self.model, checkerboard, **{key: ["bord"]})

    def test_the_l2_is_of_the_embedding_tables(self, checkerboard):
        made = {weight: build(self.model, checkerboard, reg_weight=weight) for weight in (0.0, 1.0)}
        batch = next(iter(made[0.0].loaders.train))
        ids = batch["user_id"], batch["item_id"], batch["neg_item_id"]
        without, with_l2 = (one.model.calculate_loss(batch).item() for one in made.values())
        encoders = made[0.0].model.encoders
        rows = [encoders.user_embedding.weight[ids[0]]]
        rows += [table.weight[items] for table in encoders.item_embeddings.values() for items in ids[1:]]
        expected = sum(row.pow(2).sum().item() for row in rows) / (2 * len(ids[0]))
        assert with_l2 - without == pytest.approx(expected, rel=1e-3)
