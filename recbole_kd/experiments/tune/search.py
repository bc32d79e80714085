"""A whole search: ranges, study, trials, output."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from recbole_kd.bridge.config import KDConfig
from recbole_kd.data.identity import data_digest
from recbole_kd.data.loaders import check_evaluation, make_loaders
from recbole_kd.evaluation.protocol import protocol_of
from recbole_kd.experiments.run import run
from recbole_kd.experiments.tune.keys import default_of, held_values, reaches_teacher
from recbole_kd.experiments.tune.options import TuneSettings, read_words
from recbole_kd.experiments.tune.output import best_table, command_line, write_best, write_trials
from recbole_kd.experiments.tune.ranges import read_ranges
from recbole_kd.foundation.bars import tqdm
from recbole_kd.foundation.digest import sha256_of_values
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.files import alone_in
from recbole_kd.foundation.surroundings import writing
from recbole_kd.registry import make_config
from recbole_kd.training.callbacks import Callback
from recbole_kd.training.hearing import check_outputs
from recbole_kd.training.plan import make_plan, study_folder
from recbole_kd.training.run import open_data

if TYPE_CHECKING:
    from recbole_kd.experiments.tune.study import Study, Watch

_SHOWN = 5


class Found(NamedTuple):
    """What a search has found.

    Attributes:
        best: the values of the best trial, by key.
        score: its validation score.
        best_file: the YAML file that holds them, for ``config_file_list`` and ``--config_files``.
        trials_file: all trials as CSV.
        text: the best trials as a table, and the command that uses the best one.
    """

    best: dict[str, Any]
    score: float
    best_file: Path
    trials_file: Path
    text: str


def tune(
    words: Sequence[str], config_files: Sequence[str] = (), begin: Callable[[KDConfig], object] = lambda config: None
) -> Found:
    """Search the best values on the validation part.

    A search that was cut off goes on, to as many trials as are asked for in all.

    Args:
        words: command-line words ``--key=value``; a key given here is not searched, unless ``--search`` names it too.
        config_files: YAML files.
        begin: gets the config when all settings are checked, to start a log.

    Raises:
        UserError: something that the user can mend, or that no trial ended well.
    """
    if find_spec("optuna") is None:
        raise UserError("tune needs Optuna; install it with: pip install 'recbole-kd[tune]'")
    from recbole_kd.experiments.tune.study import Study

    search = Search(words, config_files)
    config = search.config
    with alone_in(search.folder, "tune", "--study_dir"), writing(search.folder / "study.db"):
        study = Study(search.folder, search.ranges, search.metric, config["valid_metric_bigger"], config["seed"])
        begin(config)
        study.check(search.identity())
        search.run(study)
        return search.found(study)


class Search:
    """What is searched, where it is kept, and how one trial is run."""

    def __init__(self, words: Sequence[str], config_files: Sequence[str] = ()) -> None:
        """Check everything that can be checked before data is read; the arguments are those of :func:`tune`.

        Raises:
            UserError: something in the arguments or the config that the user can mend.
        """
        self._words, self._config_files = words, config_files
        self._settings, self._values = read_words(words, config_files)
        self.config = config = make_config(config_file_list=config_files, config_dict=self._values)
        self._plan = plan = make_plan(config)
        check_outputs(config)
        given = config["search"] or {}
        held = {key: None for key in self._values if key not in given}
        if config["lazy_adam"]:
            held["weight_decay"] = None  # which it does not go with
        student = plan.result.config.model if plan.distiller else None
        self.ranges = read_ranges(config.model, student, {**held, **given})
        self._defaults = {key: default_of(key, plan) for key in self.ranges}
        of_teacher = [key for key in self.ranges if reaches_teacher(key, plan)]
        self._keeps_teachers = not of_teacher
        if of_teacher and config["cache_dir"]:
            raise UserError(f"search: {of_teacher[0]} is of the teacher, whose scores cache_dir holds; leave one out")
        if not config["epochs"] or not config["eval_step"]:
            raise UserError("tune needs a validation score; set epochs and eval_step to 1 or more")
        self.metric: str = config["valid_metric"].lower()
        self._title = f"{config.model} on {config.dataset}"
        self.folder = Path(self._settings.study_dir or study_folder(config))
        self.best_file = self.folder / "best.yaml"
        self._scratch = self.folder / "running"

    def identity(self) -> dict[str, str]:
        """Digests of all that a score depends on; reading the data also finds what is wrong with it at once."""
        config = self.config
        data = open_data(config)
        for stage_config in self._plan.configs.values():
            check_evaluation(stage_config, data)
        last = self._plan.result
        parts = {
            "ranges": {key: span.public() for key, span in self.ranges.items()},
            "data": [config.dataset, data_digest(make_loaders(last.config, data), last.model)],
            "settings": [config.model, *self._plan.identity()],
        }
        return {name: sha256_of_values(part)[:12] for name, part in parts.items()}

    def run(self, study: Study) -> None:
        """Run the trials that are left, and write after each what is known by then."""
        done, shown = len(study.finished), self.config["show_progress"]
        total = max(self._settings.trials, done)
        with tqdm(total=total, initial=done, desc=self._title, unit="trial", disable=not shown) as bar:
            bar.set_postfix_str(self._write(study))
            for _ in range(done, total):
                study.run_trial(self._defaults, self._score, self._settings.prune)
                self._clear()
                bar.set_postfix_str(self._write(study), refresh=False)
                bar.update()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def found(self, study: Study) -> Found:
        """The best trials and the command that uses the best one.

        Raises:
            UserError: there is none.
        """
        ranked, metric = study.ranked, self.config["valid_metric"]
        if not ranked:
            raise UserError(f"all {len(study.finished)} trials failed, the first because: {study.finished[0].reason}")
        dropped = {*self.ranges, *TuneSettings.model_fields, "search"}
        words = [word for word in self._words if word.removeprefix("--").partition("=")[0] not in dropped]
        trials, mode = self.folder / "trials.csv", protocol_of(self.config.final_config_dict, "valid").heading
        text = (
            f"{self._title}, {len(study.finished)} trials, the best by validation {metric}{mode}\n"
            f"{best_table(ranked[:_SHOWN], metric)}\n\nall trials: {trials}\n"
            f"{command_line(words, [*self._config_files, str(self.best_file)])}"
        )
        best = ranked[0]
        assert best.score is not None
        return Found(best.values, best.score, self.best_file, trials, text)

    def _score(self, tried: dict[str, Any], watch: Watch) -> float:
        """The validation score of one run; its test metrics are left unread."""
        watcher = _Watcher(self._plan.result.name, watch)
        ours = {"checkpoint_dir": str(self._scratch), "baseline": False, "show_progress": False}
        ours |= {"result_file": None, "report_dir": None, "log_dir": None}
        values = {**self._values, **ours, **tried}
        result = run(config_file_list=self._config_files, config_dict=values, callbacks=[watcher])
        return result.stages[-1].valid.get(self.metric, float("nan"))

    def _write(self, study: Study) -> str:
        """Write the files; returns the best score as the bar shows it."""
        finished, ranked, metric = study.finished, study.ranked, self.config["valid_metric"]
        write_trials(self.folder / "trials.csv", finished, self.ranges)
        if not ranked:
            return ""
        held = {key: value for key, value in held_values(self._values, self._plan).items() if key not in self.ranges}
        write_best(self.best_file, self._title, finished, ranked[0], metric, held)
        return f"best {metric} {ranked[0].score:.4f}"

    def _clear(self) -> None:
        """Remove a trial's files; its teachers stay for the next trial unless they are searched too."""
        stages = {f"-{stage.name}-" for stage in self._plan.teachers} if self._keeps_teachers else set()
        for path in self._scratch.glob("*"):
            if not any(stage in path.name for stage in stages):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


class _Watcher(Callback):
    """Passes on the history of the stage that is searched."""

    def __init__(self, stage: str, watch: Watch) -> None:
        self._stage, self._watch = stage, watch

    def validated(self, stage: str, history: list[dict[str, Any]]) -> None:
        if stage == self._stage:
            self._watch(history)
