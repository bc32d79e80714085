import pytest
import torch
from recbole.trainer import Trainer
from torch import nn

from recbole_kd.bridge.kept_embeddings import propagate_once
from recbole_kd.bridge.trainer import make_trainer
from recbole_kd.registry import make_config
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


@pytest.mark.parametrize("learner", ["adam", "adamw"])
def test_adam_is_fused_and_is_adam_up_to_rounding(learner, checkerboard, tmp_path):
    config = make_config("BPR", checkerboard, config_dict={"learner": learner, "weight_decay": 0.01, "use_gpu": False})
    weights, steps = [], []
    for trainer in (make_trainer, Trainer):
        torch.manual_seed(0)
        module = nn.Linear(8, 8)
        optimizer = trainer(config, module).optimizer
        for _ in range(20):
            optimizer.zero_grad()
            module(torch.ones(3, 8)).pow(2).sum().backward()
            optimizer.step()
        weights.append(module.weight)
        steps.append(optimizer.param_groups[0]["fused"])
    assert steps == [True, None]
    torch.testing.assert_close(*weights, rtol=1e-5, atol=1e-7)
    assert not torch.equal(weights[0], nn.Linear(8, 8).weight)


@pytest.mark.parametrize(
    "value", [torch.ones(3, dtype=torch.complex64), torch.ones(4, 6)[:, ::2]], ids=["complex", "with gaps"]
)
@pytest.mark.parametrize("lazy", [False, True])
def test_what_the_fused_adam_gets_wrong_is_left_to_the_plain_one(value, lazy, checkerboard):
    config = make_config("BPR", checkerboard, config_dict={"use_gpu": False, "lazy_adam": lazy})
    module = nn.Module()
    module.value = nn.Parameter(value.clone() if value.is_complex() else value)
    optimizer = make_trainer(config, module).optimizer
    expected = torch.nn.Parameter(value.clone())
    plain = torch.optim.Adam([expected])
    for _ in range(3):
        for parameter, one in ((module.value, optimizer), (expected, plain)):
            parameter.grad = None
            parameter.abs().pow(2).sum().backward()
            one.step()
    torch.testing.assert_close(module.value.detach(), expected.detach())


def test_other_optimisers_stay_recboles(checkerboard):
    config = make_config("BPR", checkerboard, config_dict={"learner": "sgd", "use_gpu": False})
    assert type(make_trainer(config, nn.Linear(2, 2)).optimizer) is torch.optim.SGD
