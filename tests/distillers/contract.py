"""What every distiller must do; a new one inherits these tests for a few lines."""

import copy
import inspect
import tempfile
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from recbole.utils import init_seed

from recbole_kd.bridge.checkpoint import load_checkpoint
from recbole_kd.bridge.distilling import make_distilling_trainer
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.data.interactions import positives_of
from recbole_kd.data.loaders import make_loaders
from recbole_kd.distillers.base import Need, Teacher
from recbole_kd.experiments.run import run
from recbole_kd.registry import make_config
from recbole_kd.scoring.build import build_cache
from recbole_kd.scoring.cache import TeacherCache
from recbole_kd.scoring.model_scores import scores_of
from recbole_kd.training.callbacks import Callback
from recbole_kd.training.plan import make_plan

QUIET = {"show_progress": False, "state": "error", "topk": [3], "metrics": ["NDCG", "Recall"], "valid_metric": "NDCG@3"}


class Made:
    """A teacher, a student and a distiller of one method, untrained, on one data set."""

    def __init__(self, method: str, dataset: str, folder: Path | None = None, **values) -> None:
        self.config = make_config(method, dataset, config_dict={**QUIET, **values})
        self.plan = make_plan(self.config)
        self.configs = self.plan.configs
        init_seed(1, True)
        self.dataset = MultiModalDataset(self.config)
        self.loaders = make_loaders(self.configs["student"], self.dataset)
        train = self.loaders.train_part
        of_teacher = self.configs.get("teacher")
        self.teacher = of_teacher and of_teacher.model_class(of_teacher, train)
        self.student = self.configs["student"].model_class(self.configs["student"], train)
        method = self.config.model_class.distiller_class
        self.knowledge = self.taught(method.needs, folder)
        self.distiller = method(self.config, train, [self.knowledge] if self.teacher else [])
        scores = scores_of(self.student)
        self.distiller.begin_epoch(scores, 0)
        self.trainer = make_distilling_trainer(self.configs["student"], self.student, self.distiller, scores)
        self.batch = next(iter(self.loaders.train))

    def taught(self, needs: frozenset[Need], folder: Path | None = None) -> Teacher:
        """What the untrained teacher gives of what is needed."""
        scores = self._cache(folder) if needs & {Need.SCORES, Need.EMBEDDINGS} else None
        return Teacher("teacher", scores, self.teacher if Need.MODEL in needs else None)

    def _cache(self, folder: Path | None) -> TeacherCache:
        return build_cache(
            folder or Path(tempfile.mkdtemp()),
            scores_of(self.teacher),
            positives_of(self.loaders.train_part),
            identity={},
            record={},
            mask_train_positives=self.config["mask_train_positives"],
        )

    def loss(self) -> torch.Tensor:
        """The student's loss of the batch, with the distiller's terms."""
        return self.trainer.add_terms(self.batch, lambda: self.student.calculate_loss(self.batch))

    def step(self) -> None:
        """One optimiser step of the student's training."""
        self.trainer.optimizer.zero_grad()
        losses = self.loss()
        (sum(losses) if isinstance(losses, tuple) else losses).backward()
        self.trainer.optimizer.step()


def taken_up(cut: Made, fresh: Made) -> Made:
    """``fresh`` with what a snapshot of ``cut`` keeps of student, distiller and optimiser."""
    for part in ("student", "distiller"):
        getattr(fresh, part).load_state_dict(copy.deepcopy(getattr(cut, part).state_dict()))
    fresh.trainer.optimizer.load_state_dict(copy.deepcopy(cut.trainer.optimizer.state_dict()))
    fresh.batch = cut.batch
    return fresh


def same_weights(one: Made, other: Made) -> bool:
    """Whether students and distillers have the same parameters to the bit."""
    parts = [(getattr(one, part), getattr(other, part)) for part in ("student", "distiller")]
    return all(
        torch.equal(a, b) for left, right in parts for a, b in zip(left.parameters(), right.parameters(), strict=True)
    )


class DistillerContract:
    method: str
    silent: dict  # the values that switch every term off
    periods: ClassVar[dict] = {}  # values under which something lasts longer than a step

    @pytest.fixture
    def made(self, checkerboard):
        return Made(self.method, checkerboard)

    def test_terms_are_named_finite_scalars_that_teach_the_student(self, made):
        terms = made.distiller(made.trainer.scores, made.batch)
        assert terms
        for term in terms.values():
            assert term.numel() == 1
            assert torch.isfinite(term)
        sum(terms.values()).backward()
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in made.student.parameters())

    def test_the_student_propagates_once_a_step(self, made, monkeypatch):
        """One whose forward takes arguments, such as BPR, has nothing to propagate."""
        calls = []
        forward = type(made.student).forward
        made.trainer.model.train()

        def counted(self, *args, **kwargs):
            calls.append(not args and not kwargs)
            return forward(self, *args, **kwargs)

        monkeypatch.setattr(type(made.student), "forward", counted)
        made.loss()
        assert sum(calls) == (1 if len(inspect.signature(forward).parameters) == 1 else 0)

    def test_without_weights_it_is_the_plain_student_to_the_bit(self, checkerboard):
        values = {**QUIET, "epochs": 3, "baseline": True}
        result = run(self.method, checkerboard, config_dict={**values, **self.silent})
        *_, plain, distilled = (load_checkpoint(stage.checkpoint)["state_dict"] for stage in result.stages)
        assert all(torch.equal(plain[name], distilled[name]) for name in plain)

    def test_the_student_carries_no_trace(self, made, checkerboard):
        result = run(self.method, checkerboard, config_dict={**QUIET, "epochs": 1})
        kept = load_checkpoint(result.stages[-1].checkpoint)["state_dict"]
        assert list(kept) == list(made.student.state_dict())

    def test_a_seeded_run_repeats_to_the_bit(self, checkerboard):
        values = {**QUIET, "epochs": 3, "resume": False}
        first, second = (run(self.method, checkerboard, config_dict=values) for _ in range(2))
        assert first.test == second.test
        assert first.stages[-1].history[-1]["losses"] == second.stages[-1].history[-1]["losses"]

    def test_one_that_is_cut_off_goes_on_to_the_same_figures(self, checkerboard):
        class CutOff(Exception):
            pass

        class Cut(Callback):
            def validated(self, stage, history):
                if stage == "student" and history[-1]["epoch"] == 3:
                    raise CutOff

        values = {**QUIET, "epochs": 5, "snapshot_seconds": 0, **self.periods}
        whole = run(self.method, checkerboard, config_dict={**values, "checkpoint_dir": "whole"}).stages[-1]
        with pytest.raises(CutOff):
            run(self.method, checkerboard, config_dict=values, callbacks=[Cut()])
        again = run(self.method, checkerboard, config_dict=values).stages[-1]
        assert (again.valid, again.test) == (whole.valid, whole.test)
        assert [epoch["losses"] for epoch in again.history] == [epoch["losses"] for epoch in whole.history]

    def test_teacher_parameters_do_not_move(self, made):
        if Need.MODEL not in made.distiller.needs and made.teacher:
            assert not any(True for _ in made.distiller.parameters())
            return
        frozen = {name for name, p in made.teacher.named_parameters() if not p.requires_grad}
        before = copy.deepcopy(made.teacher.state_dict())
        for _ in range(3):
            made.step()
        assert frozen
        assert all(torch.equal(before[name], made.teacher.state_dict()[name]) for name in frozen)
