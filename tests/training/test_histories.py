"""Runs whose models are sequential, or stand beside such: RecBole's own figures, and distillation either way."""

import functools
import math

import pytest
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.utils import get_model, get_trainer, init_seed

from recbole_kd.bridge import compat
from recbole_kd.bridge.checkpoint import load_checkpoint
from recbole_kd.bridge.recbole_files import refuses_negatives, sequential_models
from recbole_kd.experiments.run import run
from recbole_kd.foundation.errors import UserError
from tests.bridge.test_histories import COLUMNS
from tests.models.sequential.contract import SHORT

TWO = {**SHORT, "epochs": 2, "train_batch_size": 64}
# more columns or items than the ring has; DIN's sampled AUC is another in its third digit, for a reason not yet found
BY_TIME = {"split": {"LS": "valid_and_test"}, "order": "TO"}
NEED_MORE = {"DIN", "FDSA", "GRU4RecF", "SASRecF", "S3Rec", "GRU4RecCPR", "SASRecCPR"}
OF_VALUES = {"DIN": {"metrics": ["AUC"], "valid_metric": "AUC", "eval_args": {**BY_TIME, "mode": "uni5"}}}


def recboles_own(model: str, monkeypatch, **values) -> dict[str, float]:
    """The sequence of RecBole's ``run_recbole``."""
    monkeypatch.setattr("sys.argv", ["test"])
    monkeypatch.setattr(torch, "load", functools.partial(torch.load, weights_only=False))
    monkeypatch.setattr(Config, "compatibility_settings", lambda self: compat.restore_removed_names())
    config = Config(model, "ring", config_dict={**TWO, **COLUMNS, **values})
    init_seed(config["seed"], config["reproducibility"])
    train, valid, test = data_preparation(config, create_dataset(config))
    init_seed(config["seed"] + config["local_rank"], config["reproducibility"])
    made = get_model(config["model"])(config, train._dataset).to(config["device"])
    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, made)
    trainer.fit(train, valid, saved=True, show_progress=False)
    return dict(trainer.evaluate(test, load_best_model=True, show_progress=False))


@pytest.mark.parametrize("values", [{"train_neg_sample_args": None}, {"loss_type": "BPR"}], ids=["CE", "BPR"])
@pytest.mark.parametrize("model", ["SASRec", "GRU4Rec"])
def test_figures_are_recboles_own(ring, monkeypatch, model, values):
    ours = run(model, ring, config_dict={**TWO, **{key: value for key, value in values.items() if value}})
    assert ours.test == recboles_own(model, monkeypatch, **values)


@pytest.mark.slow
@pytest.mark.parametrize("model", sorted(sequential_models() - NEED_MORE))
def test_figures_of_every_sequential_model_are_recboles_own(ring, monkeypatch, model):
    values = OF_VALUES.get(model, {})
    ours = run(model, ring, config_dict={**TWO, **values})
    by_cross_entropy = ours.config.get("loss_type") == "CE" and refuses_negatives(model)
    more = {"train_neg_sample_args": None} if by_cross_entropy else {}
    assert ours.test == recboles_own(model, monkeypatch, **values, **more)


PAIRS = [("HSTU", "SASRec"), ("SASRec", "HSTU"), ("HSTU", "BPR"), ("LightGCN", "HSTU"), ("FPMC", "GRU4Rec")]


@pytest.mark.parametrize("positions", ["last", "all"])
@pytest.mark.parametrize(("teacher", "student"), PAIRS)
def test_histories_teach_and_learn(ring, teacher, student, positions):
    values = {**TWO, "kd_positions": positions, "kd_topk": 4, "kd_samples": 4, "cache_topk": 8}
    values |= {"learning_rate": 0.01, "epochs": 5, "kd_gamma": "fixed"}
    result = run("RCEKD", ring, config_dict={**values, "teacher": teacher, "student": student})
    losses = [entry["losses"]["rce"] for entry in result.stages[-1].history]
    assert losses[-1] < losses[0]
    assert [stage.model for stage in result.stages] == [teacher, student]


@pytest.mark.parametrize("student", ["SASRec", "HSTU", "BPR"])
def test_weight_zero_is_the_student_alone_to_the_bit(ring, student):
    values = {**TWO, "teacher": "SASRec", "student": student, "baseline": True, "kd_weight": 0, "cache_topk": 8}
    alone, taught = run("RCEKD", ring, config_dict={**values, "kd_topk": 4}).stages[-2:]
    mine, theirs = (load_checkpoint(stage.checkpoint)["state_dict"] for stage in (alone, taught))
    assert alone.test == taught.test
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_a_teacher_that_knows_the_ring_teaches_a_narrow_student(ring):
    """The student alone has seen too little in so few epochs."""
    values = {
        **SHORT,
        "teacher": "HSTU",
        "student": "HSTU",
        "student_embedding_size": 4,
        "teacher_epochs": 30,
        "eval_step": 6,
    }
    values |= {"teacher_learning_rate": 0.01, "student_learning_rate": 0.03, "student_epochs": 12, "baseline": True}
    values["eval_step"] = 6
    values |= {
        "train_batch_size": 64,
        "kd_topk": 3,
        "kd_samples": 3,
        "cache_topk": 8,
        "kd_positions": "all",
        "kd_renew": 1,
    }
    teacher, alone, taught = run("RCEKD", ring, config_dict={**values, "kd_weight": 3}).stages
    assert teacher.test["recall@1"] > 0.9
    assert taught.test["ndcg@3"] > alone.test["ndcg@3"]


@pytest.mark.parametrize("student", ["HSTU", "FPMC", "VBPR"])
def test_full_cross_entropy_is_for_every_student(ring, checkerboard, student):
    """VBPR makes its embeddings anew, FPMC has none."""
    dataset = checkerboard if student == "VBPR" else ring
    values = {**TWO, "MAX_ITEM_LIST_LENGTH": 6, "teacher": "BPR", "student": student, "kd_variant": "full_ce"}
    history = run("RCEKD", dataset, config_dict={**values, "cache_topk": 8, "kd_topk": 4}).stages[-1].history
    assert history[1]["losses"]["rce"] < history[0]["losses"]["rce"]


def test_a_batch_without_a_last_window_teaches_nothing(ring):
    """Histories of three windows, a batch each."""
    values = {
        **TWO,
        "MAX_ITEM_LIST_LENGTH": 3,
        "epochs": 1,
        "cache_topk": 8,
        "kd_topk": 4,
        "student_train_batch_size": 2,
    }
    result = run("RCEKD", ring, config_dict={**values, "teacher": "SASRec", "student": "HSTU"})
    assert math.isfinite(result.stages[-1].history[0]["losses"]["rce"])


def test_positions_of_data_without_histories_are_refused(checkerboard):
    with pytest.raises(UserError, match="kd_positions=all is of histories"):
        run("RCEKD", checkerboard, config_dict={**TWO, "MAX_ITEM_LIST_LENGTH": 50, "kd_positions": "all"})


def test_a_content_path_is_for_models_of_users(ring):
    values = {**TWO, "teacher": "SASRec", "student": "SASRec", "student_content": "linear"}
    with pytest.raises(UserError, match="content"):
        run("RCEKD", ring, config_dict=values)
