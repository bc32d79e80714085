"""The options of ``recbole-kd compare``, and what is refused of them before anything is imported that takes seconds."""

from __future__ import annotations

from collections.abc import Sequence

from recbole_kd.bridge.written_values import parse_arguments
from recbole_kd.experiments.compare.labels import check_labels, split_labels
from recbole_kd.experiments.options import read_options
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.settings import Count, CountOrZero, Settings


class Options(Settings):
    """The keys that are the command's own; all others are the runs'."""

    models: str | list[str]
    dataset: str
    seeds: Count = 1
    seed: CountOrZero = 2020
    jobs: Count = 1
    out: str | None = None
    reference: str | None = None
    test_metric: str | None = None
    tuned: bool = False
    tune_dir: str = "tune"
    show_progress: bool = True
    resume: bool = True
    report: bool = True

    @property
    def labels(self) -> list[str]:
        """What is compared."""
        found = split_labels(self.models if isinstance(self.models, str) else ",".join(self.models))
        if not found:
            raise UserError("--models names no model; add --models=BPR,LightGCN")
        return found


_OF_COMMAND = (*(name for name in Options.model_fields if name not in ("dataset", "resume")), "config_files")


def read_words(words: Sequence[str], config_files: Sequence[str] = ()) -> tuple[Options, list[str]]:
    """The options, and the words that are left for the runs.

    Args:
        words: command-line words ``--key=value``.
        config_files: YAML files of every run.

    Raises:
        UserError: an option, a label or a key of the runs is wrong.
    """
    given = parse_arguments(["--tuned=true" if word == "--tuned" else word for word in words])
    for key, value in (("models", "BPR,LightGCN"), ("dataset", "NAME")):
        if not given.get(key):
            raise UserError(f"no {key} {'are' if key == 'models' else 'is'} given; add --{key}={value}")
    options = read_options(Options, given)
    further = [f"--{key}={value}" for key, value in given.items() if key not in _OF_COMMAND]
    further += ["--tuned=false"] * (given.get("tuned", "").lower() == "false")  # nor the values of properties/tuned
    check_labels(options.labels, further, config_files)
    return options, further
