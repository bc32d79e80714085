"""From ``--models`` and ``--seeds`` to the runs that have to be made, each checked before any is begun."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recbole_kd.bridge import properties
from recbole_kd.bridge.config import OF_STAGE, KDConfig
from recbole_kd.bridge.run_settings import Effect, effect_of
from recbole_kd.distillers.method import DistillationMethod
from recbole_kd.foundation.digest import sha256_of_values
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.user_classes import is_class_path
from recbole_kd.registry import find_or_import_model, is_known, make_config
from recbole_kd.training.plan import make_plan, study_folder

DEFAULTS = properties.FOLDER / "compare.yaml"
_PARTS = ("model", "teacher", "assistant", "student")
_BY_MODELS = (*_PARTS, "baseline")
_BY_COMPARE = ("seed", "show_progress", "result_file", "report_dir", "config_files")


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


def split_labels(text: str) -> list[str]:
    """The labels in ``A,B[key=[1,2]],C``: a comma within brackets is a value's."""
    found, depth = [""], 0
    for character in text:
        depth += {"[": 1, "]": -1}.get(character, 0)
        if character == "," and not depth:
            found.append("")
        else:
            found[-1] += character
    return [label.strip() for label in found if label.strip()]


def parse_label(label: str) -> list[str]:
    """The words ``--key=value`` that one of ``--models`` stands for.

    Args:
        label: ``BPR``, ``RCEKD``, or ``RCEKD:BM3>LightGCN``; ``A+B>C`` has two teachers, and ``A>B>C`` an assistant
            between teacher and student. Values of its own may follow, ``LightGCN[n_layers=1 reg_weight=0.01]``; a
            method's student is then not trained alone as well.

    Raises:
        UserError: it is none of these, or a model in it is unknown.
    """
    models, bracket, inside = label.partition("[")
    own = [f"--{word}" for word in inside.removesuffix("]").split()]
    if bracket and not (label.endswith("]") and own and all(word.count("=") for word in own)):
        raise UserError(f"{label!r} in --models cannot be read; write values as {models}[key=value key=value]")
    for word in own:
        if _key(word) in (*_PARTS, "dataset", *_BY_COMPARE):
            raise UserError(f"{label!r} in --models: leave out {word.removeprefix('--')}, which no label can change")
    words = _words_of(models.strip())
    return [*(word for word in words if not own or _key(word) != "baseline"), *own]


def _key(word: str) -> str:
    return word.removeprefix("--").partition("=")[0]


def _is_model(label: str) -> bool:
    """Whether a label with a colon is a class of the user's own, ``module:Class``, and no method with its pair."""
    return is_class_path(label) and not is_known(label.partition(":")[0])


def _words_of(label: str) -> list[str]:
    """Those of the models alone."""
    method, colon, chain = ("", "", "") if _is_model(label) else label.partition(":")
    method = method or label
    models = [part.strip() for part in chain.split(">")]
    of_method = issubclass(find_or_import_model(method.partition(">")[0].strip()), DistillationMethod)
    if not colon and not method.count(">"):
        return [f"--model={label}"] + ["--baseline=true"] * of_method
    if not (colon and len(models) in (2, 3) and all(models) and all(models[0].split("+"))):
        raise UserError(
            f"{label!r} in --models is no pair; write it as METHOD:TEACHER>STUDENT and quote it, for the shell takes a "
            "bare > to itself"
        )
    if not of_method:
        raise UserError(f"{label!r} in --models: {method} is no distillation method; write {method} alone")
    teachers, *assistant, student = models
    for name in (*teachers.split("+"), *assistant, student):
        find_or_import_model(name.strip())
    words = [f"--model={method.strip()}", f"--teacher={teachers.replace('+', ',')}"]
    return [*words, *(f"--assistant={name}" for name in assistant), f"--student={student}", "--baseline=true"]


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
    for word in words:
        if _key(word) in _BY_MODELS:
            raise UserError(
                f"compare takes its models from --models, and the student alone is always there; leave out {word}"
            )
    words = [word for word in words if _key(word) not in _BY_COMPARE]
    double = next((label for number, label in enumerate(labels) if label in labels[:number]), None)
    if double is not None:
        raise UserError(f"--models names {double!r} twice; keep one")
    files = [str(DEFAULTS), *config_files]
    return [_run(label, seed, words, files, tune_dir) for label in labels for seed in seeds]


def _run(label: str, seed: int, words: Sequence[str], files: Sequence[str], tune_dir: str | None) -> Run:
    own = parse_label(label)
    keys = {_key(word) for word in own}
    own += [*(word for word in words if _key(word) not in keys), f"--seed={seed}", "--show_progress=false"]
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
        chosen = [word for word in words if _key(word) in (*_PARTS, "data_path")]
        command = " ".join(["recbole-kd tune", *chosen, f"--dataset={config.dataset}"])
        raise UserError(f"there are no tuned values in {path}; make them with: {command} --study_dir={path.parent}")
    for key in properties.values_of(path):
        if effect_of(OF_STAGE.sub("", str(key))) not in (Effect.FIGURES, Effect.RUN):
            raise UserError(f"{path} sets {key!r}, which no search tries; take out the line, or search again")
    return path
