"""``compare`` and ``tune`` from Python: options and keys as arguments, and a result instead of a printout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recbole_kd.experiments.compare.command import ComparisonResult
from recbole_kd.experiments.compare.command import compare as compare_words
from recbole_kd.experiments.tune.search import Found
from recbole_kd.experiments.tune.search import tune as tune_words


def compare(
    models: Sequence[str],
    dataset: str,
    *,
    seeds: int = 1,
    jobs: int = 1,
    config_file_list: Sequence[str] = (),
    config_dict: Mapping[str, Any] | None = None,
) -> ComparisonResult:
    """Train several models over several seeds, what is not trained yet, and make one table of them.

    Args:
        models: labels as for ``recbole-kd compare --models``: ``["BPR", "RCEKD:LightGCN>BPR"]``.
        dataset: a name.
        seeds: how many, from ``seed`` on.
        jobs: runs at a time, each in a process of its own.
        config_file_list: YAML files of every run.
        config_dict: the command's other options, such as ``out`` and ``reference``, and any keys of the runs.

    Returns:
        The table, the files that were written, and which runs failed. ``result.table.frame()`` has all figures.

    Raises:
        UserError: something that the user can mend, or that no run ended well.
    """
    own = {"models": ",".join(models), "dataset": dataset, "seeds": seeds, "jobs": jobs}
    return compare_words(_words({"show_progress": False, **own, **(config_dict or {})}), config_file_list)


def tune(
    model: str,
    dataset: str,
    *,
    trials: int = 20,
    config_file_list: Sequence[str] = (),
    config_dict: Mapping[str, Any] | None = None,
) -> Found:
    """Search the values that do best on the validation part.

    Args:
        model: a name.
        dataset: a name.
        trials: in all, those of an earlier call included.
        config_file_list: YAML files.
        config_dict: the command's other options, such as ``search`` and ``study_dir``, and any keys of the runs.

    Returns:
        The best values, their validation score, and the YAML file that holds them.

    Raises:
        UserError: something that the user can mend, or that no trial ended well.
    """
    own = {"model": model, "dataset": dataset, "trials": trials}
    return tune_words(_words({"show_progress": False, **own, **(config_dict or {})}), config_file_list)


def _words(values: Mapping[str, Any]) -> list[str]:
    return [f"--{key}={value if isinstance(value, str) else repr(value)}" for key, value in values.items()]
