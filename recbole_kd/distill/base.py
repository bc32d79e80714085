"""The interface between a distillation method and the trainer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from recbole.data.dataset import Dataset
from recbole.data.interaction import Interaction
from torch import Tensor, nn

from recbole_kd.scorer import Scorer
from recbole_kd.settings import Settings


class Distiller(nn.Module):
    """Extra loss terms for a student, computed from one teacher or several.

    A subclass declares its hyperparameters as :class:`Settings` and returns named terms. Whatever it learns itself (a
    prompt, a projection) is its own parameter and is thrown away after training: the student stays a plain model.
    Draw random numbers from :attr:`generator` only, so that a distiller whose weights are zero leaves the student's
    run as it was, to the bit, and one that is cut off goes on with the numbers it would have drawn.

    Attributes:
        learns_from: ``"scores"``: a teacher is a :class:`~recbole_kd.teacher.cache.TeacherCache`, whatever its model;
            ``"model"``: it is the trained model itself; ``"itself"``: the distiller makes its own, which learn along.
        several_teachers: whether ``--teacher=A,B`` is welcome.
        diagnostics: what the log and the history tell of an epoch besides losses: numbers, or lists of them.
    """

    settings_class: ClassVar[type[Settings]] = Settings
    learns_from: ClassVar[Literal["scores", "model", "itself"]] = "scores"
    several_teachers: ClassVar[bool] = False
    teachers: Any
    generator: torch.Generator
    diagnostics: dict[str, Any]

    def __init__(self, config: Any, dataset: Dataset, teachers: Sequence[Any]) -> None:
        """Keep the teachers; models are frozen.

        Args:
            config: the run's config, which holds the keys of :attr:`settings_class`.
            dataset: the training split.
            teachers: as :attr:`learns_from` says; models are switched to evaluation mode, no gradient reaches them.
        """
        super().__init__()
        if self.learns_from == "model":
            self.teachers = nn.ModuleList(teacher.eval().requires_grad_(False) for teacher in teachers)
        else:
            self.teachers = list(teachers)
        self.generator = torch.Generator().manual_seed(config["seed"])
        self.diagnostics = {}

    @classmethod
    def check_models(cls, teachers: Sequence[type], student: type) -> None:
        """Refuse models that this method cannot teach with, or cannot teach, before data is read.

        Raises:
            UserError: one sentence.
        """

    def get_extra_state(self) -> Any:
        """The generator's state, for ``state_dict``."""
        return self.generator.get_state()

    def set_extra_state(self, state: Any) -> None:
        """Put the generator where it was."""
        self.generator.set_state(state.cpu())

    def changing_teachers(self) -> dict[str, nn.Module]:
        """Teachers whose scores training changes, by name: what they score on validation is watched.

        Each has RecBole's ``full_sort_predict``.
        """
        return {}

    def validated(self, scores: dict[str, float]) -> None:
        """Called after each validation with the ``valid_metric`` of each changing teacher."""

    def train(self, mode: bool = True) -> Distiller:
        """Switch the distiller's own layers; a teacher that teaches stays in evaluation mode."""
        super().train(mode)
        if self.learns_from == "model":
            self.teachers.eval()
        return self

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What the optimiser trains besides the student, as ``torch.optim`` parameter groups."""
        trainable = [parameter for parameter in self.parameters() if parameter.requires_grad]
        return [{"params": trainable}] if trainable else []

    def some(self, ids: Tensor, wanted: int) -> Tensor:
        """``wanted`` of ``ids`` (B,), drawn anew at each call; all if ``wanted`` is 0 or more than there are."""
        if not wanted or len(ids) <= wanted:
            return ids
        return ids[torch.randperm(len(ids), generator=self.generator)[:wanted].to(ids.device)]

    def begin_epoch(self, student: Scorer, epoch: int) -> None:
        """Called before each epoch, counted from 0, for what is renewed once an epoch."""

    def forward(self, student: Scorer, batch: Interaction) -> dict[str, Tensor]:
        """Return the weighted loss terms by name; leave out a term whose weight is zero.

        Args:
            student: within a step, its ``forward()`` propagates once however many callers ask.
            batch: RecBole's training batch, on the student's device.
        """
        raise NotImplementedError
