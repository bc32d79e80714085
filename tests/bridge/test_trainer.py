import torch
from torch import nn

from recbole_kd.bridge.kept_embeddings import propagate_once
from tests.distillers.contract import Made


class Counted(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight, self.calls = nn.Parameter(torch.ones(3)), 0

    def forward(self, x=None):
        self.calls += 1
        return self.weight * (2 if x is None else x)


def test_within_the_block_one_forward_serves_all_and_afterwards_none_is_kept():
    model = Counted()
    with propagate_once(model):
        assert model() is model()
        (model().sum() + model().sum()).backward()
    assert model.calls == 1
    assert model.weight.grad.tolist() == [4.0] * 3
    model()
    model()
    assert model.calls == 3


def test_calls_with_arguments_are_left_alone():
    model = Counted()
    with propagate_once(model):
        assert model(3).tolist() == [3.0] * 3
        assert model(5).tolist() == [5.0] * 3


def test_the_block_ends_with_an_exception_too():
    model = Counted()
    try:
        with propagate_once(model):
            model()
            raise RuntimeError
    except RuntimeError:
        pass
    assert "forward" not in vars(model)


def test_terms_are_logged_by_name(checkerboard, tmp_path, caplog):
    made = Made("PromptMM", checkerboard, epochs=1, state="info")
    made.trainer.use_stage(tmp_path / "x.training", "student")
    with caplog.at_level("INFO"):
        made.trainer.fit(made.loaders.train, made.loaders.valid)
    assert any("base: " in message and "pair: " in message and "list: " in message for message in caplog.messages)
    assert any("teachers' own ndcg@3: prompted teacher: " in message for message in caplog.messages)
    assert list((tmp_path / "log_tensorboard").glob("*/student/events*"))
