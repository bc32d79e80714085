"""Distillation methods as RecBole models: a distiller's name, and which models teach and learn."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

from recbole.data.dataset import Dataset
from recbole.data.interaction import Interaction
from recbole.model.abstract_recommender import GeneralRecommender
from recbole.utils import InputType
from torch import Tensor

from recbole_kd.config import KDConfig
from recbole_kd.distill.base import Distiller
from recbole_kd.distill.registry import find_distiller
from recbole_kd.errors import UserError
from recbole_kd.registry import find_model


class DistillationMethod(GeneralRecommender):
    """Teachers, a distiller and a student under one ``--model`` name; it scores as its student."""

    input_type = InputType.PAIRWISE
    distiller_class: ClassVar[type[Distiller]]

    def __init__(self, config: Any, dataset: Dataset) -> None:
        super().__init__(config, dataset)
        if not isinstance(config, KDConfig):  # stock RecBole's, which knows no stages
            config = KDConfig(type(self), config["dataset"], config_dict=config.external_config_dict)
        model = find_model(config["student"])
        self.student: GeneralRecommender = model(config.for_stage("student", model), dataset)

    def calculate_loss(self, interaction: Interaction) -> Tensor:
        """The student's own loss; the stages of :mod:`recbole_kd.stages` add the distillation."""
        return self.student.calculate_loss(interaction)

    def predict(self, interaction: Interaction) -> Tensor:
        """The student's scores of user–item pairs, (B,)."""
        return self.student.predict(interaction)

    def full_sort_predict(self, interaction: Interaction) -> Tensor:
        """The student's scores of all items, (B · n_items,)."""
        return self.student.full_sort_predict(interaction)


@cache
def method_of(name: str) -> type[DistillationMethod]:
    """The model class of ``--model=name`` for the distiller registered under ``name``."""
    return type(name, (DistillationMethod,), {"distiller_class": find_distiller(name), "__module__": __name__})


def stage_models(config: KDConfig) -> dict[str, type]:
    """The classes that a distillation run trains: ``teacher``, ``teacher2``, …, ``student``.

    Raises:
        UserError: no teacher or student is given, there are too many, or one cannot be it.
    """
    method: type[DistillationMethod] = config.model_class
    names, online = _names(config["teacher"]), method.distiller_class.learns_from == "itself"
    if online and (names or config["init"] == "teacher"):
        raise UserError(f"{config.model} makes its own teachers; leave out --teacher and --init=teacher")
    if not (names or online) or not config["student"]:
        raise UserError(f"{config.model} needs a teacher and a student; add --teacher=MODEL --student=MODEL")
    if len(names) > 1 and not method.distiller_class.several_teachers:
        raise UserError(f"teacher: {config.model} learns from one teacher, but {', '.join(names)} are given; keep one")
    models = {"teacher" + (str(place) if place > 1 else ""): find_model(name) for place, name in enumerate(names, 1)}
    models["student"] = find_model(str(config["student"]))
    for stage, model in models.items():
        if issubclass(model, DistillationMethod):
            raise UserError(f"{stage}: {model.__name__} is a distillation method, no single model; name its student")
    of_teachers = [model for stage, model in models.items() if stage != "student"]
    method.distiller_class.check_models(of_teachers, models["student"])
    return models


def pair_name(config: KDConfig) -> str:
    """The model's name, with teacher and student where they are not the method's own: ``RCEKD-BM3-LightGCN``."""
    own = config.internal_config_dict  # what the YAML files of the method say
    if not issubclass(config.model_class, DistillationMethod) or all(
        _names(config[key]) == _names(own.get(key)) for key in ("teacher", "student")
    ):
        return config.model
    return "-".join([config.model, *_names(config["teacher"]), *_names(config["student"])])


def _names(value: Any) -> list[str]:
    parts = value.split(",") if isinstance(value, str) else value or []
    return [str(part).strip() for part in parts]
