"""A whole run: settings, data, stages, result. Nothing is printed; callbacks tell those who want to know."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from logging import getLogger
from pathlib import Path
from typing import Any

from recbole_kd.bridge.config import KDConfig
from recbole_kd.bridge.loaders import Loaders
from recbole_kd.bridge.model_keys import declared_settings
from recbole_kd.bridge.recbole import GeneralRecommender, init_seed
from recbole_kd.bridge.trainer import own_trainer
from recbole_kd.data.dataset import MultiModalDataset, open_dataset, read_features
from recbole_kd.data.loaders import check_evaluation, make_loaders
from recbole_kd.distillers.base import Distiller, TrajectorySettings
from recbole_kd.distillers.method import DistillationMethod
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.plain import plain_values
from recbole_kd.scoring.cache import TeacherCache
from recbole_kd.scoring.manifest import MANIFEST
from recbole_kd.training.callbacks import Callback, CallbackList
from recbole_kd.training.content import check_content, content_path
from recbole_kd.training.fitting import Prepare, train_stage
from recbole_kd.training.hearing import check_outputs, heard
from recbole_kd.training.made import made_of
from recbole_kd.training.plan import Plan, PlannedStage, make_plan
from recbole_kd.training.ranks import ranks
from recbole_kd.training.record import Result, StageRecord
from recbole_kd.training.teaching import Taught, teach
from recbole_kd.training.weights import start_from_teacher


def train_and_test(config: KDConfig, callbacks: Sequence[Callback] = ()) -> Result:
    """Train and evaluate a model, or a teacher and its student; write ``result_file`` if the config names one.

    Raises:
        UserError: something in the config or the data that the user can mend.
    """
    plan = make_plan(config)  # wrong settings of any stage fail here, before data is read
    check_outputs(config)
    with heard(config, plan.epochs(), callbacks) as callback:
        data = open_data(config)
        check_stages(plan, data)
        stages = train_plan(plan, lambda stage_config: make_loaders(stage_config, data), callback)
        result = Result(
            model=config.model,
            dataset=config.dataset,
            seed=config["seed"],
            config=plain_values(config.final_config_dict),
            stages=stages,
            data=data,
            made=made_of(config, data, max(stage.threads or 1 for stage in stages)),
        )
        if config["result_file"]:
            result.write(config["result_file"])
    CallbackList(callbacks).run_ends(result)
    return result


def check_stages(plan: Plan, data: MultiModalDataset) -> None:
    """Refuse what the data tell of any stage, before the first is trained.

    Args:
        plan: of the run.
        data: keep the features that are read.

    Raises:
        UserError: an evaluation that cannot be made, a content path that cannot be, features that are not there.
    """
    for config in plan.configs.values():
        check_evaluation(config, data)
        check_content(config, data)
        if reads_features(config):
            read_features(config.model, data)


def reads_features(config: KDConfig) -> bool:
    """Whether a stage reads item features, for its model or for a content path; a teacher's cache has read them."""
    if config["cache_dir"] and (Path(config["cache_dir"]) / MANIFEST).is_file():
        return False
    return bool(config["content"] or getattr(config.model_class, "reads_features", False))


def keep_scores(given: KDConfig, callbacks: Sequence[Callback] = ()) -> TeacherCache:
    """Train or load a teacher and write the cache of its scores.

    Raises:
        UserError: something in the config or the data that the user can mend.
    """
    if issubclass(given.model_class, DistillationMethod):
        raise UserError(f"{given.model} is a distillation method; name the model that shall teach")
    config = given.for_stage("teacher", given.model_class)
    declared_settings(config.model_class).read(config)
    check_outputs(config)
    with ranks(), heard(config, {"teacher": config["epochs"]}, callbacks) as callback:
        data = open_data(config)
        check_evaluation(config, data)
        asked_for = {"model": config.model, **given.asked_for("teacher")}
        taught = teach("teacher", config, make_loaders(config, data), asked_for=asked_for, callback=callback)
    assert isinstance(taught.scores, TeacherCache)
    values = plain_values(config.final_config_dict)
    CallbackList(callbacks).run_ends(
        Result(config.model, config.dataset, config["seed"], values, [taught.record], data)
    )
    return taught.scores


def open_data(config: KDConfig) -> MultiModalDataset:
    """Read the data set."""
    init_seed(config["seed"], config["reproducibility"])
    logger = getLogger()
    logger.info(sys.argv)
    logger.info(config)
    data = open_dataset(config)
    logger.info(data)
    return data


def train_plan(
    plan: Plan, loaders_of: Callable[[KDConfig], Loaders], callback: Callback | None = None
) -> list[StageRecord]:
    """Train the stages of a plan in their order; the last one is the run's result.

    Args:
        plan: from :func:`~recbole_kd.training.plan.make_plan`.
        loaders_of: a function from a stage's config to its loaders.
        callback: is told of each stage.
    """
    known: dict[str, Taught] = {}
    records: list[StageRecord] = []
    for stage in plan.stages:
        loaders = loaders_of(stage.config)
        parts, prepare = _parts(plan, stage, known), _preparation(plan, stage, loaders, known)
        if plan.teaches(stage.name):
            known[stage.name] = teach(
                stage.name,
                stage.config,
                loaders,
                plan.needs,
                asked_for=plan.config.asked_for(stage.name),
                parts=parts,
                prepare=prepare,
                callback=callback,
                trajectory_every=_trajectory_every(plan),
            )
            records.append(known[stage.name].record)
        else:
            records.append(train_stage(stage.name, stage.config, loaders, parts, prepare, callback).record)
    return records


def _parts(plan: Plan, stage: PlannedStage, known: dict[str, Taught]) -> list[str]:
    """What a stage's figures depend on besides its own config and data."""
    if stage.name not in plan.distilled:
        return [known[stage.starts_from].digest] if stage.starts_from else []
    of_teachers = [known[name].digest for name in stage.taught_by]
    settings = plan.distiller_settings().model_dump_json()
    trainer = own_trainer(stage.config)  # of everybody else's the digests are those of release 0.1.0
    return [*of_teachers, plan.config.model, settings, plan.config["init"], *[trainer] * bool(trainer)]


def _preparation(plan: Plan, stage: PlannedStage, loaders: Loaders, known: dict[str, Taught]) -> Prepare | None:
    """What is done with a stage's new model: initial weights from a teacher, and a distiller."""
    if stage.name not in plan.distilled and stage.starts_from is None:
        return None

    def prepare(model: GeneralRecommender) -> Distiller[Any] | None:
        if stage.starts_from is not None:
            start_from_teacher(model, *known[stage.starts_from].embeddings())
        if stage.name not in plan.distilled or plan.distiller is None:
            return None
        teachers = [known[name].teacher for name in stage.taught_by]
        distiller = plan.distiller(plan.config, loaders.train_part, teachers)
        distiller.content = content_path(stage.config, loaders.train_part, model, teachers)
        return distiller

    return prepare


def _trajectory_every(plan: Plan) -> int | None:
    settings = plan.distiller_settings()
    return settings.trajectory_every if isinstance(settings, TrajectorySettings) else None
