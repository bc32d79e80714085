"""Distillation methods as RecBole models: what stands behind the name of a method as ``--model``."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from recbole_kd.bridge.config import FindModel, KDConfig
from recbole_kd.bridge.recbole import Config, Dataset, GeneralRecommender, InputType, Interaction
from recbole_kd.distillers.base import Distiller


class DistillationMethod(GeneralRecommender):
    """Teachers, a distiller and a student under one ``--model`` name; it scores as its student.

    The registry makes a subclass of each distiller. ``student_class`` finds the student's class by its name.
    """

    input_type = InputType.PAIRWISE
    distiller_class: ClassVar[type[Distiller[Any]]]
    student_class: ClassVar[FindModel]

    def __init__(self, config: Config, dataset: Dataset) -> None:
        super().__init__(config, dataset)
        if not isinstance(config, KDConfig):  # stock RecBole's, which knows no stages
            given, find = config.external_config_dict, type(self).student_class
            config = KDConfig(type(self), config["dataset"], config_dict=given, find_model=find)
        model = type(self).student_class(config["student"])
        self.student: GeneralRecommender = model(config.for_stage("student", model), dataset)

    def calculate_loss(self, interaction: Interaction) -> Tensor:
        """The student's own loss; the stages of a run add the distillation."""
        loss: Tensor = self.student.calculate_loss(interaction)
        return loss

    def predict(self, interaction: Interaction) -> Tensor:
        """The student's scores of user–item pairs, (B,)."""
        return self.student.predict(interaction)

    def full_sort_predict(self, interaction: Interaction) -> Tensor:
        """The student's scores of all items, (B · n_items,)."""
        return self.student.full_sort_predict(interaction)


def method_class(name: str, distiller: type[Distiller[Any]], find_model: FindModel) -> type[DistillationMethod]:
    """The model class of ``--model=name``."""
    own = {"distiller_class": distiller, "student_class": staticmethod(find_model), "__module__": __name__}
    return type(name, (DistillationMethod,), own)
