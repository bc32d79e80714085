"""What a run keeps and takes up again, and that its figures are RecBole's and true."""

import functools
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.data.dataloader import FullSortEvalDataLoader
from recbole.utils import get_model, get_trainer, init_seed

from recbole_kd.bridge import compat
from recbole_kd.bridge.checkpoint import load_checkpoint
from recbole_kd.bridge.recbole_files import general_models
from recbole_kd.bridge.trainer import make_trainer
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.data.loaders import make_loaders
from recbole_kd.experiments import run as pipeline
from recbole_kd.foundation.errors import UserError
from recbole_kd.registry import make_config
from recbole_kd.training import fitting as stages
from tests.models.contract import build
from tests.processes import python

SHORT = {"show_progress": False, "state": "error", "topk": [3], "metrics": ["Recall", "NDCG"], "valid_metric": "NDCG@3"}
BRIEF = {**SHORT, "epochs": 2}


def run(**values) -> pipeline.Result:
    return pipeline.run("PromptMM", "board", config_dict={**BRIEF, **values})


@pytest.fixture
def trained(monkeypatch) -> list[str]:
    """The models that are trained, not taken from disk, from now on."""
    names: list[str] = []
    make = stages._trainer
    monkeypatch.setattr(stages, "_trainer", lambda job, model: names.append(job.config.model) or make(job, model))
    return names


BOTH = ["PromptMMTeacher", "LightGCN"]


class TestResume:
    def test_a_second_run_trains_nothing_and_says_the_same(self, checkerboard, trained):
        first = run(baseline=True)
        assert trained == ["PromptMMTeacher", "LightGCN", "LightGCN"]
        second = run(baseline=True)
        assert len(trained) == 3
        assert [stage.public() for stage in first.stages] == [stage.public() for stage in second.stages]
        assert [stage.history for stage in first.stages] == [stage.history for stage in second.stages]

    def test_a_baseline_asked_for_later_is_all_that_is_trained(self, checkerboard, trained):
        before = run().stages
        del trained[:]
        after = run(baseline=True).stages
        assert trained == ["LightGCN"]
        assert [after[0].public(), after[2].public()] == [stage.public() for stage in before]

    def test_resume_false_trains_again(self, checkerboard, trained):
        run()
        run(resume=False)
        assert trained == 2 * BOTH

    @pytest.mark.parametrize(
        ("change", "retrained"),
        [
            ({"seed": 5}, BOTH),
            ({"epochs": 3}, BOTH),
            ({"embedding_size": 8}, BOTH),
            ({"train_neg_sample_args": {"sample_num": 2}}, BOTH),
            ({"eval_mask": "train"}, BOTH),
            ({"teacher_n_layers": 1}, BOTH),
            ({"teacher_learning_rate": 0.5}, BOTH),
            ({"modality_weight": 0.5}, BOTH),
            ({"modalities": ["board"]}, BOTH),
            ({"feature_norm": "none"}, BOTH),
            ({"pair": 0.5}, ["LightGCN"]),
            ({"prompt_learning_rate": 0.5}, ["LightGCN"]),
            ({"student_learning_rate": 0.5}, ["LightGCN"]),
            ({"student_epochs": 1}, ["LightGCN"]),
            ({"init": "teacher"}, ["LightGCN"]),
            ({"gpu_id": "3", "result_file": "r.json", "show_progress": True}, []),
        ],
    )
    def test_a_stage_is_trained_again_when_what_it_reads_has_changed(self, checkerboard, trained, change, retrained):
        run()
        del trained[:]
        run(**change)
        assert trained == retrained

    def test_changed_features_change_the_teacher_and_its_student(self, checkerboard, trained):
        run(baseline=True)
        del trained[:]
        file = Path("dataset/board/board.noise.npy")
        features = np.load(file)
        features[3, 5] += 1
        np.save(file, features)
        result = run(baseline=True)
        assert trained == BOTH  # the student alone reads none
        assert [stage.name for stage in result.stages] == ["teacher", "baseline", "student"]

    @pytest.mark.parametrize("part", ["train", "valid", "test"])
    def test_changed_interactions_change_everything(self, checkerboard, trained, part):
        run()
        del trained[:]
        file = Path(f"dataset/board/board.{part}.inter")
        file.write_text("\n".join(file.read_text().splitlines()[:-1]) + "\n")
        run()
        assert trained == BOTH

    def test_a_file_of_an_older_format_or_cut_short_is_named(self, checkerboard):
        path = Path(run().stages[0].checkpoint)
        path.write_bytes(path.read_bytes()[:500])
        with pytest.raises(UserError, match=f"{path.name} is not a whole checkpoint; delete it"):
            run()

    def test_a_finished_run_leaves_its_checkpoints_only(self, checkerboard):
        result = run()
        assert sorted(Path("saved").iterdir()) == sorted(Path(stage.checkpoint) for stage in result.stages)


