"""RecBole's own doors: ``run_recbole`` after ``register()``, and our checkpoints in its models and trainer."""

import json
import sys

import pytest
import torch
from recbole.data import create_dataset, data_preparation
from recbole.model.general_recommender.lightgcn import LightGCN as RecBoleLightGCN
from recbole.trainer import Trainer

from recbole_kd.bridge.checkpoint import load_checkpoint
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.data.loaders import make_loaders
from recbole_kd.experiments import run as pipeline
from recbole_kd.models.lightgcn import LightGCN
from recbole_kd.registry import make_config
from recbole_kd.training.inside_recbole import _train_stages
from tests.processes import python
from tests.training.test_fitting import PlainConfig

# Stock RecBole imports ray, which this machine may have, lack, or be unable to import; without a stand-in it is tried
# in test_stock_quick_start.py.
RAY = """
import sys, types
try:
    from ray import tune
except Exception:
    ray = types.ModuleType("ray")
    ray.tune = types.ModuleType("ray.tune")
    sys.modules.update({"ray": ray, "ray.tune": ray.tune})
"""
BOARD = {"benchmark_filename": ["train", "valid", "test"], "load_col": {"inter": ["user_id", "item_id"]}}
VALUES = {
    **{"epochs": 3, "topk": [3], "metrics": ["Recall", "NDCG"], "valid_metric": "NDCG@3"},
    **{"show_progress": False, "state": "error"},
}


def last_line(done) -> dict:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


