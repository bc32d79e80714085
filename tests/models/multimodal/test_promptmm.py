"""PromptMM's teacher: each step against brute force, and what may and may not change."""

import pytest
import torch
from torch.nn import functional as F

from recbole_kd.experiments.run import run
from recbole_kd.foundation.errors import UserError
from recbole_kd.models.multimodal.prompt import (
    freeze_reduction,
    principal_components,
    reduce_frozen,
    reduce_modality_prompt,
)
from tests.models.contract import ModelContract, build


class TestPromptMMTeacher(ModelContract):
    model = "PromptMMTeacher"

    def test_views_equal_the_formulas_with_dense_matrices(self, checkerboard):
        made = build(self.model, checkerboard, n_layers=1, embedding_size=5, heads=2)
        model, settings = made.model.eval(), made.model.settings
        n_users = made.dataset.user_num

        def lengths(rows):
            return torch.cat([half.norm(dim=1, keepdim=True).expand(-1, 5) for half in rows.split(5, dim=1)], dim=1)

        adjacency = model.graph.matrix.to_dense()
        half = adjacency[:n_users, n_users:]
        p_user, p_item = model.prompt()
        prompt = torch.cat([p_user, p_item])
        ids = torch.cat([model.user_embedding.weight, model.item_embedding.weight])
        start = ids + settings.id_prompt_weight * lengths(ids) * F.normalize(prompt, dim=1).repeat(1, 2)
        final = (start + adjacency @ start) / 2
        user, item = final[:n_users], final[n_users:]
        extra_user, extra_item = 0, 0
        for name, layer in model.reductions.items():
            x = F.normalize(made.dataset.features(name), dim=1)
            modal = F.normalize((p_item @ p_item.T) @ x, dim=1)
            f = layer(x + settings.modality_prompt_weight * modal)
            f_user = half @ f
            f_item = f + half.T @ f_user
            views = model.views().modalities[name]
            torch.testing.assert_close(views[0], f_user, rtol=1e-3, atol=1e-5)
            torch.testing.assert_close(views[1], f_item, rtol=1e-3, atol=1e-5)
            extra_user, extra_item = extra_user + F.normalize(f_user, dim=1), extra_item + F.normalize(f_item, dim=1)
        user = user + settings.modality_weight * lengths(user) * extra_user.repeat(1, 2)
        item = item + settings.modality_weight * lengths(item) * extra_item.repeat(1, 2)
        torch.testing.assert_close(model.embeddings(), (user, item), rtol=1e-3, atol=1e-5)

    def test_frozen_parts_change_nothing(self, made):
        model = made.model.eval()
        torch.testing.assert_close(model.views(model.freeze()), model.views())

    def test_without_prompt_there_is_none(self, checkerboard):
        model = build(self.model, checkerboard, prompt=False).model
        assert not [name for name, _ in model.named_parameters() if name.startswith("prompt")]
        assert model.views().prompt is None

    def test_every_modality_is_read(self, made):
        assert set(made.model.reductions) == {"board", "noise"}

    def test_modalities_alone_tell_the_colours(self, checkerboard):
        values = {"epochs": 20, "learning_rate": 0.02, "topk": [3], "metrics": ["Recall"], "valid_metric": "Recall@3"}
        made = build(self.model, checkerboard, modalities=["board"])
        assert list(made.model.reductions) == ["board"]
        result = run(self.model, checkerboard, config_dict={**values, "state": "error", "show_progress": False})
        assert result.test["recall@3"] > 0.9

    def test_heads_rank_each_on_their_own(self, checkerboard):
        weights = {"prompt": False, "modality_loss_weight": 0.0, "reg_weight": 0.0}
        made = build(self.model, checkerboard, embedding_size=2, heads=3, **weights)
        users, items = made.model.eval().embeddings()
        user, positive, negative = (made.batch[key] for key in ("user_id", "item_id", "neg_item_id"))
        expected = 0
        for head in range(3):
            u, i = users[:, 2 * head : 2 * head + 2], items[:, 2 * head : 2 * head + 2]
            expected -= F.logsigmoid((u[user] * (i[positive] - i[negative])).sum(1)).mean()
        assert made.model.calculate_loss(made.batch).item() == pytest.approx(expected.item(), rel=1e-5)

    def test_a_data_set_without_features_is_one_sentence(self, checkerboard, tmp_path):
        for file in (tmp_path / "dataset" / "board").glob("*.npy"):
            file.unlink()
        with pytest.raises(UserError, match="needs item features, but data set 'board' has none"):
            build(self.model, checkerboard)


@pytest.mark.parametrize("size", [2, 4, 9])
def test_principal_components_keep_the_variance(size):
    features = torch.randn(30, 4)
    features[0] = 0
    components = principal_components(features, size)
    assert components.shape == (30, size)
    assert not components[0].any()
    assert not components[:, 4:].any()
    expected = torch.linalg.svdvals(features[1:] - features[1:].mean(0))[:size]
    torch.testing.assert_close(components[1:, : len(expected)].norm(dim=0), expected, rtol=1e-4, atol=1e-5)


def test_reduced_modality_prompt_equals_the_quadratic_formula():
    torch.manual_seed(0)
    prompt, features, weight = (torch.randn(*shape, dtype=torch.float64) for shape in ((9, 3), (9, 7), (3, 7)))
    expected = F.normalize((prompt @ prompt.T) @ features, dim=1) @ weight.T
    torch.testing.assert_close(reduce_modality_prompt(prompt, features, weight), expected)
    inputs = [tensor.requires_grad_() for tensor in (prompt, features, weight)]
    assert torch.autograd.gradcheck(reduce_modality_prompt, inputs)


def test_the_frozen_reduction_is_the_same_with_the_same_gradients():
    torch.manual_seed(0)
    components, features, weight = torch.randn(9, 3), torch.randn(9, 7), torch.randn(3, 7)
    layer = torch.nn.Linear(3, 3)
    frozen = freeze_reduction(components, features, weight, features @ weight.T)
    prompts = [layer(components) for _ in range(2)]
    found = reduce_frozen(prompts[0], layer, frozen), reduce_modality_prompt(prompts[1], features, weight)
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)
    of_loss = torch.randn(9, 3)
    gradients = [torch.autograd.grad((one * of_loss).sum(), list(layer.parameters())) for one in found]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)


def test_a_zero_prompt_gives_zero_and_a_finite_gradient():
    prompt = torch.zeros(4, 2, requires_grad=True)
    reduce_modality_prompt(prompt, torch.randn(4, 3), torch.randn(2, 3)).sum().backward()
    assert torch.isfinite(prompt.grad).all()
