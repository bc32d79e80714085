"""What stages a run has: a small graph of models, of who teaches whom and who starts from whom."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recbole_kd.bridge import properties
from recbole_kd.bridge.config import KDConfig
from recbole_kd.bridge.given_models import STAGES, model_names
from recbole_kd.bridge.model_keys import declared_settings
from recbole_kd.bridge.models import has_no_gradient, is_computed_at_once
from recbole_kd.bridge.run_settings import Effect, keys_with
from recbole_kd.bridge.trainer import unfinished_training
from recbole_kd.distillers.base import Distiller, Need, TrajectorySettings
from recbole_kd.distillers.method import DistillationMethod
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.settings import Settings

_ONLY_OF_A_MODEL = frozenset({Need.MODEL, Need.TRAJECTORY})  # which no folder of scores can give


@dataclass(frozen=True)
class PlannedStage:
    """One model to be trained.

    Attributes:
        name: ``model``, or ``teacher``, ``teacher2``, …, ``assistant``, ``baseline`` (the student alone), ``student``.
        config: of this stage.
        taught_by: names of the stages whose knowledge its distiller gets; none without a distiller.
        starts_from: the stage whose embeddings are its initial ones.
    """

    name: str
    config: KDConfig
    taught_by: tuple[str, ...] = ()
    starts_from: str | None = None

    @property
    def model(self) -> type:
        """The class that is trained."""
        found: type = self.config.model_class
        return found


@dataclass(frozen=True)
class Plan:
    """The stages of a run in an order in which they can be trained; the last is its result.

    ``distiller`` teaches the stages that are ``taught_by`` others or make teachers of their own (``distilled``).
    """

    config: KDConfig
    stages: tuple[PlannedStage, ...]
    distiller: type[Distiller[Any]] | None = None
    distilled: tuple[str, ...] = ()

    @property
    def result(self) -> PlannedStage:
        """The stage that the run is for."""
        return self.stages[-1]

    @property
    def needs(self) -> frozenset[Need]:
        """What the distiller asks of teachers; nothing without one."""
        return self.distiller.needs if self.distiller else frozenset()

    @property
    def configs(self) -> dict[str, KDConfig]:
        """Of each stage with settings of its own; the student alone has the student's."""
        return {stage.name: stage.config for stage in self.stages if stage.name != "baseline"}

    @property
    def teachers(self) -> tuple[PlannedStage, ...]:
        """The stages that teach and are not taught."""
        return tuple(stage for stage in self.stages if self.teaches(stage.name) and not stage.taught_by)

    def teaches(self, name: str) -> bool:
        """Whether other stages learn from this one, or start from it."""
        return any(name in stage.taught_by or name == stage.starts_from for stage in self.stages)

    def distiller_settings(self) -> Settings:
        """Those of the distiller, checked."""
        assert self.distiller is not None
        return self.distiller.settings_class.read(self.config)

    def epochs(self) -> dict[str, int]:
        """The most epochs of each stage, by its name and in the order trained."""
        return {stage.name: stage.config["epochs"] for stage in self.stages}

    def identity(self) -> list[Any]:
        """All that the figures depend on and that is known before data are read: digests and plain values."""
        stages = [config.fingerprint(name) for name, config in self.configs.items()]
        return [self.config.fingerprint(*stages), *(self.config[key] for key in keys_with(Effect.RUN, Effect.SOURCE))]


def make_plan(config: KDConfig) -> Plan:
    """The stages of a run, their settings checked; nothing is read or trained.

    Raises:
        UserError: a setting of any stage is wrong, or a model cannot be what it is given as.
    """
    if not issubclass(config.model_class, DistillationMethod):
        _check_alone(config)
        declared_settings(config.model_class).read(config)
        return Plan(config, (PlannedStage("model", config),))
    distiller = config.model_class.distiller_class
    distiller.settings_class.read(config)
    models = _models(config, distiller)
    configs = _configs(config, distiller, models)
    _check_sources(config, distiller, configs)
    for name in ("assistant", "student"):
        if name in configs:
            _check_learner(name, configs[name])
    return Plan(config, _stages(config, distiller, configs), distiller, tuple(_learners(configs)))


def _check_alone(config: KDConfig) -> None:
    for stage in STAGES:
        if config[stage]:
            raise UserError(
                f"{stage}: {config.model} is no distillation method, so nobody would use {config[stage]!r}; leave it "
                f"out, or give a method as --model with --student={config.model}"
            )

    for key in ("content", "student_content"):
        if config[key]:
            raise UserError(
                f"{key}: {config.model} is no distillation method, and a content path is what a student learns; leave "
                f"it out, or give a method as --model with --student={config.model}"
            )


def pair_name(config: KDConfig) -> str:
    """The model's name, with teacher and student where they are not the method's own: ``RCEKD-BM3-LightGCN``."""
    own = config.internal_config_dict  # what the YAML files of the method say
    if not issubclass(config.model_class, DistillationMethod) or all(
        model_names(config[key]) == model_names(own.get(key)) for key in ("teacher", "assistant", "student")
    ):
        return str(config.model)
    names = [name for key in ("teacher", "assistant", "student") for name in model_names(config[key])]
    return "-".join([config.model, *(name.rpartition(":")[2] for name in names)])  # module:Class is no file's name


def study_folder(config: KDConfig, folder: Path = Path("tune")) -> Path:
    """Where a search of a run's values is kept, below the folder of all searches."""
    return folder / f"{config.dataset}-{pair_name(config)}"


