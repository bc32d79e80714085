"""Snapshots of all that a training changes, so that one that is cut off goes on as if it had not been."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from recbole.trainer import Trainer
from torch import nn

from recbole_kd.bridge.checkpoint import load_state, save_state
from recbole_kd.bridge.loose_values import LooseValues
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.files import replacing
from recbole_kd.foundation.plain import plain_values
from recbole_kd.foundation.random_states import random_states, set_random_states

# To a type checker this mixin is a trainer of RecBole's; what it is mixed into is one.
_Base: Any = Trainer if TYPE_CHECKING else object


class SnapshotMixin(_Base):
    """Snapshots between epochs, mixed into a trainer with a ``history``."""

    history: list[dict[str, Any]]
    model: Any  # RecBole's
    _snapshot: Path | None = None
    _snapshot_at: float
    _loose: dict[str, LooseValues]
    _generators: list[torch.Generator]

    def use_snapshots(self, path: Path, generators: Iterable[torch.Generator]) -> bool:
        """Write all that training changes to ``path`` between epochs, at least ``snapshot_seconds`` apart.

        Args:
            path: one file, always replaced whole.
            generators: of the loaders that ``fit`` and the test read.

        Returns:
            False, and none is written, if this trainer has a ``fit`` of its own with states that nobody knows.
        """
        if type(self).fit is not Trainer.fit:
            return False
        self._snapshot, self._snapshot_at = path, time.monotonic()
        self._loose = {name: LooseValues(part) for name, part in self.parts().items()}
        self._generators = list(generators)
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
        state = load_state(self._snapshot)
        try:
            self._restore(state)
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError):
            raise UserError(f"{self._snapshot} does not fit this training; delete it") from None
        return int(state["epoch"])

    def parts(self) -> dict[str, nn.Module]:
        """What training changes."""
        return {"model": self.model}

    def _part_states(self) -> dict[str, dict[str, Any]]:
        return {name: part.state_dict() for name, part in self.parts().items()}

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
        for name, part in self.parts().items():
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

    def _snapshot_if_due(self, epoch: int) -> None:
        """Called before an epoch: RecBole is then done with all of the one before, early stopping included."""
        due = self._snapshot is not None and time.monotonic() - self._snapshot_at >= self.config["snapshot_seconds"]
        if due and epoch > self.start_epoch:
            self._save_snapshot(epoch - 1)


def with_new_names(state: Mapping[str, Any], part: str, renamed: Mapping[str, str]) -> dict[str, Any]:
    """A snapshot of an earlier release, whose modules had other names.

    Args:
        state: as it was saved; one of today stays as it is.
        part: what ``renamed`` is about.
        renamed: today's name of a submodule by the former one.
    """

    def today(path: str) -> str:
        first, dot, rest = path.partition(".")
        return f"{renamed.get(first, first)}{dot}{rest}"

    parts = {today(name): value for name, value in state["parts"][part].items()}
    loose = {(today(path), name): value for (path, name), value in state["loose"][part].items()}
    return {**state, "parts": {**state["parts"], part: parts}, "loose": {**state["loose"], part: loose}}
