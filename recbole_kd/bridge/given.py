"""Settings as they are given, and what can be refused of them before PyTorch and RecBole are imported.

:class:`~recbole_kd.bridge.config.KDConfig` refuses the same in the same words, and more, once it has the classes of the
models; importing these takes seconds, which nobody shall wait for whose key is misspelt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from recbole_kd.bridge import properties
from recbole_kd.bridge.dataset_yaml import check_dataset_keys, dataset_name
from recbole_kd.bridge.given_models import models_of_stages
from recbole_kd.bridge.history_keys import history_defaults, is_of_histories
from recbole_kd.bridge.model_keys import settings_of_recbole
from recbole_kd.bridge.run_checks import check_settings, tidied
from recbole_kd.bridge.run_settings import RunSettings
from recbole_kd.bridge.written_values import literal, parse_arguments, read_yaml
from recbole_kd.foundation.errors import UserError, did_you_mean

OF_STAGE = re.compile(r"^(teacher\d*|assistant|student)_")


def check_given(
    model: str | None,
    dataset: str | None,
    config_file_list: Sequence[str],
    config_dict: Mapping[str, Any],
    arguments: Sequence[str],
    spelt: Callable[[str], str | None],
    reads_histories: Callable[[str], bool],
) -> None:
    """Refuse what :class:`~recbole_kd.bridge.config.KDConfig` would refuse for certain.

    Args:
        model: a name; this and the next four are as there.
        dataset: likewise.
        config_file_list: YAML files.
        config_dict: values by key.
        arguments: command-line words.
        spelt: from the name of a model to the one that its YAML files have; None where only its class would tell its
            keys, and nothing more is checked then; a UserError where there is no such model.
        reads_histories: whether the model of a name is sequential.

    Raises:
        UserError: an unknown model, data set or key, a value of a wrong type or range, an unreadable file.
    """
    given = values_of_files(config_file_list) | converted(config_dict) | converted(parse_arguments(arguments))
    model, dataset = chosen(model, dataset, given)
    found, name, folder = spelt(str(model)), dataset_name(dataset), data_path_of(given)
    if found is None:
        return
    values: dict[str, Any] = {}
    for file in default_files(found, name, folder, given.get("tuned", True)):
        if file == own_yaml(name, folder):
            check_dataset_yaml(file, properties.known_keys())
        values |= properties.values_of(file)
    if None in [spelt(one) for one in models_of_stages(values | given) if one]:
        return
    check_keys(given, properties.known_keys())
    if is_of_histories(found, values | given, reads_histories):
        values |= history_defaults(found, name, values | given, reads_histories(found))
    values = tidied(values | given)
    check_settings(RunSettings.read(values))
    settings_of_recbole(found).read(values)
    if name != "ml-100k":  # which RecBole brings
        check_dataset(name, Path(folder) / name)


def values_of_files(files: Iterable[str]) -> dict[str, Any]:
    """What several YAML files say; of a key that is in two the later counts.

    Raises:
        UserError: one cannot be read.
    """
    values: dict[str, Any] = {}
    for file in files:
        values.update(read_yaml(Path(file)))
    return values


def converted(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by key, with texts as the literals that they spell."""
    return {key: literal(value) if isinstance(value, str) else value for key, value in values.items()}


def chosen(model: Any, dataset: Any, given: Mapping[str, Any]) -> tuple[Any, Any]:
    """The model and the data set of a run, as they are named.

    Raises:
        UserError: nobody names one.
    """
    found = model or given.get("model"), dataset or given.get("dataset")
    for key, value in zip(("model", "dataset"), found, strict=True):
        if not value:
            raise UserError(f"no {key} is given; add --{key}=NAME")
    return found


def data_path_of(given: Mapping[str, Any]) -> str:
    """The folder of all data sets.

    Raises:
        UserError: what is given is no path.
    """
    path = given.get("data_path", "dataset/")  # RecBole's
    if not isinstance(path, str | Path):
        raise UserError(f"data_path={path!r} is no folder; give the one that holds the data set's")
    return str(path)


def default_files(model: str, dataset: str, data_path: str, tuned: Any = True) -> list[Path]:
    """All YAML files that a run reads unasked, weakest first: RecBole's own and :func:`own_default_files`."""
    files = ("overall", f"model/{model}", "dataset/sample", f"dataset/{dataset}")
    recboles = [properties.RECBOLE_FOLDER / f"{file}.yaml" for file in files]
    return [*filter(Path.is_file, recboles), *own_default_files(model, dataset, data_path, tuned)]


def own_default_files(model: str, dataset: str, data_path: str, tuned: Any = True) -> list[Path]:
    """The YAML files that are read on top of RecBole's own for this model and data set, weakest first."""
    files = [
        properties.FOLDER / "overall.yaml",
        properties.model_file(model),
        properties.RECBOLE_FOLDER / "dataset" / f"{dataset}.yaml",
        own_yaml(dataset, data_path),
    ]
    files += [properties.tuned_file(model, dataset)] * bool(tuned)
    return [file for file in files if file.is_file()]


def own_yaml(dataset: str, data_path: str) -> Path:
    """The YAML file of a data set's own, which need not exist."""
    return Path(data_path) / dataset / f"{dataset}.yaml"


def check_dataset_yaml(file: Path, known: Collection[str]) -> None:
    """Refuse keys of a data set's own file that are unknown, or none of its business.

    Raises:
        UserError: naming the first one.
    """
    keys = properties.values_of(file)
    check_keys(keys, known, f" in {file}")
    check_dataset_keys(keys, file)


def check_keys(keys: Iterable[Any], known: Collection[str], where: str = "") -> None:
    """Refuse a key that is none of ``known``, for a stage or for all.

    Raises:
        UserError: naming it and the nearest right ones.
    """
    for key in map(str, keys):
        if key not in known and OF_STAGE.sub("", key) not in known and not key.startswith("alias_of_"):
            hint = did_you_mean(key, known) or "; see recbole-kd train --help"
            raise UserError(f"{key!r}{where} is not a key of RecBole or recbole_kd{hint}")


def check_dataset(dataset: str, folder: Path) -> None:
    """Refuse a data set that has no folder, and that RecBole could not download.

    Raises:
        UserError: naming the nearest ones.
    """
    if folder.is_dir() or dataset in properties.keys_of(properties.RECBOLE_FOLDER / "dataset" / "url.yaml"):
        return
    there = [entry.name for entry in folder.parent.iterdir() if entry.is_dir()] if folder.parent.is_dir() else []
    hint = did_you_mean(dataset, [*there, "ml-100k"]) or "; make it with recbole-kd convert, or use ml-100k"
    raise UserError(f"there is no data set {dataset!r} in {folder.parent}{hint}")
