"""RecBole's Config with our models, our properties, checked keys, and values read without ``eval``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from recbole_kd.bridge import lightly  # noqa: F401

# isort: split
from recbole.config import Config

from recbole_kd.bridge import compat, given, properties
from recbole_kd.bridge.dataset_yaml import dataset_name
from recbole_kd.bridge.given import OF_STAGE
from recbole_kd.bridge.given_models import STAGES, model_names, models_of_stages
from recbole_kd.bridge.history_keys import history_defaults, is_of_histories
from recbole_kd.bridge.model_keys import declared_settings, own_defaults
from recbole_kd.bridge.models import is_sequential
from recbole_kd.bridge.no_pickles import refuse_pickles
from recbole_kd.bridge.run_checks import check_loss, check_run, tidied
from recbole_kd.bridge.run_settings import Effect, RunSettings, changes_stage, keys_with
from recbole_kd.bridge.written_values import YamlLoader, parse_arguments
from recbole_kd.foundation.digest import NUMERICS, sha256_of_values
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.plain import plain_values

FindModel = Callable[[str], type]


def _no_names(name: str) -> type:
    raise UserError(f"the model is given by its name, {name!r}, where only a class will do")


class KDConfig(Config):
    """A RecBole config that also finds our models and properties.

    Differences a user can notice: command-line values are literals (never evaluated), ``--key=a=b`` keeps its
    value, an unknown key or model is an error with the nearest names, and ``<data_path>/<name>/<name>.yaml``
    (which ``recbole-kd convert`` writes) is read as the data set's own defaults.
    """

    stage: str | None = None  # of a run of several stages, the one that this config is for

    def __init__(
        self,
        model: str | type | None = None,
        dataset: str | None = None,
        config_file_list: Sequence[str] | None = None,
        config_dict: Mapping[str, Any] | None = None,
        arguments: Sequence[str] = (),
        find_model: FindModel = _no_names,
    ) -> None:
        """Merge all sources; the command line beats ``config_dict``, which beats files, which beat defaults.

        Args:
            model: a name or a class; ``None`` takes ``model`` from the other sources.
            dataset: likewise.
            config_file_list: YAML files.
            config_dict: values by key.
            arguments: command-line words ``--key=value``. ``sys.argv`` is never read.
            find_model: from a name to a class; :func:`recbole_kd.registry.make_config` passes the one that knows all.

        Raises:
            UserError: an unknown model, data set or key, a value of a wrong type or range, an unreadable file.
        """
        compat.check_versions()
        self._arguments = tuple(arguments)
        self._find_model = find_model
        self._method_values: dict[str, Any] = {}
        try:
            super().__init__(model, dataset, list(config_file_list or ()), dict(config_dict or {}))
        except UserError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
            raise UserError(f"RecBole refuses the config: {' '.join(str(error).split())}") from error
        given.check_dataset(self.dataset, Path(self["data_path"]))

    def compatibility_settings(self) -> None:
        """Replaces RecBole's, which reads NumPy names that are gone."""
        compat.restore_removed_names()

    def _build_yaml_loader(self) -> type[YamlLoader]:
        return YamlLoader

    def _convert_config_dict(self, config_dict: dict[str, Any]) -> dict[str, Any]:
        return given.converted(config_dict)

    def _load_cmd_line(self) -> dict[str, Any]:
        return self._convert_config_dict(parse_arguments(self._arguments))

    def _load_config_files(self, file_list: Iterable[str]) -> dict[str, Any]:
        return given.values_of_files(file_list)

    def _get_model_and_dataset(self, model: str | type | None, dataset: str | None) -> tuple[str, type, str]:
        model, dataset = given.chosen(model, dataset, self.external_config_dict)
        model_class = model if isinstance(model, type) else self._find_model(str(model))
        return model_class.__name__, model_class, dataset_name(dataset)

    def _update_internal_config_dict(self, file: str) -> dict[str, Any]:
        values = properties.values_of(Path(file).resolve())
        self.internal_config_dict.update(values)
        return values

    def _load_internal_config_dict(self, model: str, model_class: type, dataset: str) -> None:
        super()._load_internal_config_dict(model, model_class, dataset)
        data_path = given.data_path_of(self.external_config_dict)
        tuned = self.external_config_dict.get("tuned", True)
        self.internal_config_dict.update(own_defaults(model_class))
        own = [properties.model_file(model)] + [properties.tuned_file(model, dataset)] * bool(tuned)
        for file in given.own_default_files(model, dataset, data_path, tuned):
            values = properties.values_of(file)
            if file == given.own_yaml(dataset, data_path):
                given.check_dataset_yaml(file, self._known_keys())
            self.internal_config_dict.update(values)
            self._method_values.update(values if file in own else {})
        values = {**self.internal_config_dict, **self.external_config_dict}
        if is_of_histories(model_class, values, self._is_sequential):
            defaults = history_defaults(model, dataset, values, is_sequential(model_class))
            self.internal_config_dict.update(defaults)

    def _is_sequential(self, model: str | type) -> bool:
        return is_sequential(model if isinstance(model, type) else self._find_model(model))

    def _get_final_config_dict(self) -> dict[str, Any]:
        """Merge and check before RecBole works with the values, whose own errors are tracebacks."""
        given.check_keys(self.external_config_dict, self._known_keys())
        values = tidied(super()._get_final_config_dict())
        check_run(RunSettings.read(values), self.model_class)
        check_loss(values, self.model_class)
        declared_settings(self.model_class).read(values)
        for stage in STAGES:
            values[stage] = self._spelt(values.get(stage))
        refuse_pickles(values)
        return values

    def _spelt(self, names: Any) -> Any:
        """Names of models as their classes spell them, for ``lightgcn`` means LightGCN."""
        if isinstance(names, list):
            return [self._spelt(name) for name in names]
        if not isinstance(names, str) or not names:
            return names
        classes = [(name, self._find_model(name).__name__) for name in model_names(names)]
        return ",".join(found if found.lower() == name.lower() else name for name, found in classes)

    def _known_keys(self) -> frozenset[str]:
        names = models_of_stages({**self.internal_config_dict, **self.external_config_dict})
        models = [self.model_class, *(self._find_model(name) for name in names if name)]
        return properties.known_keys().union(*map(_own_keys, models))

    def for_stage(self, stage: str, model_class: type, drop: Iterable[str] = ()) -> KDConfig:
        """Return the config of one training stage of a distillation run.

        Args:
            stage: ``"student"``, ``"teacher"``, or ``"teacher2"`` and so on; a key ``teacher_learning_rate`` is the
                ``learning_rate`` of all teachers and nobody else's, ``teacher2_learning_rate`` of the second alone. A
                plain ``learning_rate`` that the user gives is that of each stage for which the user gives none.
            model_class: what the stage trains; its own YAML gives the defaults.
            drop: keys that only other stages read, so that they do not enter this stage's fingerprint.
        """
        drop = {"model", "dataset", *keys_with(Effect.MODELS), *drop}
        if not stage.startswith("teacher"):  # without a prefix a source is the teachers'
            drop |= set(keys_with(Effect.SOURCE))
        else:
            drop.add("content")  # which whoever is taught learns
        prefixes = stage_prefixes(stage)
        values: dict[str, Any] = {}
        for source in (self._method_values, self.external_config_dict):  # a user's plain key beats a file's of a stage
            values |= {key: value for key, value in source.items() if key not in drop and not OF_STAGE.match(key)}
            for prefix in prefixes:
                own = {key: value for key, value in source.items() if key.startswith(prefix)}
                values |= {key.removeprefix(prefix): value for key, value in own.items()}
        if self["histories"]:
            values["histories"] = True
        config = type(self)(model=model_class, dataset=self.dataset, config_dict=values, find_model=self._find_model)
        config.stage = stage
        return config

    def set_default(self, key: str, value: Any) -> None:
        """Set a value of this run and all its stages, unless the user has given one."""
        if key not in self.external_config_dict:
            self[key] = value
            self._method_values.setdefault(key, value)

    def find_model(self, name: str) -> type:
        """The class that ``name`` means in this run.

        Raises:
            UserError: there is none.
        """
        return self._find_model(name)

    def teacher_names(self) -> list[str]:
        """The models of ``teacher``, none or several."""
        return model_names(self["teacher"])

    def asked_for(self, stage: str) -> dict[str, Any]:
        """What the user, not a YAML file of ours, gave for one teacher: its model and its own settings."""
        prefixes = stage_prefixes(stage)
        asked = self.external_config_dict
        found = {
            key.removeprefix(prefix): value
            for prefix in prefixes
            for key, value in asked.items()
            if key.startswith(prefix) and changes_stage(key.removeprefix(prefix))
        }
        if isinstance(asked.get("teacher"), str) and len(self.teacher_names()) == 1:
            found["model"] = self._find_model(self.teacher_names()[0]).__name__
        return found

    def fingerprint(self, *parts: str) -> str:
        """A short digest of our numerics, of every value that can change a number of this stage, and of ``parts``."""
        values = {key: value for key, value in self.final_config_dict.items() if changes_stage(key)}
        return sha256_of_values([NUMERICS, plain_values(values), parts], sort_keys=True)[:12]


