"""RecBole's trainer with safe checkpoints, a history, and a distiller's loss terms."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import torch
from recbole.data.interaction import Interaction
from recbole.model.abstract_recommender import AbstractRecommender
from recbole.trainer import Trainer
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from recbole_kd.checkpoint import (
    LooseValues,
    load_checkpoint,
    plain_values,
    random_states,
    save_checkpoint,
    save_state,
    set_random_states,
)
from recbole_kd.collector import LeanCollector
from recbole_kd.distill.base import Distiller
from recbole_kd.errors import UserError
from recbole_kd.files import replacing
from recbole_kd.scorer import scorer_of

Watch = Callable[[list[dict[str, Any]]], None]  # gets a history after each validation; may end the run by raising


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
    With :meth:`use_snapshots` a training that is cut off goes on as if it had not been.
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
    start_epoch: int
    cur_step: int
    best_valid_score: float
    best_valid_result: dict[str, float] | None
    train_loss_dict: dict[int, float]

    watch: Watch | None = None
    _snapshot: Path | None = None
    _snapshot_at: float
    _loose: dict[str, LooseValues]
    _generators: list[torch.Generator]

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

    def use_snapshots(self, path: Path, loaders: Iterable[Any]) -> bool:
        """Write all that training changes to ``path`` between epochs, at least ``snapshot_seconds`` apart.

        Args:
            path: one file, always replaced whole.
            loaders: those that ``fit`` and the test read; None among them is left out.

        Returns:
            False, and none is written, if this trainer has a ``fit`` of its own with states that nobody knows.
        """
        if type(self).fit is not Trainer.fit:  # type: ignore[attr-defined]
            return False
        self._snapshot, self._snapshot_at = path, time.monotonic()
        self._loose = {name: LooseValues(part) for name, part in self._parts().items()}
        self._generators = [loader.generator for loader in loaders if loader is not None]
        return True

    def take_up(self) -> int | None:
        """Restore the snapshot that a training which was cut off left, best checkpoint and random states included.

        Returns:
            The last epoch that it holds; None if there is no snapshot.

        Raises:
            UserError: the file is damaged or of another program.
        """
        if self._snapshot is None or not self._snapshot.is_file():
            return None
        state = load_checkpoint(self._snapshot)
        try:
            self._restore(state)
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError):
            raise UserError(f"{self._snapshot} does not fit this training; delete it") from None
        return int(state["epoch"])

    def _parts(self) -> dict[str, nn.Module]:
        """What training changes."""
        return {"model": self.model}

    def _part_states(self) -> dict[str, dict[str, Any]]:
        return {name: part.state_dict() for name, part in self._parts().items()}

    def _optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Each once, by the last of its names: RecVAE's ``optimizer`` is now one, now the other of its two."""
        found = {id(value): name for name, value in vars(self).items() if isinstance(value, torch.optim.Optimizer)}
        return {name: getattr(self, name) for name in found.values()}

    def _save_snapshot(self, epoch: int) -> None:
        """Write the state after ``epoch``.

        The best checkpoint is part of it: a run that is killed later may have replaced the file by then, and the one
        that goes on need not come to the same weights where arithmetic does not repeat (CUDA).
        """
        assert self._snapshot is not None
        best = Path(self.saved_model_file)
        state = {
            "epoch": epoch,
            "cur_step": self.cur_step,
            "best_valid_score": float(self.best_valid_score),
            "best_valid_result": self.best_valid_result and plain_values(dict(self.best_valid_result)),
            "train_loss_dict": {number: plain_values(loss) for number, loss in self.train_loss_dict.items()},
            "history": plain_values(self.history),
            "parts": self._part_states(),
            "loose": {name: values.changed() for name, values in self._loose.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self._optimizers().items()},
            "generators": [generator.get_state() for generator in self._generators],
            "random": random_states(),
            "best": torch.from_file(str(best), size=best.stat().st_size, dtype=torch.uint8) if best.is_file() else None,
        }
        save_state(self._snapshot, state)
        self._snapshot_at = time.monotonic()

    def _restore(self, state: Mapping[str, Any]) -> None:
        for name, part in self._parts().items():
            part.load_state_dict(part.state_dict() | state["parts"][name])
            self._loose[name].restore(state["loose"][name], self.device)
        for name, values in state["optimizers"].items():
            getattr(self, name).load_state_dict(values)
        for generator, values in zip(self._generators, state["generators"], strict=True):
            generator.set_state(values)
        self.start_epoch, self.cur_step = state["epoch"] + 1, state["cur_step"]
        self.best_valid_score, self.best_valid_result = state["best_valid_score"], state["best_valid_result"]
        self.train_loss_dict, self.history = state["train_loss_dict"], state["history"]
        if state["best"] is not None:
            with replacing(self.saved_model_file) as stream:
                stream.write(state["best"].numpy())
        set_random_states(state["random"])

    def _begin_epoch(self, epoch: int) -> None:
        """Called before each epoch, after the snapshot."""

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
        due = self._snapshot is not None and time.monotonic() - self._snapshot_at >= self.config["snapshot_seconds"]
        if due and epoch_idx > self.start_epoch:
            self._save_snapshot(epoch_idx - 1)  # here RecBole is done with all of that epoch, early stopping included
        start = time.perf_counter()
        self._begin_epoch(epoch_idx)
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
        if self.watch:
            self.watch(self.history)
        return score, result

    def _check_nan(self, loss: Tensor) -> None:
        try:
            super()._check_nan(loss)  # type: ignore[misc]
        except ValueError:
            raise UserError(f"the training loss of {self.config['model']} is NaN; lower learning_rate") from None

    def loss_names(self, losses: float | tuple[float, ...]) -> tuple[str, ...]:
        """The names of an epoch's loss terms, as many as ``losses`` has."""
        return tuple(f"loss_{n + 1}" for n in range(len(losses))) if isinstance(losses, tuple) else ("loss",)

    def seconds_per_epoch(self) -> float | None:
        """Median training seconds an epoch, the first left out where there are more; None without any."""
        seconds = [entry["seconds"] for entry in self.history]
        return float(median(seconds[1:] or seconds)) if seconds else None


