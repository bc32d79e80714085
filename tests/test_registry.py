"""A model class of the user's own, named on the command line: it trains, teaches, learns and recommends."""

import sys
from pathlib import Path

import pytest

from recbole_kd import registry
from recbole_kd.cli import main
from recbole_kd.experiments.compare.labels import parse_label
from recbole_kd.experiments.run import run
from recbole_kd.foundation.errors import UserError
from recbole_kd.registry import find_model, make_config
from recbole_kd.training.plan import make_plan
from tests.trained_once import QUIET, said

SOURCE = '''
import torch
from pydantic import Field
from recbole.model.abstract_recommender import GeneralRecommender
from recbole.model.loss import BPRLoss
from recbole.utils import InputType
from recbole_kd.foundation.settings import Count, Settings


class Dot(GeneralRecommender):
    """Two tables."""

    input_type = InputType.PAIRWISE
    DEFAULTS = {"hidden": 8, "scale": 1.0}

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        self.users = torch.nn.Embedding(self.n_users, config["hidden"])
        self.items = torch.nn.Embedding(self.n_items, config["hidden"])
        self.scale, self.loss = config["scale"], BPRLoss()

    def calculate_loss(self, interaction):
        user = interaction[self.USER_ID]
        pairs = [self.score(user, interaction[name]) for name in (self.ITEM_ID, self.NEG_ITEM_ID)]
        return self.loss(*pairs)

    def score(self, user, item):
        return self.scale * (self.users(user) * self.items(item)).sum(-1)

    def predict(self, interaction):
        return self.score(interaction[self.USER_ID], interaction[self.ITEM_ID])

    def full_sort_predict(self, interaction):
        return (self.scale * self.users(interaction[self.USER_ID]) @ self.items.weight.T).view(-1)


class DotSettings(Settings):
    hidden: Count = 4
    scale: float = 1.0


class Typed(Dot):
    """With a class of settings in place of values."""

    settings_class = DotSettings


class BPR(Dot):
    """Named as a model of RecBole."""


class NotAModel:
    pass
'''


@pytest.fixture
def own(checkerboard, monkeypatch):
    """The user's module in the working folder, and nothing left of it afterwards."""
    Path("own_models.py").write_text(SOURCE)
    before, path = set(sys.modules), list(sys.path)
    monkeypatch.setattr(registry, "_IMPORTED", {})
    yield checkerboard
    assert sys.path == path
    for name in set(sys.modules) - before:
        if name.startswith(("own_", "broken_")):
            del sys.modules[name]


def test_it_trains_and_recommends(own, capsys):
    result = run("own_models:Dot", own, config_dict={**QUIET, "epochs": 2, "hidden": 6})
    assert result.model == "Dot"
    (stage,) = result.stages
    assert stage.parameters == 6 * (41 + 25)
    lists = said(capsys, f"--checkpoint={stage.checkpoint}", "--users=u1", "--topk=3", "--model=own_models:Dot")
    assert lists.count("item") >= 1


def test_a_checkpoint_never_has_anything_imported(own, capsys):
    checkpoint = run("own_models:Dot", own, config_dict={**QUIET, "epochs": 1}).stages[0].checkpoint
    registry._IMPORTED.clear()
    assert main(["recommend", f"--checkpoint={checkpoint}", "--users=u1"]) == 2
    assert "no model called 'Dot'" in capsys.readouterr().err
    Path("evil.py").write_text("open('pwned', 'w')")
    with pytest.raises(UserError, match=r"package.module:Class"):
        find_model("evil:Model")
    assert not Path("pwned").exists()


def test_it_teaches_and_learns(own):
    small = {**QUIET, "epochs": 1, "kd_topk": 4, "kd_samples": 3}
    taught = run(
        "RCEKD", own, config_dict={**small, "teacher": "own_models:Dot", "student": "BPR", "teacher_hidden": 5}
    )
    assert taught.stages[0].parameters == 5 * (41 + 25)
    learnt = run("RCEKD", own, config_dict={**small, "teacher": "BPR", "student": "own_models:Typed", "hidden": 3})
    assert learnt.stages[-1].parameters == 3 * (41 + 25)
    assert "rce" in learnt.stages[-1].history[0]["losses"]


