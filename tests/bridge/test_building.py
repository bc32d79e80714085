"""What a model cannot be built for is one sentence with its cause, and a model that reads files unpickles none."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from recbole_kd.bridge.building import build_model, cause_of
from recbole_kd.foundation.errors import UserError
from tests.trained_once import QUIET, train


class Config(dict):
    model_class: type


def config_of(raising):
    class Mine:
        def __init__(self, config, data):
            raising()

    config = Config(device="cpu")
    config.model_class = Mine
    return config


def missing():
    import a_package_that_is_not_there.inside  # noqa: F401


def raising(error):
    def act():
        raise error

    return act


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (missing, "No module named 'a_package_that_is_not_there'; install it with: pip install a_package_that_is_not"),
        (
            raising(ModuleNotFoundError("No module named 'faiss'", name="faiss")),
            "install it with: pip install faiss-cpu",
        ),
        (
            raising(RuntimeError("mf_train and mlp_train\n can not be False")),
            "mf_train and mlp_train can not be False; ",
        ),
        (raising(KeyError("x")), "KeyError: 'x'; change its settings"),
        (raising(AssertionError()), "AssertionError; change its settings"),
        (raising(TypeError("no list")), "TypeError: no list; "),
        (raising(ValueError("long " * 100)), "…; change its settings"),
        (lambda: torch.load("absent.pth"), "it asks for the file 'absent.pth': No such file or directory"),
        (lambda: np.load("absent.npy"), "it asks for the file 'absent.npy': No such file or directory"),
    ],
)
def test_any_error_is_one_sentence(act, says):
    with pytest.raises(UserError, match=r"^Mine cannot be built: ") as caught:
        build_model(config_of(act), None)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("error", [UserError("as it is"), MemoryError("as it is"), KeyboardInterrupt("as it is")])
def test_these_pass_as_they_are(error):
    with pytest.raises(type(error), match=r"^as it is$"):
        build_model(config_of(raising(error)), None)


def test_a_cause_without_words():
    assert cause_of(ValueError()) == "ValueError; change its settings or take another model"


@pytest.mark.parametrize(
    ("model", "values", "says"),
    [
        (
            "NeuMF",
            {"mf_train": False, "mlp_train": False},
            "NeuMF cannot be trained: mf_train and mlp_train can not be",
        ),
        ("NeuMF", {"use_pretrain": True, "mf_pretrain_path": "a.pth"}, "cannot be built: it asks for the file 'a.pth'"),
        ("ConvNCF", {"embedding_size": 20}, "ConvNCF cannot be trained: "),
        ("DGCF", {"embedding_size": 10, "n_factors": 4}, "DGCF cannot be built: AssertionError; change its settings"),
        ("RaCT", {"train_stage": "finetune"}, "RaCT cannot be built: it asks for the file ''"),
        ("LDiffRec", {"n_cate": 2}, "LDiffRec cannot be built: Object arrays cannot be loaded"),
    ],
)
def test_models_of_recbole(checkerboard, model, values, says):
    class Evil:
        def __reduce__(self):
            return os.system, ("touch pwned",)

    np.save("dataset/board/item_emb.npy", np.array([Evil()], object), allow_pickle=True)
    with pytest.raises(UserError) as caught:
        train(model, **{**QUIET, **values})
    assert says in str(caught.value)
    assert not Path("pwned").exists()


def test_weights_of_a_pretraining_are_read_from_our_checkpoints(checkerboard, capsys):
    first = train("RaCT", pretrain_epochs=10, metrics_k=10, epochs=1)
    train("RaCT", train_stage="critic_pretrain", pretrain_epochs=10, metrics_k=10, epochs=1, pre_model_path=first)
    assert "Traceback" not in capsys.readouterr().err
