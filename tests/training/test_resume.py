"""A training that is killed and run again ends as one that was not, to the last digit."""

import random
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from recbole.trainer import Trainer

from recbole_kd.bridge import snapshots
from recbole_kd.bridge.checkpoint import load_checkpoint, load_state, save_state
from recbole_kd.bridge.distilling import DistillingMixin
from recbole_kd.bridge.loose_values import LooseValues
from recbole_kd.bridge.recbole_files import general_models
from recbole_kd.bridge.trainer import SafeTrainerMixin, make_trainer
from recbole_kd.distillers.promptmm import PromptMMDistiller
from recbole_kd.experiments import run as pipeline
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.random_states import random_states, set_random_states
from recbole_kd.training import fitting as stages
from tests.models.contract import build
from tests.processes import python
from tests.training.test_fitting import NEED_MORE, SHORT, SHORTER

VALUES = {
    **SHORT,
    "epochs": 9,
    "stopping_step": 2,
    "learning_rate": 0.02,
    "train_batch_size": 40,  # 7 batches of pairs, 2 of users
    "snapshot_seconds": 0,
    "metric_decimal_place": 12,
}

STOPS_EARLY = {"epochs": 40, "learning_rate": 0.1}  # three epochs after its best


@pytest.fixture(autouse=True)
def unsynced(monkeypatch):
    """No test here cuts the power."""
    monkeypatch.setattr("os.fsync", lambda _: None)


class Killed(BaseException):
    """Stands for a signal: nothing in between may catch it."""


def run(model: str, folder: str = "saved", **values) -> pipeline.Result:
    return pipeline.run(model, "board", config_dict={**VALUES, "checkpoint_dir": folder, **values})


def outcome(result: pipeline.Result) -> list:
    """All that a run says of its stages and keeps, but for what a clock says; weights as bytes."""
    found = []
    for stage in result.stages:
        kept = load_checkpoint(stage.checkpoint)
        record = {key: value for key, value in kept["record"].items() if "seconds" not in key and key != "peak_memory"}
        record["history"] = [
            {key: value for key, value in epoch.items() if key != "seconds"} for epoch in record["history"]
        ]
        tensors = {**kept["state_dict"], **kept["per_user"]}
        found.append((record, {name: value.numpy().tobytes() for name, value in tensors.items()}))
    return found


_undisturbed: dict[str, list] = {}


def undisturbed(model: str, **values) -> list:
    """The outcome of a run that nothing kills, made once."""
    key = repr((model, values))
    if key not in _undisturbed:
        _undisturbed[key] = outcome(run(model, "undisturbed", **values))
    return _undisturbed[key]


def kill(monkeypatch, owner, name: str, when: Callable[..., bool], after: bool = False) -> None:
    """Have the first call of a method for which ``when`` holds end the run, before or after its work."""
    method = getattr(owner, name)

    def dies(*args, **kwargs):
        if not after and when(*args):
            raise Killed
        result = method(*args, **kwargs)
        if after and when(*args):
            raise Killed
        return result

    monkeypatch.setattr(owner, name, dies)


def in_epoch(number: int, only: type = SafeTrainerMixin) -> Callable[..., bool]:
    """Whether a trainer is in the middle of epoch ``number``: at its second batch."""

    def is_there(self, _) -> bool:
        if isinstance(self, only) and len(self.history) == number:
            self.batches_seen = getattr(self, "batches_seen", 0) + 1
        return getattr(self, "batches_seen", 0) == 2

    return is_there


def epochs_done(number: int) -> Callable[..., bool]:
    return lambda self, *_: len(self.history) == number


# where the run is killed: method, moment, whether after its work, and the epoch that the next run finds
MOMENTS = {
    "in an epoch": (Trainer, "_check_nan", in_epoch(3), False, 2),
    "in the first epoch": (Trainer, "_check_nan", in_epoch(0), False, None),
    "in the second epoch": (Trainer, "_check_nan", in_epoch(1), False, 0),
    "while it validates": (SafeTrainerMixin, "_valid_epoch", epochs_done(4), False, 2),
    "before the best is kept": (SafeTrainerMixin, "_save_checkpoint", epochs_done(4), False, 2),
    "after the best is kept": (SafeTrainerMixin, "_save_checkpoint", epochs_done(4), True, 2),
    "before the snapshot": (snapshots, "save_state", lambda _, state: state["epoch"] == 3, False, 2),
    "after the snapshot": (snapshots, "save_state", lambda _, state: state["epoch"] == 3, True, 3),
    "after the last epoch": (Trainer, "_add_hparam_to_tensorboard", lambda *_: True, False, 7),
    "after the test": (stages, "ranking_seconds", lambda *_: True, False, 7),
    "before the stage is kept": (stages, "save_checkpoint", lambda *_: True, False, 7),
    "after the stage is kept": (stages, "save_checkpoint", lambda *_: True, True, 7),
}