class TestRegister:
    def test_run_recbole_finds_promptmm_and_gives_our_figures(self, checkerboard):
        code = f"""{RAY}
import json, recbole_kd
recbole_kd.register()
recbole_kd.register()
from recbole.quick_start import run_recbole
print(json.dumps(run_recbole(model="PromptMM", dataset="board", config_dict={VALUES!r})))
"""
        found = last_line(python("-c", code))
        ours = pipeline.run("PromptMM", "board", config_dict={**VALUES, "checkpoint_dir": "ours"})
        assert found["test_result"] == ours.test
        assert found["best_valid_result"] == ours.stages[-1].valid

    def test_keys_of_one_stage_reach_it(self, checkerboard):
        values = {**VALUES, "student_embedding_size": 16, "teacher_embedding_size": 8, "data_path": "dataset"}
        code = f"""{RAY}
import json, recbole_kd
recbole_kd.register()
from recbole.quick_start import run_recbole
print(json.dumps(run_recbole(model="PromptMM", dataset="board", config_dict={values!r})))
"""
        found = last_line(python("-c", code))
        ours = pipeline.run("PromptMM", "board", config_dict={**values, "checkpoint_dir": "ours"})
        assert ours.stages[-1].parameters == 16 * (41 + 25)
        assert found["test_result"] == ours.test

    def test_the_teacher_and_recboles_own_models_run_too(self, checkerboard):
        code = f"""{RAY}
import json, recbole_kd
recbole_kd.register()
from recbole.quick_start import run_recbole
from recbole.utils import get_model
values = {VALUES!r}
teacher = run_recbole(model="PromptMMTeacher", dataset="board", config_dict=values)["test_result"]
plain = run_recbole(model="BPR", dataset="board", config_dict={{**values, **{BOARD!r}}}, saved=False)["test_result"]
print(json.dumps([teacher, plain, get_model("LightGCN").__module__]))
"""
        teacher, plain, home = last_line(python("-c", code))
        assert teacher == pipeline.run("PromptMMTeacher", "board", config_dict=VALUES).test
        assert set(plain) == {"recall@3", "ndcg@3"}
        assert home == "recbole.model.general_recommender.lightgcn"

    @pytest.mark.parametrize(
        ("raised", "said"),
        [
            (
                "ImportError('no ray')",
                "(ImportError: no ray): it needs a ray that starts; install it with: pip install 'ray",
            ),
            ("AttributeError('numpy has no bool8')", "(AttributeError: numpy has no bool8)"),
            ("ModuleNotFoundError('No module named pkg_resources')", "No module named pkg_resources)"),
        ],
    )
    def test_where_quick_start_cannot_be_imported_a_sentence_says_what_to_install(self, checkerboard, raised, said):
        code = f"""
import json, sys, importlib.abc
class NoRay(importlib.abc.MetaPathFinder):
    def find_spec(self, name, *_):
        if name == "ray":
            raise {raised}
sys.meta_path.insert(0, NoRay())
import recbole_kd
recbole_kd.register()
from recbole.config import Config
config = Config(model="PromptMM", dataset="board", config_dict={VALUES!r})
print(json.dumps(["ray" in sys.modules, config["epochs"]]))
"""
        done = python("-c", code)
        assert last_line(done) == [False, 3]
        (sentence,) = [line for line in done.stderr.splitlines() if "quick_start" in line]
        assert said in sentence
        assert "pip install 'ray" in sentence

    def test_importing_us_changes_nothing(self, tmp_path, monkeypatch):
        """Every object of every RecBole module, NumPy's and SciPy's names, before and after our last submodule."""
        monkeypatch.chdir(tmp_path)
        code = """
import importlib, inspect, json, pkgutil, sys
import numpy, scipy.sparse, torch
import recbole.config, recbole.data, recbole.data.dataset, recbole.model.general_recommender, recbole.trainer
import recbole.utils, recbole.evaluator
def state():
    seen = {}
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] != "recbole":
            continue
        for key, value in list(vars(module).items()):
            seen[name, key] = id(value)
            if inspect.isclass(value) and value.__module__.startswith("recbole"):
                seen.update({(name, key, part): id(inner) for part, inner in vars(value).items()})
    return seen
before, modules = state(), set(sys.modules)
names = set(vars(numpy)), set(vars(scipy.sparse.dok_matrix)), torch.load
import recbole_kd
for module in pkgutil.walk_packages(recbole_kd.__path__, "recbole_kd."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
after = state()
changed = [key for key, value in before.items() if after.get(key) != value]
added = [key for key in after if key not in before and key[0] in modules]
added = [key for key in added if f"{key[0]}.{key[1]}" not in sys.modules]  # but for a submodule's import
removed_names = {"bool", "int", "float", "long", "unicode"} & (set(vars(numpy)) - names[0])
patched = set(vars(scipy.sparse.dok_matrix)) - names[1]
print(json.dumps([changed, added, sorted(removed_names | patched), torch.load is names[2]]))
"""
        assert last_line(python("-c", code)) == [[], [], [], True]

    def test_before_register_recbole_knows_nothing_of_us(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        code = """
import json, recbole_kd, recbole_kd.training.run, recbole_kd.training.inside_recbole
from recbole.utils import get_model
try:
    get_model("PromptMM")
    print(json.dumps("found"))
except Exception:
    print(json.dumps("unknown"))
"""
        assert last_line(python("-c", code)) == "unknown"


@pytest.fixture
def student(checkerboard):
    """A distilled student: its record, our model with its weights, and its loaders."""
    record = pipeline.run("PromptMM", "board", config_dict={**VALUES, "baseline": True}).stages[-1]
    config = make_config("LightGCN", "board", config_dict=VALUES)
    loaders = make_loaders(config, MultiModalDataset(config))
    model = LightGCN(config, loaders.train_part)
    model.load_state_dict(load_checkpoint(record.checkpoint)["state_dict"])
    return record, model.eval(), loaders


@pytest.fixture
def stock(student, monkeypatch):
    """RecBole's LightGCN, trainer and loaders, from RecBole's own config, untrained."""
    monkeypatch.setattr(sys, "argv", ["test"])
    config = PlainConfig("LightGCN", "board", config_dict={**VALUES, **BOARD, "embedding_size": 64, "seed": 1})
    train, valid, test = data_preparation(config, create_dataset(config))
    model = RecBoleLightGCN(config, train._dataset)
    return Trainer(config, model), model, (train, valid, test)


class TestStudentInStockRecBole:
    def test_state_dict_loads_and_scores_identically(self, student, stock):
        record, ours, loaders = student
        _, theirs, (_, _, test) = stock
        missing = theirs.load_state_dict(load_checkpoint(record.checkpoint)["state_dict"])
        assert missing.missing_keys == missing.unexpected_keys == []
        with torch.no_grad():
            scores = ours.full_sort_predict(next(iter(loaders.test))[0]).view(-1, 25)
            stock_scores = torch.cat([theirs.eval().full_sort_predict(batch[0]).view(-1, 25) for batch in test])
        torch.testing.assert_close(stock_scores, scores)
        assert torch.equal(stock_scores.argsort(dim=1), scores.argsort(dim=1))

    def test_stock_trainer_evaluates_the_file(self, student, stock):
        record, _, _ = student
        trainer, _, (_, _, test) = stock
        assert dict(trainer.evaluate(test, model_file=record.checkpoint)) == record.test

    @pytest.mark.parametrize("number", [1, 2])  # alone and distilled
    def test_stock_trainer_goes_on_training_from_the_file(self, student, stock, number):
        trainer, theirs, (train, valid, _) = stock
        path = pipeline.run("PromptMM", "board", config_dict={**VALUES, "baseline": True}).stages[number].checkpoint
        trainer.resume_checkpoint(path)
        kept = load_checkpoint(path)
        assert all(torch.equal(value, kept["state_dict"][name]) for name, value in theirs.state_dict().items())
        assert trainer.start_epoch == VALUES["epochs"]
        assert trainer.best_valid_score == pytest.approx(kept["record"]["valid"]["ndcg@3"])
        trainer.epochs += 2
        trainer.fit(train, valid, saved=False, show_progress=False)
        assert any(not torch.equal(value, kept["state_dict"][name]) for name, value in theirs.state_dict().items())


class TestBestEpoch:
    def test_the_students_best_epoch_is_kept_and_not_its_last(self, checkerboard):
        """Stock RecBole gives ``fit`` no test loader, so nothing but the stage itself brings the best weights back."""
        values = {**VALUES, "epochs": 8, "learning_rate": 1.0, "student": "BPR", "teacher": "BPR"}
        values |= {"kd_topk": 4, "kd_samples": 3, "kd_renew": 1, "kd_hold": 1, "checkpoint_dir": "ours"}
        ours = pipeline.run("RCEKD", checkerboard, config_dict=values).stages[-1]
        scores = [entry["valid"]["ndcg@3"] for entry in ours.history]
        assert scores[-1] < max(scores)
        config = make_config("RCEKD", checkerboard, config_dict=values)
        loaders = make_loaders(config, MultiModalDataset(config))._replace(test=None)
        given = {**values, "checkpoint_dir": "theirs"}
        weights, valid, epochs = _train_stages(config.model_class, checkerboard, given, loaders)
        assert valid["ndcg@3"] == max(scores)
        assert epochs == ours.epochs
        kept = load_checkpoint(ours.checkpoint)["state_dict"]
        assert all(torch.equal(value, kept[name]) for name, value in weights.items())
