"""From ``--models`` and ``--seeds`` to the runs that have to be made, each checked before any is begun."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recbole_kd.bridge import properties
from recbole_kd.bridge.config import KDConfig
from recbole_kd.bridge.given import OF_STAGE
from recbole_kd.bridge.run_settings import Effect, effect_of
from recbole_kd.experiments.compare.labels import DEFAULTS, PARTS, check_labels, key_of, words_of_runs
from recbole_kd.foundation.digest import sha256_of_values
from recbole_kd.foundation.errors import UserError
from recbole_kd.registry import make_config
from recbole_kd.training.plan import make_plan, study_folder


@dataclass(frozen=True)
class Run:
    """One model, or a teacher and its students, with one seed.

    ``digest`` is of all that its figures depend on and that can be known before it is run; ``rows`` are the labels of
    its rows in the table by the stage that fills them.
    """

    label: str
    model: str
    dataset: str
    seed: int
    words: tuple[str, ...]
    config_files: tuple[str, ...]
    digest: str
    rows: dict[str, str]
    config: KDConfig

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{slug(self.label)}-{self.seed}-{self.digest}"

    @property
    def data_path(self) -> str | None:
        """Of the data set's folder, if the command gives it."""
        return next((word.partition("=")[2] for word in self.words if word.startswith("--data_path=")), None)

    def identity(self) -> dict[str, Any]:
        """How a line of ``runs.jsonl`` begins."""
        keys = ("digest", "label", "model", "dataset", "seed")
        given = {"words": list(self.words), "config_files": list(self.config_files)}
        return {key: getattr(self, key) for key in keys} | {"settings": given}


def slug(label: str) -> str:
    """A label as part of a file's name."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", label).strip("-")


def plan(
    labels: Sequence[str],
    seeds: Sequence[int],
    words: Sequence[str],
    config_files: Sequence[str] = (),
    tune_dir: str | None = None,
) -> list[Run]:
    """The runs of a comparison, each label's seeds together.

    Args:
        labels: as for :func:`parse_label`, none twice.
        seeds: of every label.
        words: further ``--key=value`` of every run, ``--dataset`` among them.
        config_files: likewise YAML files.
        tune_dir: where ``recbole-kd tune`` has left the values to use; None for the defaults.

    Raises:
        UserError: what a run itself would refuse before it reads data; a label given twice; a key that is not given
            this way; values that are to be used and are not there.
    """
    check_labels(labels, words, config_files)
    files = [str(DEFAULTS), *config_files]
    runs = [_run(label, seed, words, files, tune_dir) for label in labels for seed in seeds]
    of_users = [run for run in runs if not run.config["histories"]]
    if of_users and len(of_users) < len(runs):  # all are ranked on the same users and items, or cannot be compared
        beside = {id(run): _run(run.label, run.seed, [*words, "--histories=true"], files, tune_dir) for run in of_users}
        runs = [beside.get(id(run), run) for run in runs]
    return runs


def _run(label: str, seed: int, words: Sequence[str], files: Sequence[str], tune_dir: str | None) -> Run:
    own = [*words_of_runs(label, words), f"--seed={seed}", "--show_progress=false"]
    try:
        config = make_config(config_file_list=files, arguments=own)
        if tune_dir is not None:
            files = [*files, str(_tuned_values(config, own, Path(tune_dir)))]
            config = make_config(config_file_list=files, arguments=own)
        stages = make_plan(config)
    except UserError as error:
        raise UserError(f"{label}: {error}") from None
    digest = sha256_of_values([label, config.dataset, *stages.identity(), _files(config)])[:12]
    rows = _rows(label, [stage.name for stage in stages.stages])
    return Run(label, config.model, config.dataset, seed, tuple(own), tuple(files), digest, rows, config)


def _rows(label: str, stages: Sequence[str]) -> dict[str, str]:
    """The result of a run is shown by its label, below its teachers and itself without them."""
    *others, result = stages
    return {stage: f"{label} {'alone' if stage == 'baseline' else stage}" for stage in others} | {result: label}


def _files(config: KDConfig) -> list[tuple[str, int, int]]:
    """Names, sizes and times of the data set's files: changed ones are run again, and their stages know the content."""
    found = {path for key in ("data_path", "features_path") if config[key] for path in Path(config[key]).glob("*")}
    kept = sorted(path for path in found if path.is_file() and path.name[0] != "." and "neighbours" not in path.suffix)
    return [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in kept]


def _tuned_values(config: KDConfig, words: Sequence[str], folder: Path) -> Path:
    path = study_folder(config, folder) / "best.yaml"
    if not path.is_file():
        chosen = [word for word in words if key_of(word) in (*PARTS, "data_path")]
        command = " ".join(["recbole-kd tune", *chosen, f"--dataset={config.dataset}"])
        raise UserError(f"there are no tuned values in {path}; make them with: {command} --study_dir={path.parent}")
    for key in properties.values_of(path):
        if effect_of(OF_STAGE.sub("", str(key))) not in (Effect.FIGURES, Effect.RUN):
            raise UserError(f"{path} sets {key!r}, which no search tries; take out the line, or search again")
    return path