def snapshot_in(folder: str = "saved") -> Path | None:
    found = list(Path(folder).glob("*.resume"))
    assert len(found) <= 1
    return found[0] if found else None


class TestKilledAndRunAgain:
    @pytest.mark.parametrize("moment", MOMENTS)
    def test_at_any_moment(self, checkerboard, monkeypatch, moment):
        owner, name, when, after, found = MOMENTS[moment]
        expected = undisturbed("BPR", stopping_step=9)
        with monkeypatch.context() as patch:
            kill(patch, owner, name, when, after)
            with pytest.raises(Killed):
                run("BPR", stopping_step=9)
        snapshot = snapshot_in()
        assert (load_state(snapshot)["epoch"] if snapshot else None) == found
        assert outcome(run("BPR", stopping_step=9)) == expected
        assert {path.suffix for path in Path("saved").iterdir()} == {".pth"}

    @pytest.mark.parametrize("model", ["LightGCN", "NeuMF", "DMF", "MultiVAE", "DiffRec", "LINE", "SGL", "RecVAE"])
    def test_models_with_states_of_every_kind(self, checkerboard, monkeypatch, model):
        expected = undisturbed(model)
        self.kill_in(monkeypatch, 3, model)
        assert outcome(run(model)) == expected

    @pytest.mark.parametrize("of_student", [False, True])
    @pytest.mark.parametrize("values", [{}, {"prompt_grad": [], "emb": 0.5, "student_embedding_size": 8}])
    def test_both_stages_of_a_distillation(self, checkerboard, monkeypatch, of_student, values):
        expected = undisturbed("PromptMM", baseline=True, **values)
        self.kill_in(
            monkeypatch, 3, "PromptMM", DistillingMixin if of_student else SafeTrainerMixin, baseline=True, **values
        )
        assert outcome(run("PromptMM", baseline=True, **values)) == expected

    @pytest.mark.parametrize(
        "values", [{}, {"kd_renew": 1}, {"kd_renew": 2, "kd_hold": 3}, {"kd_users": 5, "student": "NeuMF"}]
    )
    def test_a_distiller_that_draws_and_keeps_sets(self, checkerboard, monkeypatch, values):
        values = {"kd_topk": 4, "kd_samples": 3, **values}
        expected = undisturbed("RCEKD", **values)
        self.kill_in(monkeypatch, 3, "RCEKD", DistillingMixin, **values)
        assert outcome(run("RCEKD", **values)) == expected

    @pytest.mark.parametrize(
        "values",
        [
            {"eval_step": 0},
            {"eval_step": 2},
            {"eval_args": {"mode": "uni5"}, "metrics": ["AUC"], "valid_metric": "AUC"},
            {"train_neg_sample_args": {"dynamic": True, "candidate_num": 2}},
            {"learner": "rmsprop", "weight_decay": 0.01},
        ],
    )
    def test_under_other_settings(self, checkerboard, monkeypatch, values):
        expected = undisturbed("BPR", **values)
        self.kill_in(monkeypatch, 3, "BPR", **values)
        assert outcome(run("BPR", **values)) == expected

    def test_early_stopping_counts_on(self, checkerboard, monkeypatch):
        expected = undisturbed("BPR", **STOPS_EARLY)
        epochs = expected[0][0]["epochs"]
        assert 3 < epochs < 40
        self.kill_in(monkeypatch, epochs - 1, "BPR", **STOPS_EARLY)
        assert outcome(run("BPR", **STOPS_EARLY)) == expected

    def test_a_distiller_that_draws_at_the_start_of_each_epoch(self, checkerboard, monkeypatch):
        draws = lambda self, *_: torch.rand(1, generator=self.generator)  # noqa: E731
        monkeypatch.setattr(PromptMMDistiller, "begin_epoch", draws)
        expected = outcome(run("PromptMM", "drawing"))
        self.kill_in(monkeypatch, 3, "PromptMM", DistillingMixin)
        assert outcome(run("PromptMM")) == expected

    def test_again_and_again(self, checkerboard, monkeypatch):
        expected = undisturbed("MultiVAE")
        for epoch in (1, 2, 3):
            self.kill_in(monkeypatch, epoch, "MultiVAE")
        assert outcome(run("MultiVAE")) == expected

    @staticmethod
    def kill_in(monkeypatch, epoch: int, model: str, only: type = SafeTrainerMixin, **values) -> None:
        with monkeypatch.context() as patch:
            kill(patch, Trainer, "_check_nan", in_epoch(epoch, only))
            with pytest.raises(Killed):
                run(model, **values)
        snapshot = snapshot_in()
        assert snapshot is not None
        assert load_state(snapshot)["epoch"] == epoch - 1


