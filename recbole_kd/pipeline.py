"""A whole run: config, data, stages, result."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from logging import getLogger
from typing import Any

from recbole.utils import init_logger, init_seed
from torch import nn

from recbole_kd import properties
from recbole_kd.checkpoint import plain_values
from recbole_kd.config import KDConfig
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.data.loaders import check_list_lengths, make_loaders
from recbole_kd.distill.base import Distiller
from recbole_kd.errors import UserError
from recbole_kd.files import write_json
from recbole_kd.method import DistillationMethod, stage_models
from recbole_kd.report import write_report
from recbole_kd.settings import Settings
from recbole_kd.stages import StageRecord, start_from_teacher, train_stage
from recbole_kd.teacher.cache import TeacherCache
from recbole_kd.teacher.ranks import ranks
from recbole_kd.teacher.teach import teach
from recbole_kd.trainer import Watch


@dataclass
class Result:
    """A finished run; ``stages`` in the order trained, ``test`` the metrics of the last (the student's).

    ``data`` is the data set as it was read.
    """

    model: str
    dataset: str
    seed: int
    config: dict[str, Any]
    stages: list[StageRecord]
    data: MultiModalDataset = field(repr=False)

    @property
    def test(self) -> dict[str, float]:
        """Test metrics, names in lower case as RecBole prints them (``recall@20``)."""
        return self.stages[-1].test

    def write(self, path: str) -> None:
        """Write the result as JSON, whole or not at all."""
        values = {
            "model": self.model,
            "dataset": self.dataset,
            "seed": self.seed,
            "config": self.config,
            "stages": [stage.public() for stage in self.stages],
            "test": self.test,
        }
        write_json(path, values)


def run(
    model: str | type | None = None,
    dataset: str | None = None,
    config_file_list: Sequence[str] | None = None,
    config_dict: Mapping[str, Any] | None = None,
    arguments: Sequence[str] = (),
    watch: Watch | None = None,
) -> Result:
    """Train and evaluate a model, or a teacher and its student; the other arguments are :class:`KDConfig`'s.

    Args:
        model: a name or a class.
        dataset: a name.
        config_file_list: YAML files.
        config_dict: values by key.
        arguments: command-line words.
        watch: gets the history of the last stage after each of its validations, and may end the run by raising.
            Who watches also reports: no log is started and no table printed.

    Raises:
        UserError: something in the arguments, the config or the data that the user can mend.
    """
    config = KDConfig(model, dataset, config_file_list, config_dict, arguments)
    configs = stage_configs(config)  # wrong settings of any stage fail here, before data is read
    data = open_data(config, log=watch is None)
    for stage_config in configs.values():
        check_list_lengths(stage_config, data)
    result = Result(
        model=config.model,
        dataset=config.dataset,
        seed=config["seed"],
        config=plain_values(config.final_config_dict),
        stages=train(config, configs, lambda stage_config: make_loaders(stage_config, data), watch),
        data=data,
    )
    if config["result_file"]:
        result.write(config["result_file"])
    if watch is None:
        write_report(result.stages, config)
    return result


def keep_scores(
    model: str | type | None = None,
    dataset: str | None = None,
    config_file_list: Sequence[str] | None = None,
    config_dict: Mapping[str, Any] | None = None,
    arguments: Sequence[str] = (),
) -> TeacherCache:
    """Train or load a teacher and write the cache of its scores; the arguments are :class:`KDConfig`'s.

    Raises:
        UserError: something in the arguments, the config or the data that the user can mend.
    """
    given = KDConfig(model, dataset, config_file_list, config_dict, arguments)
    if issubclass(given.model_class, DistillationMethod):
        raise UserError(f"{given.model} is a distillation method; name the model that shall teach")
    config = given.for_stage("teacher", given.model_class)
    _settings(config.model_class).read(config)
    with ranks():
        data = open_data(config)
        check_list_lengths(config, data)
        asked_for = {"model": config.model, **given.asked_for("teacher")}
        teacher = teach("teacher", config, make_loaders(config, data), "scores", asked_for)
    write_report([teacher.record], config)
    return teacher.knowledge


def open_data(config: KDConfig, log: bool = True) -> MultiModalDataset:
    """Read the data set, with ``log`` after starting RecBole's log."""
    init_seed(config["seed"], config["reproducibility"])
    if log:
        init_logger(config)
    logger = getLogger()
    logger.info(sys.argv)
    logger.info(config)
    data = MultiModalDataset(config)
    logger.info(data)
    return data


def stage_configs(config: KDConfig) -> dict[str, KDConfig]:
    """The checked config of each stage: ``{"model": …}``, or ``{"teacher": …, "student": …}``."""
    if not issubclass(config.model_class, DistillationMethod):
        _settings(config.model_class).read(config)
        return {"model": config}
    distiller = config.model_class.distiller_class.settings_class
    distiller.read(config)
    models = stage_models(config)
    keys = {stage: _keys_read_by(model) for stage, model in models.items()}
    keys["distiller"] = set(distiller.model_fields)
    configs = {}
    for stage, model in models.items():
        others = set().union(*(names for other, names in keys.items() if other != stage))
        others -= keys[stage] | properties.run_keys()
        try:
            configs[stage] = config.for_stage(stage, model, drop=others)
            _settings(model).read(configs[stage])
        except UserError as error:
            raise UserError(f"{stage}: {error}") from None
    return configs


def _keys_read_by(model: type) -> set[str]:
    """The hyperparameters that are a model's own: declared, or given a default in its YAML file."""
    files = (properties.model_file(model.__name__), properties.RECBOLE_FOLDER / "model" / f"{model.__name__}.yaml")
    return set(_settings(model).model_fields).union(*map(properties.keys_of, files))


def _settings(model: type) -> type[Settings]:
    return getattr(model, "settings_class", Settings)


def train(
    config: KDConfig, configs: Mapping[str, KDConfig], loaders_of: Any, watch: Watch | None = None
) -> list[StageRecord]:
    """Train the stages of a run in order; the last one is its result.

    Args:
        config: of the whole run.
        configs: of its stages, from :func:`stage_configs`.
        loaders_of: a function from a stage's config to its :class:`Loaders`.
        watch: of the last stage.
    """
    if "model" in configs:
        return [train_stage("model", config, loaders_of(config), watch=watch).record]
    distiller_class = config.model_class.distiller_class
    teachers = [
        teach(stage, configs[stage], loaders_of(configs[stage]), distiller_class.learns_from, config.asked_for(stage))
        for stage in configs
        if stage != "student"
    ]
    of_teachers = [teacher.digest for teacher in teachers]
    from_teacher = config["init"] == "teacher"
    student = configs["student"]
    loaders = loaders_of(student)

    def initial(model: nn.Module) -> None:
        if from_teacher:
            start_from_teacher(model, *teachers[0].embeddings())

    def distilled(model: nn.Module) -> Distiller:
        initial(model)
        return distiller_class(config, loaders.train._dataset, [teacher.knowledge for teacher in teachers])

    stages = [teacher.record for teacher in teachers]
    start = of_teachers[:1] if from_teacher else []
    if config["baseline"]:
        stages.append(train_stage("baseline", student, loaders, start, initial).record)
    settings = distiller_class.settings_class.read(config).model_dump_json()
    parts = [*of_teachers, config.model, settings, config["init"]]
    stages.append(train_stage("student", student, loaders, parts, distilled, watch).record)
    return stages
