"""CLCRec's two contrasts against loops, and what stands for an item that training never saw."""

import math
from typing import ClassVar

import pytest
import torch

from recbole_kd.models.multimodal.clcrec import _contrast
from tests.models.contract import ModelContract, build


class TestCLCRec(ModelContract):
    model = "CLCRec"
    learns_with: ClassVar = {"modalities": ["board"], "reg_weight": 0.01}

    def test_an_item_is_its_id_and_its_content_or_its_content_alone(self, checkerboard):
        model = build("CLCRec", checkerboard, split="cold_items=0.25", content_share=0.25).model
        _, items = model.forward()
        trained = model.trained.flatten()
        assert (~trained).sum() == 7  # six, and the padding
        features = torch.cat([model.features(name) for name in model.modalities], dim=1)
        content = model.content(features)
        torch.testing.assert_close(items[~trained], content[~trained])
        torch.testing.assert_close(items[trained], (0.75 * model.item_embedding.weight + 0.25 * content)[trained])

    @pytest.mark.parametrize("share", [0.0, 1.0])
    def test_what_is_penalised_is_the_length_of_what_is_compared(self, made, share):
        model = made.model
        losses = []
        for weight in (0.0, 2.0):
            update = {"reg_weight": weight, "content_share": share, "negatives": 4096}
            model.settings = model.settings.model_copy(update=update)
            torch.manual_seed(3)
            losses.append(model.calculate_loss(made.batch).item())
        torch.manual_seed(3)
        drawn = model.known[torch.randint(len(model.known), (4096,))]
        items = torch.cat([made.batch["item_id"], drawn])
        features = torch.cat([model.features(name) for name in model.modalities], dim=1)
        compared = model.content(features)[items] if share else model.item_embedding.weight[items]
        lengths = [part.norm(dim=1).mean() for part in (model.user_embedding(made.batch["user_id"]), compared)]
        assert losses[1] - losses[0] == pytest.approx(sum(lengths).item(), rel=1e-4)

    @pytest.mark.parametrize("share", [0.0, 1.0])
    def test_the_hybrid_share_decides_what_users_learn_from(self, made, share):
        model = made.model
        model.settings = model.settings.model_copy(update={"content_share": share, "content_weight": 0.0})
        model.calculate_loss(made.batch).backward()
        of_content = model.content[0].weight.grad
        assert (of_content is not None and bool(of_content.any())) == (share == 1.0)

    def test_held_out_items_are_no_negatives(self, checkerboard):
        made = build("CLCRec", checkerboard, split="cold_items=0.25")
        assert not made.loaders.train_part.held_out[made.model.known].any()
        assert len(made.model.known) == 18


def test_contrast_is_the_papers_sum():
    anchors, candidates = torch.randn(3, 4, dtype=torch.float64), torch.randn(5, 4, dtype=torch.float64)
    items = torch.tensor([1, 2, 3, 2, 9])  # the first negative is the second anchor's positive
    losses = []
    for row in range(3):
        own = math.exp(float(anchors[row] @ candidates[row]) / 0.5)
        others = [place for place in (3, 4) if items[place] != items[row]]
        total = own + sum(math.exp(float(anchors[row] @ candidates[place]) / 0.5) for place in others)
        losses.append(-math.log(own / total))
    found = _contrast(anchors, candidates, items, 0.5)
    assert found.item() == pytest.approx(sum(losses) / 3)


def test_contrast_has_the_gradient_of_its_formula():
    anchors, candidates = (torch.randn(n, 3, dtype=torch.float64, requires_grad=True) for n in (2, 5))
    items = torch.tensor([1, 2, 3, 4, 1])
    assert torch.autograd.gradcheck(lambda a, c: _contrast(a, c, items, 0.7), (anchors, candidates))