KILLED = """
import os, signal
from recbole_kd.experiments import run as pipeline
from recbole_kd.bridge.distilling import DistillingMixin
begin = DistillingMixin.add_terms
def dies(self, batch, own_loss):
    if len(self.history) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return begin(self, batch, own_loss)
DistillingMixin.add_terms = dies
pipeline.run("PromptMM", "board", config_dict={values})
"""
RUN = 'import recbole_kd; recbole_kd.run("PromptMM", "board", config_dict={values})'


def test_a_real_kill(checkerboard, caplog):
    threads = torch.get_num_threads()
    expected = undisturbed("PromptMM")
    killed = python("-c", KILLED.replace("{values}", repr(VALUES)), OMP_NUM_THREADS=str(threads))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert snapshot_in() is not None
    with caplog.at_level("INFO"):
        assert outcome(run("PromptMM", state="info")) == expected
    assert any(message.startswith("student: taken up after epoch 2 from") for message in caplog.messages)


@pytest.fixture
def cut_off(checkerboard, monkeypatch) -> Path:
    """The snapshot that a run killed in epoch 3 has left."""
    TestKilledAndRunAgain.kill_in(monkeypatch, 3, "BPR")
    snapshot = snapshot_in()
    assert snapshot is not None
    return snapshot


class TestSnapshot:
    @pytest.mark.parametrize("left", [None, b"of a later epoch that shall not come again"])
    def test_the_best_weights_are_part_of_it(self, checkerboard, monkeypatch, left):
        expected = undisturbed("BPR", **STOPS_EARLY)
        TestKilledAndRunAgain.kill_in(monkeypatch, expected[0][0]["epochs"] - 1, "BPR", **STOPS_EARLY)
        best = snapshot_in().with_suffix(".training")
        best.unlink() if left is None else best.write_bytes(left)
        assert outcome(run("BPR", **STOPS_EARLY)) == expected

    def test_the_best_of_a_run_without_one_is_not_taken_for_this_ones(self, cut_off, monkeypatch):
        cut_off.unlink()
        best = cut_off.with_suffix(".training")
        assert best.is_file()
        kill(monkeypatch, Trainer, "_check_nan", in_epoch(0))
        with pytest.raises(Killed):
            run("BPR")
        assert not best.exists()

    def test_only_the_remaining_epochs_are_trained(self, cut_off, monkeypatch):
        epochs = []
        begin = SafeTrainerMixin._begin_epoch
        monkeypatch.setattr(
            SafeTrainerMixin, "_begin_epoch", lambda self, epoch: epochs.append(epoch) or begin(self, epoch)
        )
        result = run("BPR")
        assert epochs == list(range(3, result.stages[0].epochs))

    def test_resume_false_starts_over(self, cut_off, monkeypatch):
        kill(monkeypatch, Trainer, "_check_nan", in_epoch(0))
        with pytest.raises(Killed):
            run("BPR", resume=False)
        assert not cut_off.exists()

    def test_other_settings_find_none(self, cut_off, monkeypatch):
        kill(monkeypatch, Trainer, "_check_nan", in_epoch(0))
        with pytest.raises(Killed):
            run("BPR", seed=5)
        assert cut_off.exists()

    def test_a_damaged_one_is_named(self, cut_off):
        cut_off.write_bytes(cut_off.read_bytes()[:1000])
        with pytest.raises(UserError, match=f"{cut_off.name} is not a whole checkpoint; delete it"):
            run("BPR")

    @pytest.mark.parametrize(
        ("key", "value"),
        [("parts", {"model": {"a": torch.zeros(1)}}), ("optimizers", {"other": {}}), ("generators", []), ("random", 3)],
    )
    def test_one_of_another_program_is_named(self, cut_off, key, value):
        save_state(cut_off, load_state(cut_off) | {key: value})
        with pytest.raises(UserError, match=f"{cut_off.name} does not fit this training; delete it"):
            run("BPR")

    def test_none_is_written_before_its_time(self, checkerboard, monkeypatch):
        monkeypatch.setattr(SafeTrainerMixin, "_save_snapshot", lambda *_: pytest.fail("too early"))
        run("BPR", snapshot_seconds=60)

    def test_it_holds_no_frozen_teacher(self, checkerboard, monkeypatch):
        TestKilledAndRunAgain.kill_in(monkeypatch, 2, "PromptMM", DistillingMixin)
        kept = load_state(snapshot_in())["parts"]["distiller"]
        assert any(name.startswith("teacher") and name.endswith("prompt.item.weight") for name in kept)
        assert "_extra_state" in kept
        assert not any("embedding" in name or "reductions" in name for name in kept)

    @pytest.mark.parametrize(("model", "part"), [("PromptMM", "teacher_models"), ("MTS4MM", "encoders")])
    def test_one_of_the_first_release_is_taken_up(self, checkerboard, monkeypatch, model, part):
        """What is called ``part`` today was called ``teachers``."""
        expected = undisturbed(model)
        TestKilledAndRunAgain.kill_in(monkeypatch, 3, model, DistillingMixin)
        state = load_state(snapshot_in())
        state["parts"]["distiller"] = {
            name.replace(part, "teachers", 1): value for name, value in state["parts"]["distiller"].items()
        }
        state["loose"]["distiller"] = {
            (path.replace(part, "teachers", 1), name): value
            for (path, name), value in state["loose"]["distiller"].items()
        }
        assert any(name.startswith("teachers.") for name in state["parts"]["distiller"])
        save_state(snapshot_in(), state)
        assert outcome(run(model)) == expected

    @pytest.mark.parametrize("model", ["RaCT"])
    def test_a_trainer_with_a_fit_of_its_own_writes_none(self, checkerboard, model):
        made = build(model, checkerboard, **SHORT)
        assert not make_trainer(made.config, made.model).use_snapshots(Path("x.resume"), made.loaders.generators())


