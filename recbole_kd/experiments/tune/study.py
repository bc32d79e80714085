"""The one file that knows Optuna: a search that outlives a kill, in a file."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from recbole_kd.experiments.tune.ranges import Range
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.kept import Kept, checked
from recbole_kd.foundation.surroundings import CannotWrite, writing

# A small learning rate starts slowly and may end best: in 10 of the 31 searches of docs/benchmarks/multimodal.md the
# best trial was below the median of the others at some time after epoch 10; in one it was in the lowest quarter after
# epoch 30.
WARM_UP_EPOCHS = 30
_LOWEST = 25.0  # per cent of the others
_ENOUGH = 4  # trials to compare with, at any epoch: few reach the late ones

# What Optuna and SQLAlchemy raise of values that are not theirs; ours is a ValueError too
_OF_DAMAGE = (ArithmeticError, AttributeError, LookupError, SQLAlchemyError, TypeError, ValueError)


class _Attributes(Kept):
    identity: dict[str, str] | None = None


class _TrialAttributes(Kept):
    values: dict[str, str | int | float | bool | list[Any] | dict[str, Any] | None] | None = None
    reason: str = ""


Watch = Callable[[list[dict[str, Any]]], None]  # gets a history after each validation; may end it by raising
Evaluate = Callable[[dict[str, Any], Watch], float]


@dataclass(frozen=True)
class Trial:
    """A finished trial; ``state`` is ``complete``, ``pruned`` or ``failed``, and ``reason`` says why it failed."""

    number: int
    state: str
    score: float | None
    values: dict[str, Any]
    reason: str = ""


class Study:
    """The trials of one folder.

    A trial's values depend on the seed and the finished trials alone, so a search that was cut off goes on as if it
    had not been, the trial that was running included.
    """

    def __init__(self, folder: Path, ranges: Mapping[str, Range], metric: str, bigger: bool, seed: int) -> None:
        """Open the study in ``folder``, or make it.

        Args:
            folder: exists, and no other process works in it.
            ranges: what to search, by key.
            metric: the name of the score in a history's ``valid``.
            bigger: whether larger scores are better.
            seed: of the sampler.

        Raises:
            UserError: the file there is damaged or not a study.
        """
        self.metric, self.bigger = metric, bigger
        self._folder, self._ranges, self._seed = folder, ranges, seed
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        path = folder / "study.db"
        damaged = UserError(f"{path} is damaged or not a study of recbole-kd tune; delete it")
        for file in (path, *(path.with_name(f"{path.name}-{more}") for more in ("journal", "wal", "shm"))):
            if file.is_symlink() or (file.exists() and file.stat().st_nlink > 1):  # SQLite would write to what it is
                raise UserError(f"{file} is a link, which is not followed where files are written; remove it")
        try:
            with writing(path), closing(sqlite3.connect(path)) as database:  # SQLAlchemy's own errors are tracebacks
                database.execute("PRAGMA quick_check").fetchall()
                tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if tables and "studies" not in tables:  # of another program
                raise damaged
            with writing(path):
                self._study = optuna.create_study(
                    storage=_storage(path),
                    study_name="tune",
                    direction="maximize" if bigger else "minimize",
                    pruner=optuna.pruners.PercentilePruner(_LOWEST, _ENOUGH, WARM_UP_EPOCHS, n_min_trials=_ENOUGH),
                    load_if_exists=True,
                )
            self._check_content()
        except CannotWrite:  # a disk that is full has damaged nothing
            raise
        except (sqlite3.DatabaseError, optuna.exceptions.OptunaError, RuntimeError, *_OF_DAMAGE):
            raise damaged from None
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):  # of a run that was killed
            self._study.tell(trial.number, state=TrialState.FAIL)

    def _check_content(self) -> None:
        """Read all that is kept and check it against its schema.

        Raises:
            ValueError: something is not what this class has written.
        """
        checked(_Attributes, self._study.user_attrs, self._folder)
        for trial in self._study.get_trials(deepcopy=False):
            checked(_TrialAttributes, trial.user_attrs, self._folder)
            if trial.state == TrialState.COMPLETE and not isinstance(trial.value, float):
                raise ValueError("a score that is none")

    def check(self, identity: Mapping[str, str]) -> None:
        """Keep what the scores depend on, or compare it with what is kept.

        Args:
            identity: digests by what they are of.

        Raises:
            UserError: the folder's study differs, naming the first difference.
        """
        kept = self._study.user_attrs.get("identity")
        if kept is None:
            self._study.set_user_attr("identity", dict(identity))
        elif kept != identity:
            name = next(name for name in identity if kept.get(name) != identity[name])
            raise UserError(f"{self._folder} holds a search of other {name}; give another --study_dir, or delete it")

    @property
    def finished(self) -> list[Trial]:
        """All trials that ended, in their order; those that were cut off are none."""
        trials = [_read(trial) for trial in self._study.get_trials(deepcopy=False)]
        return [Trial(number, *trial) for number, trial in enumerate(filter(None, trials))]

    @property
    def ranked(self) -> list[Trial]:
        """The complete trials, the best first and of equals the earlier."""
        complete = [trial for trial in self.finished if trial.state == "complete"]
        return sorted(complete, key=lambda trial: (trial.score or 0.0) * (-1 if self.bigger else 1))

    def run_trial(self, defaults: Mapping[str, Any], evaluate: Evaluate, prune: bool = True) -> None:
        """Try the next values: the first time the defaults, then what Optuna's TPE suggests.

        Args:
            defaults: a value by key.
            evaluate: from values and what watches a training to the validation score.
            prune: end a training whose best score is in the lowest quarter of the others' at the same epoch.
        """
        finished = self.finished
        self._study.sampler = optuna.samplers.TPESampler(seed=self._seed + len(finished))
        trial, values = self._ask(defaults) if not finished else self._suggested()
        trial.set_user_attr("values", values)
        known = [other.score for other in finished if other.state == "complete" and other.values == values]
        try:
            score = known[0] if known else evaluate(values, self._watch(trial, prune))
            if score is None or not math.isfinite(score):
                raise UserError(f"the validation {self.metric} is {score}")
        except optuna.TrialPruned:
            self._study.tell(trial, state=TrialState.PRUNED)
        except CannotWrite:  # nor could the next trial be written
            raise
        except (UserError, torch.cuda.OutOfMemoryError) as error:
            trial.set_user_attr("reason", " ".join(str(error).split()))
            self._study.tell(trial, state=TrialState.FAIL)
        else:
            self._study.tell(trial, score)

    def _suggested(self) -> tuple[optuna.Trial, dict[str, Any]]:
        trial = self._study.ask()
        return trial, {key: span.suggest(trial, key) for key, span in self._ranges.items()}

    def _ask(self, defaults: Mapping[str, Any]) -> tuple[optuna.Trial, dict[str, Any]]:
        """The trial of the defaults; one outside its range is run, but is no lesson to the sampler."""
        inside = {key: span for key, span in self._ranges.items() if span.holds(defaults[key])}
        if not self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            self._study.enqueue_trial({key: span.kept(defaults[key]) for key, span in inside.items()})
        trial = self._study.ask()
        for key, span in inside.items():
            span.suggest(trial, key)
        return trial, {key: defaults[key] for key in self._ranges}

    def _watch(self, trial: optuna.Trial, prune: bool) -> Watch:
        reported: set[int] = set()

        def watch(history: list[dict[str, Any]]) -> None:
            for entry in history:  # a training that was taken up brings the epochs before
                if "valid" in entry and entry["epoch"] not in reported:
                    reported.add(entry["epoch"])
                    trial.report(entry["valid"][self.metric], entry["epoch"])
            if prune and trial.should_prune():
                raise optuna.TrialPruned

        return watch


def _storage(path: Path) -> optuna.storages.RDBStorage:
    """The file of a study, whatever characters its name has that mean something in an address.

    Each change is a transaction: whole or absent after a kill.
    """

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(path, check_same_thread=False)

    return optuna.storages.RDBStorage("sqlite://", engine_kwargs={"creator": connect, "poolclass": QueuePool})


def _read(trial: FrozenTrial) -> tuple[str, float | None, dict[str, Any], str] | None:
    values: dict[str, Any] = trial.user_attrs.get("values", {})
    reason: str = trial.user_attrs.get("reason", "")
    if trial.state == TrialState.COMPLETE:
        return "complete", trial.value, values, ""
    if trial.state == TrialState.PRUNED:
        return "pruned", trial.value, values, ""
    return ("failed", None, values, reason) if trial.state == TrialState.FAIL and reason else None