class KDTrainer(SafeTrainerMixin, Trainer):
    """Trains a student on its own loss plus the named terms of a distiller."""

    def __init__(self, config: Any, model: AbstractRecommender, distiller: Distiller) -> None:
        """Args:
        config: the student's config.
        model: the student.
        distiller: supplies the terms; its trainable parameters join the optimiser.
        """
        self.distiller = distiller
        self.scorer = scorer_of(model)
        self._names: tuple[str, ...] = ()
        super().__init__(config, model)

    def _build_optimizer(self, **kwargs: Any) -> torch.optim.Optimizer:
        groups: list[dict[str, Any]] = [{"params": list(self.model.parameters())}]
        groups += self.distiller.parameter_groups()
        return super()._build_optimizer(params=groups, **kwargs)

    def _parts(self) -> dict[str, nn.Module]:
        return {**super()._parts(), "distiller": self.distiller}

    def _part_states(self) -> dict[str, dict[str, Any]]:
        """Without the frozen parameters of teachers, which lie in checkpoints of their own."""
        states = super()._part_states()
        for name, parameter in self.distiller.named_parameters():
            if name.startswith("teacher") and not parameter.requires_grad:
                del states["distiller"][name]
        return states

    def _begin_epoch(self, epoch: int) -> None:
        self.distiller.train()
        self.model.eval()
        self.distiller.begin_epoch(self.scorer, epoch)

    def _train_epoch(
        self,
        train_data: Any,
        epoch_idx: int,
        loss_func: Callable[[Interaction], Any] | None = None,
        show_progress: bool = False,
    ) -> Any:
        losses = super()._train_epoch(train_data, epoch_idx, loss_func or self._losses, show_progress=show_progress)
        if self.distiller.diagnostics:
            self._note(epoch_idx, plain_values(self.distiller.diagnostics))
        return losses

    def _note(self, epoch: int, diagnostics: dict[str, Any]) -> None:
        """Keep what the distiller found in the history, and its plain numbers in the log and TensorBoard too."""
        self.history[-1]["diagnostics"] = diagnostics
        numbers = {name: value for name, value in diagnostics.items() if isinstance(value, float)}
        for name, value in numbers.items():
            self.tensorboard.add_scalar(f"Distiller/{name}", value, epoch)
        self.logger.info(f"epoch {epoch} " + ", ".join(f"{name}: {value:.4f}" for name, value in numbers.items()))

    def _losses(self, batch: Interaction) -> Tensor | tuple[Tensor, ...]:
        with propagate_once(self.model):
            base = self.model.calculate_loss(batch)
            base = {"base": sum(base) if isinstance(base, tuple) else base}
            terms = base | self.distiller(self.scorer, batch)
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
        teachers = self.distiller.changing_teachers() if self.history else {}
        found = {name: self._evaluate_teacher(teacher, valid_data) for name, teacher in teachers.items()}
        if found:
            self.history[-1]["teachers_valid"] = plain_values(found)
            epoch, metric = self.history[-1]["epoch"], self.valid_metric
            scores = {name: values[metric] for name, values in found.items()}
            for name, value in scores.items():
                self.tensorboard.add_scalar(f"Teacher_valid_score/{name}", value, epoch)
            told = ", ".join(f"{name}: {value:.4f}" for name, value in scores.items())
            self.logger.info(f"epoch {epoch} teachers' own {metric}: {told}")
            self.distiller.validated(scores)
        return score, result

    def _evaluate_teacher(self, teacher: nn.Module, valid_data: Any) -> dict[str, float]:
        """Score a teacher as it now stands, through the same evaluator."""
        student, self.model = self.model, teacher
        try:
            return dict(self.evaluate(valid_data, load_best_model=False))
        finally:
            self.model = student