KILLED_IN_STAGE_2 = """
import os, signal
from recbole_kd.experiments import run as pipeline
from recbole_kd.bridge.distilling import DistillingMixin
steps = DistillingMixin._valid_epoch
def dies(self, *args, **kwargs):
    result = steps(self, *args, **kwargs)
    if self.history[-1]["epoch"] == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return result
DistillingMixin._valid_epoch = dies
pipeline.run("PromptMM", "board", config_dict={values})
"""


def test_a_run_killed_in_stage_2_goes_on_from_its_teacher(checkerboard, trained):
    values = {**SHORT, "epochs": 6}
    undisturbed = run(**values, checkpoint_dir="undisturbed")
    killed = python("-c", KILLED_IN_STAGE_2.replace("{values}", repr(values)))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left = [path for path in Path("saved").iterdir() if not path.name.startswith(".")]
    assert any("-teacher-" in path.name and path.suffix == ".pth" for path in left)
    assert not any("-student-" in path.name and path.suffix == ".pth" for path in left)
    for path in left:
        load_checkpoint(path)  # whole, every one
    del trained[:]
    taken_up = run(**values)
    assert trained == ["LightGCN"]
    assert taken_up.test == undisturbed.test
    ours, theirs = (load_checkpoint(result.stages[-1].checkpoint)["state_dict"] for result in (taken_up, undisturbed))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert {path.suffix for path in Path("saved").iterdir() if not path.name.startswith(".")} == {".pth"}


def items_of(loader) -> list[set[int]]:
    dataset = loader._dataset
    found: list[set[int]] = [set() for _ in range(dataset.user_num)]
    for user, item in zip(dataset.inter_feat["user_id"].tolist(), dataset.inter_feat["item_id"].tolist(), strict=True):
        found[user].add(item)
    return found


def by_hand(made, masked: list[list[set[int]]], k: int) -> dict[str, float]:
    """Recall and NDCG of the test part, user by user, item by item."""
    with torch.no_grad():
        users, items = made.model.eval().embeddings()
    recall, ndcg = [], []
    for user, relevant in enumerate(items_of(made.loaders.test)):
        if not relevant:
            continue
        hidden = set().union(*(part[user] for part in masked)) - relevant
        scores = {item: float(items[item] @ users[user]) for item in range(1, len(items)) if item not in hidden}
        ranked = sorted(scores, key=scores.get, reverse=True)[:k]
        gains = [1 / np.log2(place + 2) for place, item in enumerate(ranked) if item in relevant]
        ideal = sum(1 / np.log2(place + 2) for place in range(min(k, len(relevant))))
        recall.append(len(gains) / len(relevant))
        ndcg.append(sum(gains) / ideal)
    return {f"recall@{k}": float(np.mean(recall)), f"ndcg@{k}": float(np.mean(ndcg))}