def test_its_settings_are_keys(own):
    assert make_config("own_models:Dot", own)["hidden"] == 8
    assert make_config("own_models:Typed", own)["hidden"] == 4
    for model in ("own_models:Dot", "own_models:Typed"):
        with pytest.raises(UserError, match="hidden='many' is not valid: input should be a valid integer"):
            make_config(model, own, arguments=["--hidden=many"])
        with pytest.raises(UserError, match=r"'hiden' is not a key .*did you mean hidden"):
            make_config(model, own, arguments=["--hiden=3"])
    with pytest.raises(UserError, match="'hidden' is not a key"):
        make_config("BPR", own, arguments=["--hidden=3"])


def test_another_source_is_another_model(own):
    first = make_config("own_models:Dot", own).fingerprint()
    assert make_config("own_models:Dot", own).fingerprint() == first
    del sys.modules["own_models"]
    registry._IMPORTED.clear()
    Path("own_models.py").write_text(SOURCE.replace("Two tables", "Two other tables"))
    assert make_config("own_models:Dot", own).fingerprint() != first


def test_labels_of_a_comparison(own):
    assert parse_label("own_models:Dot") == ["--model=own_models:Dot"]
    assert parse_label("own_models:Dot[hidden=3]") == ["--model=own_models:Dot", "--hidden=3"]
    pair = ["--model=RCEKD", "--teacher=own_models:Dot", "--student=BPR", "--baseline=true"]
    assert parse_label("RCEKD:own_models:Dot>BPR") == pair
    assert parse_label("rcekd:bpr>own_models:Dot")[1:3] == ["--teacher=bpr", "--student=own_models:Dot"]
    with pytest.raises(UserError, match="is no pair"):
        parse_label("RCEKD:BPR")
    plan = make_plan(make_config("RCEKD", own, arguments=pair[1:3]))
    assert plan.result.config.model == "BPR"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("own_models:BPR", "another model is called BPR too; give the class another name"),
        ("own_models:NotAModel", "the class is no subclass of RecBole's GeneralRecommender"),
        ("own_models:Dott", "own_models.py has no class 'Dott'; did you mean Dot"),
        ("own_models:torch", "own_models.py has no class 'torch'"),
        ("no_models:Dot", "there is no module 'no_models' in "),
        ("own_models.inner:Dot", "own_models.inner:Dot: "),
        ("broken_import:Dot", "importing it fails: ModuleNotFoundError: No module named 'nothing_there' .*line 2"),
        ("broken_syntax:Dot", "importing it fails: SyntaxError: .*broken_syntax.py, line 1"),
        ("broken_exit:Dot", "importing it fails: SystemExit: 3"),
        ("own_models.Dot", "a class of your own is written as package.module:Class"),
        ("./own_models.py:Dot", "a class of your own is written as package.module:Class"),
    ],
)
def test_what_is_wrong_with_it_is_one_sentence(own, name, says):
    Path("broken_import.py").write_text("\nimport nothing_there\n")
    Path("broken_syntax.py").write_text("def f(:\n")
    Path("broken_exit.py").write_text("raise SystemExit(3)\n")
    for role in ({"model": name}, {"model": "RCEKD", "student": name}):
        with pytest.raises(UserError, match=says) as caught:
            make_config(dataset=own, config_dict=role)
        assert "\n" not in str(caught.value)


def test_the_working_folder_never_takes_the_place_of_a_module(own):
    Path("colorlog.py").write_text("raise SystemExit('taken')")
    Path("own_other.py").write_text(f"import colorlog\n{SOURCE}")
    assert make_config("own_other:Dot", own).model == "Dot"
