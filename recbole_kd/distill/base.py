"""The interface between a distillation method and the trainer."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from recbole.data.dataset import Dataset
from recbole.data.interaction import Interaction
from torch import Tensor, nn

from recbole_kd.settings import Settings


class Scorer(Protocol):
    """What distillation asks of a dot-product model, teacher or student."""

    def embeddings(self) -> tuple[Tensor, Tensor]:
        """Final user and item embeddings, (n_users, d) and (n_items, d); a score is their dot product."""
        ...


class Distiller(nn.Module):
    """Extra loss terms for a student, computed from a teacher.

    A subclass declares its hyperparameters as :class:`Settings` and returns named terms. Whatever it learns
    itself (a prompt, a projection) is its own parameter and is thrown away after training: the student stays a
    plain model. Draw random numbers from a generator of your own, so that a distiller whose weights are zero
    leaves the student's run as it was, to the bit.
    """

    settings_class: ClassVar[type[Settings]] = Settings
    teacher: nn.Module

    def __init__(self, config: Any, dataset: Dataset, teacher: nn.Module) -> None:
        """Freeze ``teacher`` and keep it.

        Args:
            config: the run's config, which holds the keys of :attr:`settings_class`.
            dataset: the training split.
            teacher: a trained model; switched to evaluation mode, no gradient reaches its parameters.
        """
        super().__init__()
        self.teacher = teacher.eval().requires_grad_(False)

    @property
    def teacher_changes(self) -> bool:
        """Whether training changes the teacher's scores, so that its own validation score is worth watching."""
        return False

    def train(self, mode: bool = True) -> Distiller:
        """Switch the distiller's own layers; a teacher that teaches stays in evaluation mode."""
        super().train(mode)
        self.teacher.eval()
        return self

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What the optimiser trains besides the student, as ``torch.optim`` parameter groups."""
        trainable = [parameter for parameter in self.parameters() if parameter.requires_grad]
        return [{"params": trainable}] if trainable else []

    def begin_epoch(self, student: nn.Module, epoch: int) -> None:
        """Called before each epoch, for what is renewed once an epoch."""

    def forward(self, student: Scorer, batch: Interaction) -> dict[str, Tensor]:
        """Return the weighted loss terms by name; leave out a term whose weight is zero.

        Args:
            student: within a step, its ``forward()`` propagates once however many callers ask.
            batch: RecBole's training batch, on the student's device.
        """
        raise NotImplementedError