def _models(config: KDConfig, distiller: type[Distiller[Any]]) -> dict[str, type]:
    """The classes of teachers, assistant and student, by stage."""
    names, online, between = config.teacher_names(), not distiller.needs, Need.ASSISTANT in distiller.needs
    if online and (names or config["init"] == "teacher"):
        raise UserError(f"{config.model} makes its own teachers; leave out --teacher and --init=teacher")
    if not (names or online) or not config["student"]:
        raise UserError(f"{config.model} needs a teacher and a student; add --teacher=MODEL --student=MODEL")
    if len(names) > 1 and not distiller.several_teachers:
        raise UserError(f"teacher: {config.model} learns from one teacher, but {', '.join(names)} are given; keep one")
    if between and not config["assistant"]:
        raise UserError(f"{config.model} teaches through a model between the two; add --assistant=MODEL")
    if config["assistant"] and not between:
        raise UserError(f"assistant: {config.model} teaches without a model between the two; leave out --assistant")
    models = {f"teacher{place if place > 1 else ''}": config.find_model(name) for place, name in enumerate(names, 1)}
    of_teachers = list(models.values())
    for stage in ("assistant", "student"):
        if config[stage]:
            models[stage] = config.find_model(str(config[stage]))
    for stage, model in models.items():
        if issubclass(model, DistillationMethod):
            raise UserError(f"{stage}: {model.__name__} is a distillation method, no single model; name its student")
    distiller.check_models(of_teachers, models["student"])
    return models


def _configs(config: KDConfig, distiller: type[Distiller[Any]], models: dict[str, type]) -> dict[str, KDConfig]:
    """The checked config of each stage."""
    keys = {stage: _keys_read_by(model) for stage, model in models.items()}
    keys["distiller"] = set(distiller.settings_class.model_fields)
    configs = {}
    for stage, model in models.items():
        others = set().union(*(names for other, names in keys.items() if other != stage))
        others -= keys[stage] | properties.run_keys()
        try:
            configs[stage] = config.for_stage(stage, model, drop=others)
            declared_settings(model).read(configs[stage])
        except UserError as error:
            raise UserError(f"{stage}: {error}") from None
    return configs


def _keys_read_by(model: type) -> set[str]:
    """The hyperparameters that are a model's own: declared, or given a default in its YAML file."""
    files = (properties.model_file(model.__name__), properties.RECBOLE_FOLDER / "model" / f"{model.__name__}.yaml")
    return set(declared_settings(model).model_fields).union(*map(properties.keys_of, files))


def _check_sources(config: KDConfig, distiller: type[Distiller[Any]], configs: dict[str, KDConfig]) -> None:
    """Refuse a teacher that cannot give what the distiller needs, and sources that nobody would read."""
    folders: dict[str, str] = {}
    for stage, one in configs.items():
        if stage == "student":
            for key in keys_with(Effect.SOURCE):
                if one[key]:
                    raise UserError(f"student_{key}: the student is what is trained; leave it out")
            continue
        prefix = "" if stage == "teacher" and config["cache_dir"] else f"{stage}_"
        if _ONLY_OF_A_MODEL & distiller.needs and one["cache_dir"]:
            more = "how its teacher was trained" if Need.TRAJECTORY in distiller.needs else "its teacher's layers"
            raise UserError(f"{prefix}cache_dir: this method learns from {more}, not from scores; leave it out")
        if stage.startswith("teacher") and one["content"]:
            raise UserError(f"{prefix}content: a content path is what the student learns; give --student_content")
        if one["cache_dir"] and folders.setdefault(one["cache_dir"], stage) != stage:
            raise UserError(
                f"cache_dir: {folders[one['cache_dir']]} and {stage} cannot keep their scores in one folder; give each "
                f"its own, as --teacher1_cache_dir and --{stage}_cache_dir"
            )
        if Need.TRAJECTORY in distiller.needs:
            _check_trajectory(config, distiller, stage, one)
        if Need.EMBEDDINGS in distiller.needs and is_computed_at_once(one.model_class):
            raise UserError(f"{stage}: {config.model} needs embeddings, and {one.model} has none; take another model")


def _check_trajectory(config: KDConfig, distiller: type[Distiller[Any]], stage: str, one: KDConfig) -> None:
    if one["checkpoint"]:
        raise UserError(
            f"{stage}_checkpoint: {config.model} learns from how its teacher was trained, which a checkpoint does not "
            "tell; leave it out"
        )
    settings = distiller.settings_class.read(config)
    assert isinstance(settings, TrajectorySettings)
    if settings.trajectory_every > one["epochs"]:
        raise UserError(
            f"trajectory_every={settings.trajectory_every} keeps none of the {one['epochs']} epochs of the {stage}; "
            "make it smaller, or epochs larger"
        )


def _check_learner(stage: str, config: KDConfig) -> None:
    """Refuse a model that nothing can be taught."""
    if has_no_gradient(config.model_class):
        raise UserError(
            f"{stage}: {config.model} is computed from the data at once, so no teacher can teach it; take a model that "
            "is trained step by step, such as BPR or LightGCN"
        )
    reason = unfinished_training(config)
    if reason:
        raise UserError(f"{stage}: {reason}")


def _learners(configs: dict[str, KDConfig]) -> list[str]:
    return [name for name in configs if not name.startswith("teacher")]


def _stages(
    config: KDConfig, distiller: type[Distiller[Any]], configs: dict[str, KDConfig]
) -> tuple[PlannedStage, ...]:
    teachers = tuple(name for name in configs if name.startswith("teacher"))
    start = teachers[0] if config["init"] == "teacher" else None
    stages = [PlannedStage(name, configs[name]) for name in teachers]
    if "assistant" in configs:
        stages.append(PlannedStage("assistant", configs["assistant"], teachers))
        teachers = (*teachers, "assistant")
    if config["baseline"]:
        stages.append(PlannedStage("baseline", configs["student"], starts_from=start))
    return (*stages, PlannedStage("student", configs["student"], teachers, start))
