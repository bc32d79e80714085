import pytest
import torch
from recbole.data.interaction import Interaction

from recbole_kd.foundation.errors import UserError
from recbole_kd.ops.pair_scores import dot_scores
from recbole_kd.scoring.model_scores import scores_of
from tests.models.contract import build


@pytest.mark.parametrize(
    ("model", "factorised"),
    [("BPR", True), ("LightGCN", True), ("NGCF", True), ("NeuMF", False), ("SimpleX", False), ("EASE", False)],
)
def test_scores_are_the_models_own(checkerboard, model, factorised):
    made = build(model, checkerboard)
    made.model.eval()
    scorer = scores_of(made.model)
    assert scorer.factorised == factorised
    users = torch.tensor([3, 1, 3])
    items = torch.tensor([[1, 2], [5, 5], [2, 9]])
    whole = scorer.score_all(users)
    assert torch.allclose(scorer.score(users, items), whole.gather(1, items), atol=1e-6)
    pairs = Interaction({"user_id": users.repeat_interleave(2), "item_id": items.flatten()})
    assert torch.allclose(made.model.predict(pairs), whole.gather(1, items).flatten(), atol=1e-6)


def test_a_model_that_only_predicts_pairs_is_scored_pair_by_pair(checkerboard, monkeypatch):
    made = build("NeuMF", checkerboard)
    made.model.eval()

    def refuse(_):
        raise NotImplementedError

    monkeypatch.setattr(made.model, "full_sort_predict", refuse)
    scorer = scores_of(made.model)
    users = torch.tensor([1, 2])
    assert torch.allclose(scorer.score_all(users)[:, 4:6], scorer.score(users, torch.tensor([[4, 5], [4, 5]])))
    with pytest.raises(UserError, match="NeuMF has no embeddings"):
        scorer.embeddings()


def test_asking_changes_neither_mode_nor_random_numbers(checkerboard):
    made = build("NGCF", checkerboard)
    made.model.train()
    before = torch.get_rng_state()
    scores_of(made.model)
    assert made.model.training
    assert torch.equal(torch.get_rng_state(), before)


def test_dot_scores_and_their_gradient():
    generator = torch.Generator().manual_seed(0)
    users, items = (torch.randn(n, 3, generator=generator, dtype=torch.float64, requires_grad=True) for n in (4, 6))
    rows, columns = torch.tensor([1, 1, 3]), torch.tensor([[0, 0], [5, 2], [2, 4]])
    expected = (users[rows].unsqueeze(1) * items[columns]).sum(2)
    assert torch.allclose(dot_scores(users, items, rows, columns), expected)
    assert torch.autograd.gradcheck(lambda a, b: dot_scores(a, b, rows, columns), (users, items))
