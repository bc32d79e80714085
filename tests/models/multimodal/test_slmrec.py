"""SLMRec's views, spaces and augmentations, each against its formula."""

import pytest
import torch
from torch.nn import functional as F

from recbole_kd.foundation.errors import UserError
from tests.models.contract import ModelContract, build


def contrast(a, b, temperature):
    a, b = (rows / rows.norm(dim=1, keepdim=True) for rows in (a, b))
    weights = (a @ b.T / temperature).exp()
    return -(weights.diagonal() / weights.sum(dim=1)).log().mean()


def dense_views(made, starts):
    """Each view's users and items after two hops."""
    adjacency, n_users = made.model.graph.matrix.to_dense(), made.dataset.user_num
    for start in starts:
        ids = torch.cat([made.model.user_embedding.weight, start])
        final = (ids + adjacency @ ids + adjacency @ adjacency @ ids) / 3
        yield final[:n_users], final[n_users:]


def dense_starts(made):
    yield made.model.item_embedding.weight
    for name in made.model.modalities:
        yield made.model.projections[name](F.normalize(made.dataset.features(name), dim=1))


class TestSLMRec(ModelContract):
    model = "SLMRec"

    def test_embeddings_are_the_fused_views(self, checkerboard):
        made = build(self.model, checkerboard, n_layers=2)
        users, items = zip(*dense_views(made, dense_starts(made)), strict=True)
        expected = made.model.fuse_users(torch.cat(users, dim=1)), made.model.fuse_items(torch.cat(items, dim=1))
        torch.testing.assert_close(made.model.embeddings(), expected, rtol=1e-4, atol=1e-6)

    @pytest.mark.parametrize("modalities", [["board"], ["noise", "board"]])
    def test_fac_contrasts_each_modality_in_its_space(self, checkerboard, modalities):
        values = {"n_layers": 2, "temperature": 0.3, "ssl_weight": 0.6, "ssl_temperature": 0.5}
        made = build(self.model, checkerboard, modalities=modalities, **values)
        model = made.model
        users, positives = made.batch["user_id"], made.batch["item_id"]
        all_users, all_items = model.embeddings()
        expected = contrast(all_users[users], all_items[positives], 0.3)
        views = [items[positives] for _, items in dense_views(made, dense_starts(made))]
        fine = model.from_space[modalities[0]](views[0])
        expected = expected + 0.6 * contrast(fine, model.from_modality[modalities[0]](views[1]), 0.5)
        if len(modalities) == 2:
            coarse = model.from_space["board"](fine)
            assert coarse.shape[1] == fine.shape[1] // 2
            expected = expected + 0.6 * contrast(coarse, model.from_modality["board"](views[2]), 0.5)
        torch.testing.assert_close(model.calculate_loss(made.batch), expected, rtol=1e-4, atol=1e-5)

    def test_fm_contrasts_two_versions_that_each_lack_another_view(self, checkerboard):
        values = {"n_layers": 2, "temperature": 0.3, "ssl_weight": 0.6, "ssl_temperature": 0.5}
        made = build(self.model, checkerboard, modalities=["board"], ssl_task="fm", **values)
        model = made.model
        users, positives = made.batch["user_id"], made.batch["item_id"]
        ids, board = dense_starts(made)
        versions = []
        for starts in ([ids, torch.zeros_like(ids)], [torch.zeros_like(ids), board]):
            of_users, of_items = zip(*dense_views(made, starts), strict=True)
            fused = model.fuse_users(torch.cat(of_users, dim=1)), model.fuse_items(torch.cat(of_items, dim=1))
            versions.append((fused[0][users], fused[1][positives]))
        all_users, all_items = model.embeddings()
        expected = []
        for first, second in (versions, versions[::-1]):  # whichever is drawn first
            between = sum(contrast(a, b, 0.5) for a, b in zip(first, second, strict=True))
            expected.append((contrast(all_users[users], all_items[positives], 0.3) + 0.6 * between).item())
        losses = [model.calculate_loss(made.batch).item() for _ in range(20)]
        assert sorted({round(loss, 4) for loss in losses}) == pytest.approx(sorted(expected), abs=2e-4)

    def test_fm_hides_one_view_of_three(self, checkerboard):
        model = build(self.model, checkerboard, ssl_task="fm").model
        starts = model._starts()
        for _ in range(10):
            hidden = [[not view.any() for view in version] for version in model._augmented(starts)]
            assert [sum(version) for version in hidden] == [1, 1]
            assert hidden[0] != hidden[1]

    def test_fd_drops_each_version_anew(self, checkerboard):
        model = build(self.model, checkerboard, ssl_task="fd", dropout=0.25).model
        ones = [torch.ones(100, 8), torch.ones(100, 8)]
        first, second = (torch.cat(version) for version in model._augmented(ones))
        assert (first == 0).float().mean() == pytest.approx(0.25, abs=0.06)
        assert first.max() == pytest.approx(1 / 0.75)
        assert not torch.equal(first, second)

    @pytest.mark.parametrize("task", ["fd", "fm"])
    def test_other_tasks_reach_every_parameter(self, checkerboard, task):
        made = build(self.model, checkerboard, ssl_task=task)
        made.model.calculate_loss(made.batch).backward()
        assert [name for name, p in made.model.named_parameters() if p.grad is None or not p.grad.abs().sum()] == []

    def test_an_unknown_task_is_one_sentence(self, checkerboard):
        with pytest.raises(UserError, match="ssl_task='FAC' is not valid"):
            build(self.model, checkerboard, ssl_task="FAC")