class TestEvaluation:
    @pytest.mark.parametrize("mask", ["recbole", "train"])
    @pytest.mark.parametrize("k", [1, 3, 12])
    def test_ranking_equals_brute_force(self, checkerboard, mask, k):
        values = {"topk": [k], "metrics": ["Recall", "NDCG"], "valid_metric": f"NDCG@{k}", "metric_decimal_place": 12}
        made = build("LightGCN", checkerboard, eval_mask=mask, **values)
        found = make_trainer(made.config, made.model).evaluate(made.loaders.test, load_best_model=False)
        hidden = [items_of(made.loaders.train), items_of(made.loaders.valid)][: 1 if mask == "train" else 2]
        assert dict(found) == pytest.approx(by_hand(made, hidden, k), abs=1e-9)

    def test_the_two_masks_differ(self, checkerboard):
        made = [build("LightGCN", checkerboard, eval_mask=mask, **SHORT) for mask in ("recbole", "train")]
        lengths = [sum(len(items) for items in one.loaders.test.uid2history_item if items is not None) for one in made]
        assert lengths[0] == 40 * 9
        assert lengths[1] == 40 * 7

    def test_validation_hides_training_items_under_both_masks(self, checkerboard):
        made = [build("LightGCN", checkerboard, eval_mask=mask, **SHORT) for mask in ("recbole", "train")]
        scores = [
            make_trainer(one.config, one.model).evaluate(one.loaders.valid, load_best_model=False) for one in made
        ]
        assert scores[0] == scores[1]

    @pytest.mark.parametrize(("model", "data"), [("LightGCN", "ml-100k"), ("NeuMF", "board")])  # NeuMF scores pairs
    def test_our_batches_give_recboles_metrics(self, checkerboard, model, data):
        values = {"topk": [10, 20], "valid_metric": "NDCG@20", "metric_decimal_place": 12}
        metrics = []
        for size in (None, 4096 if data == "ml-100k" else 60):  # both score two users at a time
            made = build(model, data, **values, **({"eval_batch_size": size} if size else {}))
            assert isinstance(made.loaders.test, FullSortEvalDataLoader)
            trainer = make_trainer(made.config, made.model)
            metrics.append(dict(trainer.evaluate(made.loaders.test, load_best_model=False)))
            users = len(made.loaders.test.uid_list)
            assert len(made.loaders.test) <= users / 40 if size is None else len(made.loaders.test) == -(-users // 2)
        assert metrics[0] == pytest.approx(metrics[1], abs=1e-9)

    def test_a_batch_holds_many_users(self, checkerboard):
        config = make_config("LightGCN", checkerboard, config_dict=SHORT)
        loaders = make_loaders(config, MultiModalDataset(config))
        assert len(loaders.test) == len(loaders.valid) == 1

    def test_a_metric_without_a_cutoff(self, checkerboard):
        values = {"epochs": 1, "metrics": ["AUC"], "valid_metric": "AUC", "eval_args": {"mode": "uni5"}}
        result = pipeline.run("BPR", "board", config_dict={**SHORT, **values})
        assert 0 <= result.test["auc"] <= 1


class PlainConfig(Config):
    """RecBole's, but for the NumPy names that are gone."""

    def compatibility_settings(self):
        compat.restore_removed_names()


def recboles_own(model: str, monkeypatch, **values) -> dict[str, float]:
    """The sequence of RecBole's ``run_recbole``, with RecBole's model, trainer and checkpoints."""
    monkeypatch.setattr("sys.argv", ["test"])
    monkeypatch.setattr(torch, "load", functools.partial(torch.load, weights_only=False))
    config = PlainConfig(model, "ml-100k", config_dict={"state": "error", **values})
    init_seed(config["seed"], config["reproducibility"])
    dataset = create_dataset(config)
    train, valid, test = data_preparation(config, dataset)
    init_seed(config["seed"] + config["local_rank"], config["reproducibility"])
    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(
        config, get_model(config["model"])(config, train._dataset).to(config["device"])
    )
    trainer.fit(train, valid, saved=True, show_progress=False)
    return dict(trainer.evaluate(test, load_best_model=True, show_progress=False))


class TestRecBolesModels:
    @pytest.mark.parametrize("model", ["BPR", "LightGCN"])
    def test_figures_are_recboles_own(self, tmp_path, monkeypatch, model):
        monkeypatch.chdir(tmp_path)
        values = {"epochs": 2, "show_progress": False}
        ours = pipeline.run(model, "ml-100k", config_dict={**values, "state": "error"})
        assert ours.test == recboles_own(model, monkeypatch, **values)

    @pytest.mark.parametrize("model", ["NGCF", "EASE", "NeuMF", "ItemKNN", "Pop"])
    def test_models_of_every_kind_run_and_are_taken_up_again(self, checkerboard, trained, model):
        results = [pipeline.run(model, "board", config_dict={**SHORT, "epochs": 1}) for _ in range(2)]
        assert trained == [model]
        assert results[0].stages[0].public() == results[1].stages[0].public()
        assert 0 <= results[0].test["ndcg@3"] <= 1

    def test_a_kept_model_scores_as_it_did(self, checkerboard):
        """EASE keeps all that it learns in matrices beside its parameters."""
        made = build("EASE", checkerboard, **SHORT)
        pipeline.run("EASE", "board", config_dict={**SHORT, "epochs": 1})
        (path,) = Path("saved").glob("*.pth")
        made.model.load_other_parameter(load_checkpoint(path)["other_parameter"])
        scores = made.model.full_sort_predict(next(iter(made.loaders.test))[0])
        fresh = build("EASE", checkerboard, **SHORT).model.full_sort_predict(next(iter(made.loaders.test))[0])
        torch.testing.assert_close(scores, fresh)


# What RecBole 1.2.1 itself cannot run here: NCL needs faiss, which RecBole does not install.
NEED_MORE = {"NCL": ModuleNotFoundError}
# Short of their own settings these take minutes or cannot learn from 40 users.
SHORTER = {"RaCT": {"pretrain_epochs": 10}, "LDiffRec": {"train_batch_size": 64}, "DGCF": {"train_batch_size": 16}}


@pytest.mark.slow
@pytest.mark.parametrize("model", sorted(general_models()))
def test_every_general_model_of_recbole(checkerboard, model):
    values = {**SHORT, "epochs": 1, **SHORTER.get(model, {})}
    if model in NEED_MORE:
        with pytest.raises(NEED_MORE[model]):
            pipeline.run(model, "board", config_dict=values)
        return
    result = pipeline.run(model, "board", config_dict=values)
    assert 0 <= result.test["ndcg@3"] <= 1
