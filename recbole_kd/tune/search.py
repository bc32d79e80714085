"""A whole search: ranges, study, trials, output."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from recbole_kd import pipeline
from recbole_kd.config import KDConfig, literal, parse_arguments
from recbole_kd.data.digest import data_digest
from recbole_kd.data.loaders import check_list_lengths, make_loaders
from recbole_kd.errors import UserError
from recbole_kd.method import pair_name
from recbole_kd.settings import Count, Settings
from recbole_kd.trainer import Watch
from recbole_kd.tune.keys import default_of, held_values, reaches_teacher
from recbole_kd.tune.output import best_table, command_line, write_best, write_trials
from recbole_kd.tune.ranges import read_ranges

if TYPE_CHECKING:
    from recbole_kd.tune.study import Study

_SHOWN = 5


class TuneSettings(Settings):
    """The command's own options, which are no keys of a run."""

    trials: Count = 20
    study_dir: str | None = None
    prune: bool = True


def tune(words: Sequence[str], config_files: Sequence[str] = ()) -> Path:
    """Search the best values on the validation part; returns the YAML file that holds them.

    A search that was cut off goes on, to as many trials as are asked for in all.

    Args:
        words: command-line words ``--key=value``; a key given here is not searched, unless ``--search`` names it too.
        config_files: YAML files.

    Raises:
        UserError: something that the user can mend, or that no trial ended well.
    """
    if find_spec("optuna") is None:
        raise UserError("tune needs Optuna; install it with: pip install 'recbole-kd[tune]'")
    from recbole_kd.tune.study import Study, locked

    search = Search(words, config_files)
    config = search.config
    with locked(search.folder):
        study = Study(search.folder, search.ranges, search.metric, config["valid_metric_bigger"], config["seed"])
        study.check(search.identity())
        search.run(study)
        search.report(study)
    return search.best_file


class Search:
    """What is searched, where it is kept, and how one trial is run."""

    def __init__(self, words: Sequence[str], config_files: Sequence[str] = ()) -> None:
        """Check everything that can be checked before data is read; the arguments are those of :func:`tune`.

        Raises:
            UserError: something in the arguments or the config that the user can mend.
        """
        self._words, self._config_files = words, config_files
        self._values = {key: literal(value) for key, value in parse_arguments(words).items()}
        own = [key for key in TuneSettings.model_fields if key in self._values]
        self._settings = TuneSettings.read({key: self._values.pop(key) for key in own})
        self.config = config = KDConfig(config_file_list=config_files, config_dict=self._values)
        self._configs = configs = pipeline.stage_configs(config)
        given = config["search"] or {}
        held = {key: None for key in self._values if key not in given}
        student = None if "model" in configs else configs["student"].model
        self.ranges = read_ranges(config.model, student, {**held, **given})
        self._defaults = {key: default_of(key, config, configs) for key in self.ranges}
        of_teacher = [key for key in self.ranges if reaches_teacher(key, config, configs)]
        self._keeps_teachers = not of_teacher
        if of_teacher and config["cache_dir"]:
            raise UserError(f"search: {of_teacher[0]} is of the teacher, whose scores cache_dir holds; leave one out")
        if not config["epochs"] or not config["eval_step"]:
            raise UserError("tune needs a validation score; set epochs and eval_step to 1 or more")
        self.metric: str = config["valid_metric"].lower()
        self._title = f"{config.model} on {config.dataset}"
        self.folder = Path(self._settings.study_dir or f"tune/{config.dataset}-{pair_name(config)}")
        self.best_file = self.folder / "best.yaml"
        self._scratch = self.folder / "running"

    def identity(self) -> dict[str, str]:
        """Digests of all that a score depends on; reading the data also finds what is wrong with it at once."""
        config = self.config
        data = pipeline.open_data(config)
        if "state" not in self._values:
            _only_warnings_on_the_terminal()
        for stage_config in self._configs.values():
            check_list_lengths(stage_config, data)
        last = list(self._configs.values())[-1]
        stages = [stage_config.fingerprint(stage) for stage, stage_config in self._configs.items()]
        of_pipeline = ("init", "checkpoint", "cache_dir", "cache_topk", "cache_dtype", "mask_train_positives")
        parts = {
            "ranges": {key: span.public() for key, span in self.ranges.items()},
            "data": [config.dataset, data_digest(make_loaders(last, data), last.model_class)],
            "settings": [config.model, config.fingerprint(*stages), *(config[key] for key in of_pipeline)],
        }
        return {name: hashlib.sha256(json.dumps(part).encode()).hexdigest()[:12] for name, part in parts.items()}

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

    def report(self, study: Study) -> None:
        """Print the best trials and the command that uses the best one.

        Raises:
            UserError: there is none.
        """
        ranked, metric = study.ranked, self.config["valid_metric"]
        if not ranked:
            raise UserError(f"all {len(study.finished)} trials failed, the first because: {study.finished[0].reason}")
        print(f"\n{self._title}, {len(study.finished)} trials, the best by validation {metric}")
        print(best_table(ranked[:_SHOWN], metric))
        dropped = {*self.ranges, *TuneSettings.model_fields, "search"}
        words = [word for word in self._words if word.removeprefix("--").partition("=")[0] not in dropped]
        print(f"\nall trials: {self.folder / 'trials.csv'}")
        print(command_line(words, [*self._config_files, str(self.best_file)]))

    def _score(self, tried: dict[str, Any], watch: Watch) -> float:
        """The validation score of one run; its test metrics are left unread."""
        ours = {"checkpoint_dir": str(self._scratch), "baseline": False, "show_progress": False}
        ours |= {"result_file": None, "report_dir": None}
        values = {**self._values, **ours, **tried}
        result = pipeline.run(config_file_list=self._config_files, config_dict=values, watch=watch)
        return result.stages[-1].valid.get(self.metric, float("nan"))

    def _write(self, study: Study) -> str:
        """Write the files; returns the best score as the bar shows it."""
        finished, ranked, metric = study.finished, study.ranked, self.config["valid_metric"]
        write_trials(self.folder / "trials.csv", finished, self.ranges)
        if not ranked:
            return ""
        held = {key: value for key, value in held_values(self._values, self._configs).items() if key not in self.ranges}
        write_best(self.best_file, self._title, finished, ranked[0], metric, held)
        return f"best {metric} {ranked[0].score:.4f}"

    def _clear(self) -> None:
        """Remove a trial's files; its teachers stay for the next trial unless they are searched too."""
        for path in self._scratch.glob("*"):
            if not (self._keeps_teachers and "-teacher" in path.name):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _only_warnings_on_the_terminal() -> None:
    """Epochs are for the log file; the terminal has the bar."""
    for handler in logging.getLogger().handlers:
        if type(handler) is logging.StreamHandler:
            handler.setLevel(max(handler.level, logging.WARNING))