def recorded_values(config: Mapping[str, Any], more: Iterable[str] = ()) -> dict[str, Any]:
    """What the config kept in a checkpoint says of a model and its data, fit to be a ``config_dict`` again.

    Where that run wrote and reported, on which device, and what RecBole worked out of other values is left out. The
    values are not checked; :class:`KDConfig` does that. A model that is to be imported is left out.

    Args:
        config: what was kept.
        more: keys of the model that only its class declares.
    """
    kept = {*filter(changes_stage, properties.known_keys()), "data_path", "features_path", "time_format", *more}
    values = {key: value for key, value in config.items() if key in kept or str(key).startswith("alias_of_")}
    if isinstance(values.get("data_path"), str):
        values["data_path"] = str(Path(values["data_path"]).parent)  # RecBole has added the data set's name
    if ":" in str(values.get("model")):
        del values["model"]
    return values


def stage_prefixes(stage: str) -> list[str]:
    """How a key begins that is for this stage: ``teacher_`` is for all teachers, ``teacher2_`` for the second alone."""
    if not stage.startswith("teacher"):
        return [f"{stage}_"]
    return ["teacher_", f"teacher{stage.removeprefix('teacher') or 1}_"]


def _own_keys(model: type) -> frozenset[str]:
    """What a model, or a method's distiller, declares, which another package may have brought without a YAML file."""
    declared = [one.settings_class for one in (getattr(model, "distiller_class", None),) if one is not None]
    return frozenset().union(*(settings.model_fields for settings in [*declared, declared_settings(model)]))