class TestStates:
    def test_random_numbers_go_on(self, tmp_path):
        np.random.normal()  # noqa: NPY002 - leaves a second number behind, which is part of the state
        save_state(tmp_path / "x", random_states())

        def drawn():
            return random.random(), np.random.normal(), np.random.rand(), torch.rand(3).tolist()  # noqa: NPY002

        first = drawn()
        set_random_states(load_state(tmp_path / "x"))
        assert drawn() == first

    def test_loose_values(self, tmp_path):
        class Part(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.count, self.scale, self.kept, self.restore_e = 0, 0.5, None, None
                self.fixed, self.in_place, self.replaced = torch.zeros(2), torch.zeros(2), torch.zeros(2)
                self.order = np.arange(4)
                self.weight = torch.nn.Parameter(torch.zeros(1))

        part = torch.nn.Sequential(Part())
        values = LooseValues(part)
        assert {name for _, name in values.changed()} == {"order"}
        part.eval()
        inner = part[0]
        inner.count, inner.scale, inner.restore_e = 3, np.float64(0.25), torch.ones(2)
        inner.kept = torch.ones(2, requires_grad=True)
        inner.in_place[1], inner.replaced, inner.order[:2] = 1, torch.ones(3), [1, 0]
        inner.weight.data += 1
        save_state(tmp_path / "x", {"loose": values.changed()})
        twin = torch.nn.Sequential(Part())
        twin[0].restore_e = torch.zeros(2)
        LooseValues(twin).restore(load_state(tmp_path / "x")["loose"], "cpu")
        made = twin[0]
        assert (twin.training, made.training, made.count, made.scale, made.restore_e) == (False, False, 3, 0.25, None)
        assert made.kept.tolist() == [1, 1]
        assert made.in_place.tolist() == [0, 1]
        assert made.replaced.tolist() == [1, 1, 1]
        assert made.order.tolist() == [1, 0, 2, 3]
        assert made.weight.item() == 0


@pytest.mark.slow
@pytest.mark.parametrize("model", sorted(general_models() - NEED_MORE.keys()))
def test_every_general_model_of_recbole(checkerboard, monkeypatch, model):
    values = {"epochs": 4, **SHORTER.get(model, {})}
    expected = undisturbed(model, **values)
    with monkeypatch.context() as patch:
        kill(patch, Trainer, "_add_hparam_to_tensorboard", lambda *_: True)
        with suppress(Killed):  # some have a fit of their own
            run(model, **values)
    assert outcome(run(model, **values)) == expected
