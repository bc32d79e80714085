"""RecBole's trainers with safe checkpoints and a history."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from recbole.trainer import PretrainTrainer, Trainer
from recbole.utils import get_trainer
from torch import Tensor, nn

from recbole_kd.bridge.checkpoint import load_checkpoint, save_checkpoint
from recbole_kd.bridge.collector import LeanCollector
from recbole_kd.bridge.events import Events, own_events
from recbole_kd.bridge.recbole import AbstractRecommender
from recbole_kd.bridge.snapshots import SnapshotMixin
from recbole_kd.bridge.ticks import ticking
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.plain import plain_values
from recbole_kd.ops.lazy_adam import LazyAdam, can_be_fused
from recbole_kd.ops.row_gradients import ask_for_rows

History = list[dict[str, Any]]


class SafeTrainerMixin(SnapshotMixin):
    """Checkpoints of plain tensors and plain values, written whole or not at all, read without running code.

    Mixed into RecBole's trainers; keeps ``history``, one dict an epoch: ``{"epoch", "seconds", "losses", "valid"}``.
    With :meth:`use_snapshots` a training that is cut off goes on as if it had not been.
    """

    on_progress: Callable[[float], object] | None = None  # gets the epochs done, parts of one included
    on_validation: Callable[[History], object] | None = None  # gets the history; may end the training by raising

    tensorboard: Events  # RecBole's has no name of the run, and a thread that ends in tracebacks
    _trajectory: tuple[Path, int] | None = None

    def __init__(self, config: Any, model: AbstractRecommender, *args: Any, **kwargs: Any) -> None:
        self.history: History = []
        with own_events(config):
            super().__init__(config, model, *args, **kwargs)
        self.eval_collector = LeanCollector(config)

    def _build_optimizer(self, **kwargs: Any) -> torch.optim.Optimizer:
        """RecBole's optimiser; Adam in PyTorch's fused form, equal up to rounding and several times as fast.

        With ``lazy_adam`` tables of embeddings give the gradients of the rows that a batch reads, and no others move.
        """
        optimizer = super()._build_optimizer(**kwargs)
        if type(optimizer) not in (torch.optim.Adam, torch.optim.AdamW):
            return optimizer
        groups = optimizer.param_groups
        if self.config["lazy_adam"]:
            for module in self.model.modules():
                if isinstance(module, nn.Embedding):
                    ask_for_rows(module)
            return LazyAdam({key: group[key] for key in ("params", "lr")} for group in groups)
        if all(can_be_fused(parameter) for group in groups for parameter in group["params"]):
            optimizer = type(optimizer)([{**group, "fused": True} for group in groups], fused=True)
        return optimizer

    def use_stage(self, checkpoint: Path, stage: str | None) -> None:
        """Write checkpoints to ``checkpoint``, and TensorBoard's events to a folder of this stage if it has a name."""
        self.saved_model_file = str(checkpoint)
        if stage is None:
            return
        self.tensorboard.close()
        self.tensorboard = Events(str(Path(self.tensorboard.log_dir) / stage))

    def keep_trajectory(self, folder: Path, every: int) -> None:
        """Write the model as it is after every n-th epoch into ``folder``, one checkpoint each, ``00010.pth``."""
        self._trajectory = (folder, every)

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
        """RecBole's evaluation, with the checkpoint read by the safe loader.

        The best weights are loaded even if there is nothing to evaluate, as in a stage that stock RecBole will test.
        """
        if load_best_model:
            path = model_file or self.saved_model_file
            checkpoint = load_checkpoint(path, self.device)
            self.model.load_state_dict(checkpoint["state_dict"])
            self.model.load_other_parameter(checkpoint["other_parameter"])
            self.logger.info(f"Loading model structure and parameters from {path}")
        own_bar = show_progress and self.on_progress is None
        return super().evaluate(eval_data, load_best_model=False, show_progress=own_bar)

    def _train_epoch(self, train_data: Any, epoch_idx: int, *args: Any, **kwargs: Any) -> Any:
        self._snapshot_if_due(epoch_idx)
        start = time.perf_counter()
        self._begin_epoch(epoch_idx)
        tell = self.on_progress
        with ticking(tell and (lambda part: tell(epoch_idx + part))):
            losses = super()._train_epoch(train_data, epoch_idx, *args, **kwargs)
        seconds = time.perf_counter() - start
        self.history.append({"epoch": epoch_idx, "seconds": seconds, "losses": self._mean_losses(losses, train_data)})
        if tell:
            tell(epoch_idx + 1)
        if self._trajectory and (epoch_idx + 1) % self._trajectory[1] == 0:
            save_checkpoint(self._trajectory[0] / f"{epoch_idx + 1:05d}.pth", self.model, {}, epoch=epoch_idx)
        return losses

    def _mean_losses(self, losses: float | tuple[float, ...], train_data: Any) -> dict[str, float]:
        """The mean of a batch of each loss term, from an epoch's sums."""
        sums = (
            {f"loss_{n + 1}": loss for n, loss in enumerate(losses)} if isinstance(losses, tuple) else {"loss": losses}
        )
        return {name: value / max(len(train_data), 1) for name, value in sums.items()}

    def _valid_epoch(self, valid_data: Any, show_progress: bool = False) -> tuple[float, dict[str, float]]:
        score, result = super()._valid_epoch(valid_data, show_progress=show_progress)
        if self.history:
            self.history[-1]["valid"] = plain_values(dict(result))
        if self.on_validation:
            self.on_validation(self.history)
        return score, result

    def _check_nan(self, loss: Tensor) -> None:
        try:
            super()._check_nan(loss)
        except ValueError:
            raise UserError(f"the training loss of {self.config['model']} is NaN; lower learning_rate") from None

    def seconds_per_epoch(self) -> float | None:
        """Median training seconds an epoch, the first left out where there are more; None without any."""
        seconds = [entry["seconds"] for entry in self.history]
        return float(median(seconds[1:] or seconds)) if seconds else None


def trainer_class(config: Any, mixins: Sequence[type]) -> Any:
    """RecBole's own trainer of a model, with ``mixins`` before it."""
    base = get_trainer(config["MODEL_TYPE"], config["model"])
    missing = tuple(mixin for mixin in mixins if not issubclass(base, mixin))  # after register() it has some
    return type(f"Safe{base.__name__}", (*missing, base), {}) if missing else base


def own_trainer(config: Any) -> str:
    """The name of the trainer that RecBole has for this model alone, ``""`` where it is everybody's."""
    base = get_trainer(config["MODEL_TYPE"], config["model"])
    return "" if base is Trainer or issubclass(base, SafeTrainerMixin) else base.__name__


def make_trainer(config: Any, model: nn.Module) -> Any:
    """RecBole's own trainer of ``model``, with safe checkpoints."""
    return trainer_class(config, [SafeTrainerMixin])(config, model)


def unfinished_training(config: Any) -> str:
    """Why a model is not trained for its task under these settings, ``""`` where it is: RaCT is pre-trained first."""
    base = get_trainer(config["MODEL_TYPE"], config["model"])
    if issubclass(base, PretrainTrainer) and config["train_stage"] != "finetune":
        return (
            f"{config['model']} is only pre-trained under train_stage={config['train_stage']}; pre-train it alone, "
            "then set train_stage=finetune and pre_model_path"
        )
    return ""
