"""CLCRec's two contrasts against loops, and what stands for an item that training never saw."""

import math
from typing import ClassVar

import pytest
import torch

from recbole_kd.models.multimodal.clcrec import _contrast
from tests.models.contract import ModelContract, build


class TestCLCRec(ModelContract):
    model = "CLCRec"
    learns_with: ClassVar = {"modalities": ["board"]}

    def test_an_item_is_its_id_or_its_content(self, checkerboard):
        model = build("CLCRec", checkerboard, split="cold_items=0.25").model
        _, items = model.forward()
        trained = model.trained.flatten()
        assert (~trained).sum() == 7  # six, and the padding
        assert torch.equal(items[trained], model.item_embedding.weight[trained])
        features = torch.cat([model.features(name) for name in model.modalities], dim=1)
        torch.testing.assert_close(items[~trained], model.content(features)[~trained])

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
