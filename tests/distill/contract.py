"""What every distiller must do; a new one inherits these tests for a few lines."""

import copy
import tempfile
from pathlib import Path

import pytest
import torch
from recbole.utils import init_seed

from recbole_kd.checkpoint import load_checkpoint
from recbole_kd.config import KDConfig
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.data.loaders import make_loaders
from recbole_kd.graph import interaction_matrix
from recbole_kd.pipeline import run, stage_configs
from recbole_kd.scorer import scorer_of
from recbole_kd.teacher.build import build_cache
from recbole_kd.teacher.cache import TeacherCache
from recbole_kd.trainer import KDTrainer

QUIET = {"show_progress": False, "state": "error", "topk": [3], "metrics": ["NDCG", "Recall"], "valid_metric": "NDCG@3"}


class Made:
    """A teacher, a student and a distiller of one method, untrained, on one data set."""

    def __init__(self, method: str, dataset: str, folder: Path | None = None, **values) -> None:
        self.config = KDConfig(method, dataset, config_dict={**QUIET, **values})
        self.configs = stage_configs(self.config)
        init_seed(1, True)
        self.dataset = MultiModalDataset(self.config)
        self.loaders = make_loaders(self.configs["student"], self.dataset)
        train = self.loaders.train._dataset
        of_teacher = self.configs.get("teacher")
        self.teacher = of_teacher and of_teacher.model_class(of_teacher, train)
        self.student = self.configs["student"].model_class(self.configs["student"], train)
        method = self.config.model_class.distiller_class
        self.knowledge = self._cache(folder) if method.learns_from == "scores" else self.teacher
        self.distiller = method(self.config, train, [self.knowledge] if self.teacher else [])
        self.distiller.begin_epoch(scorer_of(self.student), 0)
        self.trainer = KDTrainer(self.configs["student"], self.student, self.distiller)
        self.batch = next(iter(self.loaders.train))

    def _cache(self, folder: Path | None) -> TeacherCache:
        train = self.loaders.train._dataset
        pairs = (train.inter_feat[field].numpy() for field in (train.uid_field, train.iid_field))
        return build_cache(
            folder or Path(tempfile.mkdtemp()),
            scorer_of(self.teacher),
            interaction_matrix(*pairs, train.user_num, train.item_num),
            identity={},
            record={},
            mask_train_positives=self.config["mask_train_positives"],
        )

    def step(self) -> None:
        """One optimiser step of the student's training."""
        self.trainer.optimizer.zero_grad()
        losses = self.trainer._losses(self.batch)
        (sum(losses) if isinstance(losses, tuple) else losses).backward()
        self.trainer.optimizer.step()


class DistillerContract:
    method: str
    silent: dict  # the values that switch every term off

    @pytest.fixture
    def made(self, checkerboard):
        return Made(self.method, checkerboard)

    def test_terms_are_named_finite_scalars_that_teach_the_student(self, made):
        terms = made.distiller(made.trainer.scorer, made.batch)
        assert terms
        for term in terms.values():
            assert term.numel() == 1
            assert torch.isfinite(term)
        sum(terms.values()).backward()
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in made.student.parameters())

    def test_the_student_propagates_once_a_step(self, made, monkeypatch):
        calls = []
        forward = type(made.student).forward
        made.trainer.model.train()
        monkeypatch.setattr(type(made.student), "forward", lambda self: calls.append(1) or forward(self))
        made.trainer._losses(made.batch)
        assert len(calls) == 1

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

    def test_teacher_parameters_do_not_move(self, made):
        if made.distiller.learns_from == "scores":
            assert not any(True for _ in made.distiller.parameters())
            return
        frozen = {name for name, p in made.teacher.named_parameters() if not p.requires_grad}
        before = copy.deepcopy(made.teacher.state_dict())
        for _ in range(3):
            made.step()
        assert frozen
        assert all(torch.equal(before[name], made.teacher.state_dict()[name]) for name in frozen)
