"""The interface between a distillation method and a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from recbole_kd.bridge.config import KDConfig
from recbole_kd.bridge.recbole import Dataset, GeneralRecommender, Interaction
from recbole_kd.data.states import States, states_of
from recbole_kd.foundation.settings import Count, Settings
from recbole_kd.scoring.scores import Scores

if TYPE_CHECKING:
    from recbole_kd.distillers.content_path import ContentPath

OwnSettings = TypeVar("OwnSettings", bound=Settings)


class Need(Enum):
    """What a distiller asks of its teachers; the plan of a run is made from it."""

    SCORES = "scores of any items, and lists of the best"
    EMBEDDINGS = "embeddings whose dot products are its scores"
    MODEL = "the trained model itself"
    TRAJECTORY = "what it scored after every n-th epoch of its training"
    ASSISTANT = "a model between teacher and student, taught by the same method"
    POPULARITY = "how often each item was interacted with in training"


class NotAskedFor(RuntimeError):
    """A distiller reads what it does not name among its needs: a mistake of its author."""


@dataclass(frozen=True)
class Teacher:
    """What one teacher gives: what the distiller's needs name, and nothing else.

    ``name`` is its stage: ``teacher``, ``teacher2``, …, or ``assistant``.
    """

    name: str
    given_scores: Scores | None = None
    given_model: GeneralRecommender | None = None
    given_trajectory: tuple[Scores, ...] | None = None
    given_popularity: Tensor | None = None

    @property
    def scores(self) -> Scores:
        """Its scores: of a cache on disk (``SCORES``, ``EMBEDDINGS``)."""
        return _asked_for(self.given_scores, "SCORES or EMBEDDINGS")

    @property
    def model(self) -> GeneralRecommender:
        """The trained model (``MODEL``)."""
        return _asked_for(self.given_model, "MODEL")

    @property
    def trajectory(self) -> tuple[Scores, ...]:
        """Its scores after every n-th epoch, the earliest first (``TRAJECTORY``)."""
        return _asked_for(self.given_trajectory, "TRAJECTORY")

    @property
    def popularity(self) -> Tensor:
        """Training interactions of each item, int64 (n_items,) (``POPULARITY``)."""
        return _asked_for(self.given_popularity, "POPULARITY")


Given = TypeVar("Given")


def _asked_for(given: Given | None, name: str) -> Given:
    if given is None:
        named = name.replace(" or ", " or Need.")
        raise NotAskedFor(f"the distiller does not name Need.{named} among its needs, or its teacher cannot give it")
    return given


class TrajectorySettings(Settings):
    """What a distiller that needs a ``TRAJECTORY`` declares among its settings."""

    trajectory_every: Count = 10


class Distiller(nn.Module, Generic[OwnSettings]):
    """Extra loss terms for a student, computed from one teacher or several.

    A subclass declares its hyperparameters as :class:`Settings` and returns named terms. Whatever it learns itself (a
    prompt, a projection) is its own parameter and is thrown away after training: the student stays a plain model.
    Draw random numbers from :attr:`generator` only, so that a distiller whose weights are zero leaves the student's
    run as it was, to the bit, and one that is cut off goes on with the numbers it would have drawn.

    Attributes:
        needs: what it asks of each teacher. Without any, it makes teachers of its own, which learn along. With
            ``ASSISTANT`` among them it is made twice: for the assistant, whose teachers are the teachers, and for the
            student, who has the assistant behind them.
        several_teachers: whether ``--teacher=A,B`` is welcome.
        settings: those of :attr:`settings_class`, checked.
        teachers: what each of them gives.
        states: whom items are scored for, the rows of a teacher's scores.
        diagnostics: what the log and the history tell of an epoch besides losses: numbers, or lists of them.
        content: what learns to make the student's item embeddings of content, where the run asks for it.
    """

    settings_class: ClassVar[type[Settings]] = Settings
    needs: ClassVar[frozenset[Need]] = frozenset({Need.SCORES})
    several_teachers: ClassVar[bool] = False
    renamed: ClassVar[Mapping[str, str]] = {"teachers": "teacher_models"}  # in snapshots of release 0.1.0
    settings: OwnSettings
    teachers: tuple[Teacher, ...]
    states: States
    generator: torch.Generator
    diagnostics: dict[str, Any]
    content: ContentPath | None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        strange = [need for need in cls.needs if not isinstance(need, Need)]
        if strange:
            raise TypeError(f"{cls.__name__} needs {strange[0]!r}; name members of recbole_kd.Need")
        if Need.TRAJECTORY in cls.needs and not issubclass(cls.settings_class, TrajectorySettings):
            raise TypeError(f"{cls.__name__} needs a TRAJECTORY; derive its settings_class from TrajectorySettings")

    def __init__(self, config: KDConfig, dataset: Dataset, teachers: Sequence[Teacher]) -> None:
        """Keep the teachers; models are frozen.

        Args:
            config: the run's config, which holds the keys of :attr:`settings_class`.
            dataset: the training split.
            teachers: each with what :attr:`needs` asks for; models are switched to evaluation mode, no gradient
                reaches them.
        """
        super().__init__()
        self.settings = self.settings_class.read(config)  # type: ignore[assignment]
        self.teachers = tuple(teachers)
        self.states = states_of(config, dataset)
        self.content = None
        if Need.MODEL in self.needs:
            # submodules called teacher…: their frozen parameters are left out of snapshots
            self.teacher_models = nn.ModuleList(one.model.eval().requires_grad_(False) for one in teachers)
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

    def train(self, mode: bool = True) -> Distiller[OwnSettings]:
        """Switch the distiller's own layers; a teacher that teaches stays in evaluation mode."""
        super().train(mode)
        if Need.MODEL in self.needs:
            self.teacher_models.eval()
        return self

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What the optimiser trains besides the student, as ``torch.optim`` parameter groups."""
        trainable = [parameter for parameter in self.parameters() if parameter.requires_grad]
        return [{"params": trainable}] if trainable else []

    def sample(self, ids: Tensor, wanted: int) -> Tensor:
        """``wanted`` of ``ids`` (B,), drawn anew at each call; all if ``wanted`` is 0 or more than there are."""
        if not wanted or len(ids) <= wanted:
            return ids
        return ids[torch.randperm(len(ids), generator=self.generator)[:wanted].to(ids.device)]

    def begin_epoch(self, student: Scores, epoch: int) -> None:
        """Called before each epoch, counted from 0, for what is renewed once an epoch."""

    def forward(self, student: Scores, batch: Interaction) -> dict[str, Tensor]:
        """Return the weighted loss terms by name; leave out a term whose weight is zero.

        Args:
            student: within a step its graph is propagated once, however many callers ask.
            batch: RecBole's training batch, on the student's device.
        """
        raise NotImplementedError
