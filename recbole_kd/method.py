"""Distillation methods as RecBole models: which teacher, which student, which distiller."""

from __future__ import annotations

from typing import Any, ClassVar

from recbole.data.dataset import Dataset
from recbole.data.interaction import Interaction
from recbole.model.abstract_recommender import GeneralRecommender
from recbole.utils import InputType
from torch import Tensor

from recbole_kd.config import KDConfig
from recbole_kd.distill.base import Distiller
from recbole_kd.distill.promptmm import PromptMMDistiller
from recbole_kd.model.lightgcn import LightGCN
from recbole_kd.model.promptmm import PromptMMTeacher


class DistillationMethod(GeneralRecommender):
    """A teacher, a distiller and a student under one ``--model`` name; it scores as its student."""

    input_type = InputType.PAIRWISE
    teacher_class: ClassVar[type[GeneralRecommender]]
    student_class: ClassVar[type[GeneralRecommender]]
    distiller_class: ClassVar[type[Distiller]]

    def __init__(self, config: Any, dataset: Dataset) -> None:
        super().__init__(config, dataset)
        if not isinstance(config, KDConfig):  # stock RecBole's, which knows no stages
            config = KDConfig(type(self), config["dataset"], config_dict=config.external_config_dict)
        student_config = config.for_stage("student", self.student_class)
        self.student: GeneralRecommender = self.student_class(student_config, dataset)

    def calculate_loss(self, interaction: Interaction) -> Tensor:
        """The student's own loss; the stages of :mod:`recbole_kd.stages` add the distillation."""
        return self.student.calculate_loss(interaction)

    def predict(self, interaction: Interaction) -> Tensor:
        """The student's scores of user–item pairs, (B,)."""
        return self.student.predict(interaction)

    def full_sort_predict(self, interaction: Interaction) -> Tensor:
        """The student's scores of all items, (B · n_items,)."""
        return self.student.full_sort_predict(interaction)


class PromptMM(DistillationMethod):
    """PromptMM (Wei et al., WWW 2024): a prompt-tuned multi-modal teacher into a LightGCN."""

    teacher_class = PromptMMTeacher
    student_class = LightGCN
    distiller_class = PromptMMDistiller
