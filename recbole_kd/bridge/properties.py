"""Finds the YAML files of ``properties/``, in an installed package as in a checkout."""

from __future__ import annotations

import re
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from recbole_kd.bridge import recbole_files
from recbole_kd.bridge.written_values import FastYamlLoader, read_yaml

_KEY = re.compile(r"^([^\s#:][^\s:]*) *:", re.MULTILINE)
_PACKAGE = Path(__file__).parent.parent
FOLDER = next(folder for folder in (_PACKAGE / "_properties", _PACKAGE.parent / "properties") if folder.is_dir())
RECBOLE_FOLDER = recbole_files.FOLDER / "properties"


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
    """What a YAML file says, nothing if it is missing or empty; one of ours or RecBole's is read when it has changed.

    Raises:
        UserError: a file of the user's cannot be read.
    """
    if not file.is_file():
        return {}
    if file.is_relative_to(FOLDER) or file.is_relative_to(RECBOLE_FOLDER):
        found = file.stat()
        return deepcopy(_kept(file, found.st_mtime_ns, found.st_size))
    return read_yaml(file)


@cache
def keys_of(file: Path) -> frozenset[str]:
    """The top-level keys of a YAML file of ours or RecBole's, none if it is missing or empty; there are many files."""
    return frozenset(_KEY.findall(file.read_text(encoding="utf-8"))) if file.is_file() else frozenset()


@cache
def _kept(file: Path, changed: int, size: int) -> dict[str, Any]:
    return yaml.load(file.read_text(encoding="utf-8"), Loader=FastYamlLoader) or {}  # a SafeLoader  # nosec B506


@cache
def run_keys() -> frozenset[str]:
    """The keys that any run may have, whatever its model: RecBole's arguments and both ``overall.yaml``."""
    keys = {"model", "dataset", "config_files", "local_rank", "nproc", "world_size", "offset", "ip", "port"}
    keys |= {"encoding", "tail_ratio"}  # which RecBole reads and none of its lists has
    keys = keys.union(*recbole_files.argument_lists().values())
    files = [RECBOLE_FOLDER / "overall.yaml", RECBOLE_FOLDER / "dataset" / "sample.yaml", FOLDER / "overall.yaml"]
    return frozenset(keys.union(*map(keys_of, files)))


@cache
def known_keys() -> frozenset[str]:
    """Every key that has a meaning to RecBole or to us, for one model at least."""
    files = [file for folder in (RECBOLE_FOLDER, FOLDER) for file in (folder / "model").glob("*.yaml")]
    return run_keys().union(*map(keys_of, files))
