"""A whole run: config, data, stages, result."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from logging import getLogger
from typing import Any

import numpy as np
from recbole.utils import init_logger, init_seed
from torch import nn

from recbole_kd import properties
from recbole_kd.checkpoint import plain_values
from recbole_kd.config import KDConfig
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.data.loaders import Loaders, check_list_lengths, make_loaders
from recbole_kd.distill.base import Distiller
from recbole_kd.errors import UserError
from recbole_kd.files import replacing
from recbole_kd.method import DistillationMethod
from recbole_kd.report import write_report
from recbole_kd.settings import Settings
from recbole_kd.stages import Stage, StageRecord, start_from_teacher, train_stage


@dataclass
class Result:
    """A finished run; ``stages`` in the order trained, ``test`` the metrics of the last (the student's)."""

    model: str
    dataset: str
    seed: int
    config: dict[str, Any]
    stages: list[StageRecord]

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
        with replacing(path, "w") as stream:
            json.dump(_without_nan(values), stream, indent=1, allow_nan=False)
            stream.write("\n")


def _without_nan(value: Any) -> Any:
    """NaN and infinity are no JSON; ``null`` stands for them."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def run(
    model: str | type | None = None,
    dataset: str | None = None,
    config_file_list: Sequence[str] | None = None,
    config_dict: Mapping[str, Any] | None = None,
    arguments: Sequence[str] = (),
) -> Result:
    """Train and evaluate a model, or a teacher and its student; the arguments are :class:`KDConfig`'s.

    Raises:
        UserError: something in the arguments, the config or the data that the user can mend.
    """
    config = KDConfig(model, dataset, config_file_list, config_dict, arguments)
    of_stages = stage_configs(config)  # wrong settings of any stage fail here, before data is read
    init_seed(config["seed"], config["reproducibility"])
    init_logger(config)
    logger = getLogger()
    logger.info(sys.argv)
    logger.info(config)
    data = MultiModalDataset(config)
    logger.info(data)
    for stage_config in of_stages.values():
        check_list_lengths(stage_config, data)
    stages = train(config, lambda stage_config: make_loaders(stage_config, data))
    result = Result(
        model=config.model,
        dataset=config.dataset,
        seed=config["seed"],
        config=plain_values(config.final_config_dict),
        stages=[stage.record for stage in stages],
    )
    if config["result_file"]:
        result.write(config["result_file"])
    write_report(result.stages, config)
    return result


def stage_configs(config: KDConfig) -> dict[str, KDConfig]:
    """The checked config of each stage: ``{"model": …}``, or ``{"teacher": …, "student": …}``."""
    method = config.model_class
    if not issubclass(method, DistillationMethod):
        _settings(method).read(config)
        return {"model": config}
    method.distiller_class.settings_class.read(config)
    classes = {"teacher": method.teacher_class, "student": method.student_class}
    keys = {stage: _keys_read_by(model) for stage, model in classes.items()}
    keys["distiller"] = set(method.distiller_class.settings_class.model_fields)
    configs = {}
    for stage, model in classes.items():
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


def train(config: KDConfig, loaders_of: Any) -> list[Stage]:
    """Train the stages of a run in order; the last one is its result.

    Args:
        config: of the whole run.
        loaders_of: a function from a stage's config to its :class:`Loaders`.
    """
    configs = stage_configs(config)
    if "model" in configs:
        loaders = loaders_of(config)
        return [train_stage("model", config, loaders, config.fingerprint(data_digest(loaders, config.model_class)))]
    method: type[DistillationMethod] = config.model_class
    loaders = loaders_of(configs["teacher"])
    teacher_fingerprint = configs["teacher"].fingerprint(data_digest(loaders, method.teacher_class))
    stages = [train_stage("teacher", configs["teacher"], loaders, teacher_fingerprint)]
    teacher = stages[0].model
    from_teacher = config["init"] == "teacher"
    loaders = loaders_of(configs["student"])

    def initial(student: nn.Module) -> None:
        if from_teacher:
            start_from_teacher(student, teacher)

    def distilled(student: nn.Module) -> Distiller:
        initial(student)
        return method.distiller_class(config, loaders.train._dataset, teacher)

    data = data_digest(loaders, method.student_class)
    alone = configs["student"].fingerprint(data, *([teacher_fingerprint] if from_teacher else []))
    if config["baseline"]:
        stages.append(train_stage("baseline", configs["student"], loaders, alone, initial))
    settings = method.distiller_class.settings_class.read(config).model_dump_json()
    student = configs["student"].fingerprint(data, teacher_fingerprint, config.model, settings)
    stages.append(train_stage("student", configs["student"], loaders, student, distilled))
    return stages


def data_digest(loaders: Loaders, model: type) -> str:
    """Digest of what a stage is trained and evaluated on: the splits, and the features if ``model`` reads them."""
    digest = hashlib.sha256()
    for loader in loaders:
        if loader is not None:
            dataset = loader._dataset
            for column in (dataset.uid_field, dataset.iid_field):
                digest.update(np.ascontiguousarray(dataset.inter_feat[column].numpy()).tobytes())
    dataset = loaders.train._dataset
    digest.update("\n".join(map(str, dataset.field2id_token[dataset.iid_field])).encode())
    for modality in dataset.modalities if getattr(model, "reads_features", False) else ():
        digest.update(modality.encode())
        digest.update(dataset.features(modality).numpy().tobytes())
    return digest.hexdigest()
