"""What is known of a finished stage, and of a finished run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.evaluation.protocol import protocol_of
from recbole_kd.evaluation.unseen import unseen_in_test
from recbole_kd.foundation.files import write_json
from recbole_kd.foundation.kept import Kept, checked, kept_fields

# JSON has no NaN, for which null stands
Figure = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]

WITH_CONTENT = "with content"  # what is so called in ``apart``
TITLES = {"baseline": "student alone", "student": "distilled student"}  # of stages, where not their names


_OF_TARGETS = ("recall", "ndcg", "precision", "hit", "mrr", "map")  # metrics that fall as targets are lost


def warm_lost(apart: Mapping[str, Mapping[str, Any]]) -> str:
    """What to say where a content path costs more than half of what is found of the items that training has.

    Args:
        apart: metrics, as :attr:`StageRecord.apart` has them.

    Returns:
        The sentence, which names the first such metric; "" where there is none.
    """
    alone, filled = apart.get("warm", {}), apart.get(f"{WITH_CONTENT}, warm", {})
    for name, value in alone.items():
        if name.partition("@")[0] in _OF_TARGETS and name in filled and filled[name] < value / 2:
            return (
                f"the content path pushes items that training has out of the lists: their {name} is {filled[name]:.4f} "
                f"with it and {value:.4f} without; to rank without it leave out student_content, or take the "
                ".content.pth file away from beside the checkpoint"
            )
    return ""


@dataclass(frozen=True)
class StageStart:
    """A stage that is about to be trained.

    Attributes:
        stage: its name, such as ``teacher``.
        model: what is trained.
        parameters: how many numbers training changes.
        epochs: the most that it is trained for.
        first_epoch: the first one that is left, larger than 0 where a training that was cut off is taken up.
        weights_from: the file that the weights are taken from, instead of a training; else "".
    """

    stage: str
    model: str
    parameters: int
    epochs: int
    first_epoch: int = 0
    weights_from: str = ""


@dataclass
class StageRecord:
    """A finished stage; ``public()`` is what ``result_file`` holds of it.

    ``peak_memory`` is the most bytes that were taken while it was trained and evaluated: on CUDA by tensors there, else
    by the process, libraries and data set included. ``at_epoch_limit`` says that ``epochs`` ended the training, and not
    early stopping; None where nobody knows: of weights from a file, of models computed at once, in older checkpoints.
    ``threads`` are those of the CPU that it was trained with. ``apart`` is the test seen apart, as
    :func:`recbole_kd.training.apart.further_tests` says. ``content_share`` is that of a content path in the embeddings
    of unseen items, which validation has chosen; None without such a path.
    """

    name: str
    model: str
    epochs: int
    seconds_per_epoch: float | None
    valid: dict[str, Figure]
    test: dict[str, Figure]
    parameters: int
    inference_parameters: int
    ranking_seconds: float | None
    history: list[dict[str, Any]] = field(default_factory=list)
    bytes: int = 0
    checkpoint: str = ""
    peak_memory: int | None = None
    at_epoch_limit: bool | None = None
    threads: int | None = None
    apart: dict[str, dict[str, Figure]] = field(default_factory=dict)
    content_share: float | None = None

    @property
    def had_content(self) -> bool:
        """Whether it was trained with a content path."""
        return self.content_share is not None

    def limit_note(self) -> str:
        """What to say of a training that was not ended by early stopping, "" of every other."""
        if not self.at_epoch_limit:
            return ""
        title = self.model if self.name == "model" else TITLES.get(self.name, self.name)
        return f"{title} ended at its epoch limit of {self.epochs}; raise epochs"

    def content_note(self) -> str:
        """What to say of a content path that does harm, "" of every other stage."""
        return warm_lost(self.apart)

    @classmethod
    def read(cls, kept: Any, place: object) -> StageRecord:
        """The record that :meth:`kept` gave, checked whole.

        Args:
            kept: plain values from a file; those of earlier releases lack some.
            place: the file, for the sentence.

        Raises:
            UserError: a value is missing, of a wrong type, or unknown.
        """
        return cls(**dict(checked(_kept_record(), kept, place)))

    def public(self) -> dict[str, Any]:
        """The keys of ``result_file``."""
        return {key: value for key, value in self.kept().items() if key not in ("history", "ranking_seconds")}

    def kept(self) -> dict[str, Any]:
        """What the stage's checkpoint holds of it."""
        return {key: value for key, value in asdict(self).items() if key not in ("bytes", "checkpoint")}

    def of_file(self, path: Path) -> StageRecord:
        """This record with the checkpoint that holds it."""
        return replace(self, bytes=path.stat().st_size, checkpoint=str(path))


@cache
def _kept_record() -> type[Kept]:
    return kept_fields(StageRecord)


@dataclass
class Result:
    """A finished run; ``stages`` in the order trained, ``test`` the metrics of the last (the student's).

    ``data`` is the data set as it was read, ``made`` what :func:`recbole_kd.training.made.made_of` says of the run.
    """

    model: str
    dataset: str
    seed: int
    config: dict[str, Any] = field(repr=False)
    stages: list[StageRecord]
    data: MultiModalDataset = field(repr=False)
    made: dict[str, Any] = field(default_factory=dict, repr=False)

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
            "ranking": {part: protocol_of(self.config, part)._asdict() for part in ("valid", "test")},
            "unseen": unseen_in_test(self.data)._asdict(),
            "stages": [stage.public() for stage in self.stages],
            "test": self.test,
            "made": self.made,
        }
        write_json(path, values)
