"""Hyperparameters with types and bounds, checked before any data is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from recbole.evaluator.register import metric_types

from recbole_kd.errors import UserError, did_you_mean

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Probability = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
CountOrZero = Annotated[int, Field(ge=0)]

_METRICS_OF_WHOLE_LISTS = frozenset({"auc", "gauc", "mae", "rmse", "logloss"})


class Settings(BaseModel):
    """What a model, a distiller or a run declares of its own hyperparameters: names, types and bounds.

    Defaults live in ``properties/``, so a field without a default must be given by a YAML file there.
    """

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    @classmethod
    def read(cls, values: Mapping[str, Any] | Any) -> Self:
        """Take this class's fields out of a config and check them.

        Args:
            values: a mapping, or a RecBole config (anything with ``in`` and ``[]``).

        Raises:
            UserError: naming the first key that is missing, of a wrong type or out of range.
        """
        given = {name: values[name] for name in cls.model_fields if name in values}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise UserError(_sentence(error)) from None


def _sentence(error: ValidationError) -> str:
    """Say what is wrong with one key: of a union's several complaints, the one that goes deepest."""
    worst = max(error.errors(), key=lambda found: len(found["loc"]))
    path = worst["loc"]
    key = str(path[0]) if len(path) < 3 else f"{path[0]}.{path[-1]}"  # between them stands a union member's name
    if worst["type"] == "missing":
        return f"{key} is not set; give it as --{key}=VALUE or in a YAML file"
    reason = worst["msg"][0].lower() + worst["msg"][1:]
    return f"{key}={worst['input']!r} is not valid: {reason}; change it on the command line or in your YAML file"


class RunSettings(Settings):
    """Keys that every run reads, RecBole's and ours."""

    epochs: CountOrZero
    train_batch_size: Count
    eval_batch_size: Count
    eval_step: CountOrZero
    stopping_step: CountOrZero
    learning_rate: Positive
    weight_decay: NonNegative
    learner: Literal["adam", "adamw", "sgd", "adagrad", "rmsprop", "sparse_adam"]
    seed: CountOrZero
    topk: Count | Annotated[list[Count], Field(min_length=1)]
    metrics: str | Annotated[list[str], Field(min_length=1)]
    valid_metric: str
    show_progress: bool
    baseline: bool
    teacher: str | list[str] | None
    student: str | None
    init: Literal["xavier", "teacher"]
    checkpoint: str | None
    cache_dir: str | None
    cache_topk: Count
    mask_train_positives: bool
    cache_dtype: Literal["float32", "float16"] | None
    resume: bool
    snapshot_seconds: NonNegative
    search: dict[str, Any] | None
    tuned: bool
    eval_mask: Literal["recbole", "train"]
    result_file: str | None
    report_dir: str | None
    modalities: str | list[str] | None
    missing_features: Literal["error", "mean", "zero"]
    feature_norm: Literal["standardise", "none"]
    knn_features: Literal["standardised", "raw"]
    features_path: str | None

    def check_metrics(self) -> None:
        """Check metric names, and that the one for early stopping is among those computed.

        Raises:
            UserError: RecBole has no such metric, or would miss ``valid_metric`` after the first epoch.
        """
        metrics = [self.metrics] if isinstance(self.metrics, str) else self.metrics
        for name in metrics:
            if name.lower() not in metric_types:
                raise UserError(f"metrics: RecBole has no metric {name!r}{did_you_mean(name, metric_types)}")
        cutoffs = [self.topk] if isinstance(self.topk, int) else self.topk
        computed: list[str] = []
        for name in metrics:
            computed += [name] if name.lower() in _METRICS_OF_WHOLE_LISTS else [f"{name}@{k}" for k in cutoffs]
        if self.valid_metric.lower() not in map(str.lower, computed):
            raise UserError(
                f"valid_metric={self.valid_metric!r} is not computed, only {', '.join(computed)}; "
                "change valid_metric, or metrics and topk"
            )
