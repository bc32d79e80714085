"""RecBole's trainer with safe checkpoints, a history, and a distiller's loss terms."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import torch
from recbole.data.interaction import Interaction
from recbole.model.abstract_recommender import AbstractRecommender
from recbole.trainer import Trainer
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from recbole_kd.checkpoint import load_checkpoint, plain_values, save_checkpoint
from recbole_kd.collector import LeanCollector
from recbole_kd.distill.base import Distiller


@contextmanager
def propagate_once(model: AbstractRecommender) -> Iterator[None]:
    """Within the block, every call of ``model.forward()`` without arguments returns the first one's tensors.

    A graph student's forward is its propagation, so the base loss and all distillation losses share one pass and
    one backward. Models whose forward takes arguments are left alone.
    """
    forward = model.forward
    kept: list[Any] = []

    def once(*args: Any, **kwargs: Any) -> Any:
        if args or kwargs:
            return forward(*args, **kwargs)
        if not kept:
            kept.append(forward())
        return kept[0]

    model.forward = once
    try:
        yield
    finally:
        del model.forward


class SafeTrainerMixin:
    """Checkpoints of plain tensors and plain values, written whole or not at all, read without running code.

    Mixed into RecBole's trainers; keeps ``history``, one dict an epoch: ``{"epoch", "seconds", "losses", "valid"}``.
    """

    # what RecBole's trainer has and this mixin reads
    model: AbstractRecommender
    config: Any
    logger: logging.Logger
    optimizer: torch.optim.Optimizer
    tensorboard: SummaryWriter
    device: torch.device
    saved_model_file: str
    valid_metric: str
    cur_step: int
    best_valid_score: float

    def __init__(self, config: Any, model: AbstractRecommender, *args: Any, **kwargs: Any) -> None:
        self.history: list[dict[str, Any]] = []
        super().__init__(config, model, *args, **kwargs)  # type: ignore[call-arg]
        self.eval_collector = LeanCollector(config)

    def use_stage(self, checkpoint: Path, stage: str | None) -> None:
        """Write checkpoints to ``checkpoint``, and TensorBoard's events to a folder of this stage if it has a name."""
        self.saved_model_file = str(checkpoint)
        if stage is None:
            return
        self.tensorboard.close()
        self.tensorboard = SummaryWriter(str(Path(self.tensorboard.log_dir) / stage))

    def _save_checkpoint(self, epoch: int, verbose: bool = True, **kwargs: Any) -> None:
        path = kwargs.pop("saved_model_file", self.saved_model_file)
        save_checkpoint(
            path,
            self.model,
            config=self.config.final_config_dict,
            epoch=epoch,
            cur_step=self.cur_step,
            best_valid_score=float(self.best_valid_score),
            optimizer=self.optimizer.state_dict(),
        )
        if verbose:
            self.logger.info(f"Saving current: {path}")

    def save_pretrained_model(self, epoch: int, saved_model_file: str) -> None:
        """RaCT's pre-training, which RecBole saves by a route of its own."""
        self._save_checkpoint(epoch, verbose=False, saved_model_file=saved_model_file)
        self.saved_model_file = saved_model_file

    def fresh_start(self) -> dict[str, Any]:
        """What RecBole's ``resume_checkpoint`` asks of a finished model; its optimiser starts afresh there."""
        return {
            "epoch": len(self.history) - 1,
            "cur_step": 0,
            "best_valid_score": float(self.best_valid_score),
            "optimizer": {"state": {}, "param_groups": self.optimizer.state_dict()["param_groups"][:1]},
        }

    def evaluate(
        self, eval_data: Any, load_best_model: bool = True, model_file: str | None = None, show_progress: bool = False
    ) -> dict[str, float]:
        """RecBole's evaluation, with the checkpoint read by the safe loader."""
        if eval_data and load_best_model:
            path = model_file or self.saved_model_file
            checkpoint = load_checkpoint(path, self.device)
            self.model.load_state_dict(checkpoint["state_dict"])
            self.model.load_other_parameter(checkpoint["other_parameter"])
            self.logger.info(f"Loading model structure and parameters from {path}")
        return super().evaluate(eval_data, load_best_model=False, show_progress=show_progress)  # type: ignore[misc]

    def _train_epoch(self, train_data: Any, epoch_idx: int, *args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        losses = super()._train_epoch(train_data, epoch_idx, *args, **kwargs)  # type: ignore[misc]
        named = dict(zip(self.loss_names(losses), losses if isinstance(losses, tuple) else (losses,), strict=True))
        batches = max(len(train_data), 1)
        self.history.append(
            {
                "epoch": epoch_idx,
                "seconds": time.perf_counter() - start,
                "losses": {name: value / batches for name, value in named.items()},
            }
        )
        return losses

    def _valid_epoch(self, valid_data: Any, show_progress: bool = False) -> tuple[float, dict[str, float]]:
        score, result = super()._valid_epoch(valid_data, show_progress=show_progress)  # type: ignore[misc]
        if self.history:
            self.history[-1]["valid"] = plain_values(dict(result))
        return score, result

    def loss_names(self, losses: float | tuple[float, ...]) -> tuple[str, ...]:
        """The names of an epoch's loss terms, as many as ``losses`` has."""
        return tuple(f"loss_{n + 1}" for n in range(len(losses))) if isinstance(losses, tuple) else ("loss",)

    def seconds_per_epoch(self) -> float:
        """Median training seconds an epoch, the first left out where there are more."""
        seconds = [entry["seconds"] for entry in self.history]
        return float(median(seconds[1:] or seconds or [math.nan]))


class KDTrainer(SafeTrainerMixin, Trainer):
    """Trains a student on its own loss plus the named terms of a distiller."""

    def __init__(self, config: Any, model: AbstractRecommender, distiller: Distiller) -> None:
        """Args:
        config: the student's config.
        model: the student.
        distiller: supplies the terms; its trainable parameters join the optimiser.
        """
        self.distiller = distiller
        self._names: tuple[str, ...] = ()
        super().__init__(config, model)

    def _build_optimizer(self, **kwargs: Any) -> torch.optim.Optimizer:
        groups: list[dict[str, Any]] = [{"params": list(self.model.parameters())}]
        groups += self.distiller.parameter_groups()
        return super()._build_optimizer(params=groups, **kwargs)

    def _train_epoch(
        self,
        train_data: Any,
        epoch_idx: int,
        loss_func: Callable[[Interaction], Any] | None = None,
        show_progress: bool = False,
    ) -> Any:
        self.distiller.train()
        self.distiller.begin_epoch(self.model, epoch_idx)
        return super()._train_epoch(train_data, epoch_idx, loss_func or self._losses, show_progress=show_progress)

    def _losses(self, batch: Interaction) -> Tensor | tuple[Tensor, ...]:
        with propagate_once(self.model):
            base = self.model.calculate_loss(batch)
            base = {"base": sum(base) if isinstance(base, tuple) else base}
            terms = base | self.distiller(self.model, batch)
        self._names = tuple(terms)
        return tuple(terms.values()) if len(terms) > 1 else terms["base"]

    def loss_names(self, losses: float | tuple[float, ...]) -> tuple[str, ...]:
        """``base`` and the distiller's own names."""
        return self._names or super().loss_names(losses)

    def _generate_train_loss_output(self, epoch_idx: int, s_time: float, e_time: float, losses: Any) -> str:
        if not isinstance(losses, tuple):
            return super()._generate_train_loss_output(epoch_idx, s_time, e_time, losses)
        terms = ", ".join(f"{name}: {loss:.4f}" for name, loss in zip(self._names, losses, strict=True))
        return f"epoch {epoch_idx} training [time: {e_time - s_time:.2f}s, {terms}]"

    def _add_train_loss_to_tensorboard(self, epoch_idx: int, losses: Any, tag: str = "Loss/Train") -> None:
        values = losses if isinstance(losses, tuple) else (losses,)
        for name, loss in zip(self.loss_names(losses), values, strict=True):
            self.tensorboard.add_scalar(f"{tag}/{name}", loss, epoch_idx)

    def _valid_epoch(self, valid_data: Any, show_progress: bool = False) -> tuple[float, dict[str, float]]:
        score, result = super()._valid_epoch(valid_data, show_progress=show_progress)
        if self.distiller.teacher_changes and self.history:
            teacher = self._evaluate_teacher(valid_data)
            self.history[-1]["teacher_valid"] = plain_values(dict(teacher))
            epoch, metric = self.history[-1]["epoch"], self.valid_metric
            self.tensorboard.add_scalar("Teacher_valid_score", teacher[metric], epoch)
            self.logger.info(f"epoch {epoch} prompted teacher's own {metric}: {teacher[metric]:.4f}")
        return score, result

    def _evaluate_teacher(self, valid_data: Any) -> dict[str, float]:
        """Score the teacher as it now stands, through the same evaluator."""
        student, self.model = self.model, self.distiller.teacher
        try:
            return self.evaluate(valid_data, load_best_model=False)
        finally:
            self.model = student
