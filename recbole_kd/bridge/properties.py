"""Finds the YAML files of ``properties/``, in an installed package as in a checkout."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import recbole
import yaml

from recbole_kd.bridge.written_values import read_yaml

_PACKAGE = Path(__file__).parent.parent
FOLDER = next(folder for folder in (_PACKAGE / "_properties", _PACKAGE.parent / "properties") if folder.is_dir())
RECBOLE_FOLDER = Path(recbole.__file__).parent / "properties"


def model_file(model: str) -> Path:
    """Our defaults of a model: ``properties/model/<model>.yaml``, which need not exist."""
    return FOLDER / "model" / f"{model}.yaml"


def tuned_file(model: str, dataset: str) -> Path:
    """Values found on the validation part of one data set; need not exist."""
    return FOLDER / "tuned" / f"{model}_on_{dataset}.yaml"


def search_file(model: str) -> Path:
    """What ``recbole-kd tune`` may try for a model; need not exist.

    Beside ``model/``, not in it: RecBole's own models have ranges too, and no range is a value of a run.
    """
    return FOLDER / "search" / f"{model}.yaml"


def values_of(file: Path) -> dict[str, Any]:
    """What a YAML file of ours or RecBole's says, nothing if it is missing or empty."""
    return read_yaml(file) if file.is_file() else {}


def values_of_recbole(file: str) -> dict[str, Any]:
    """What one of RecBole's YAML files says; each is read once, and every caller gets values of its own."""
    return deepcopy(_kept(file))


@cache
def _kept(file: str) -> dict[str, Any]:
    return values_of(Path(file))


@cache
def keys_of(file: Path) -> frozenset[str]:
    """The top-level keys of a YAML file of ours or RecBole's, none if it is missing or empty."""
    if not file.is_file():
        return frozenset()
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # many files, and nobody's values: the fast one
    return frozenset(yaml.load(file.read_text(encoding="utf-8"), Loader=loader) or {})  # nosec B506


@cache
def run_keys() -> frozenset[str]:
    """The keys that any run may have, whatever its model: RecBole's arguments and both ``overall.yaml``."""
    from recbole.utils import argument_list

    keys = {"model", "dataset", "config_files", "local_rank", "nproc", "world_size", "offset", "ip", "port"}
    keys |= {"encoding", "tail_ratio"}  # which RecBole reads and none of its lists has
    for name, value in vars(argument_list).items():
        if name.endswith("_arguments"):
            keys.update(value)
    files = [RECBOLE_FOLDER / "overall.yaml", RECBOLE_FOLDER / "dataset" / "sample.yaml", FOLDER / "overall.yaml"]
    return frozenset(keys.union(*map(keys_of, files)))


@cache
def known_keys() -> frozenset[str]:
    """Every key that has a meaning to RecBole or to us, for one model at least."""
    files = [file for folder in (RECBOLE_FOLDER, FOLDER) for file in (folder / "model").glob("*.yaml")]
    return run_keys().union(*map(keys_of, files))
