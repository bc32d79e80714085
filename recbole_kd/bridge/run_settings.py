"""The keys that every run reads, RecBole's and ours: type, bounds, and what a value of it changes.

What a key changes is declared here, beside it, and nowhere else. Fingerprints of finished stages, what a comparison
counts as another run, what a search may try and what is taken over from a checkpoint follow from it.
"""

from __future__ import annotations

from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field
from recbole.evaluator.register import metric_types
from recbole.utils import argument_list

from recbole_kd.foundation.errors import UserError, did_you_mean
from recbole_kd.foundation.settings import Count, CountOrZero, NonNegative, Positive, Settings

_METRICS_OF_WHOLE_LISTS = frozenset({"auc", "gauc", "mae", "rmse", "logloss"})


class Effect(Enum):
    """What changes with the value of a key.

    A key without a declaration is a ``YARDSTICK`` if it is one of RecBole's general, evaluation or data set arguments,
    and else changes ``FIGURES``: what nobody has thought of costs a training too many, never a wrong figure.
    """

    FIGURES = "the figures of each stage that reads it"
    YARDSTICK = "the data, the split or the metric: figures under two values of it cannot be compared"
    RUN = "what one stage of a run hands to the next"
    SOURCE = "the file or folder that a stage takes its weights or scores from, whose content is what counts"
    MODELS = "which stages a run has; each has a fingerprint of its own"
    NOTHING = "where a run reads, writes and reports, and no figure"


_OF_A_STAGE = frozenset({Effect.FIGURES, Effect.YARDSTICK})
_Ignored = Annotated[Any, Effect.NOTHING]
_Path = Annotated[str | None, Effect.NOTHING]
_Source = Annotated[str | None, Effect.SOURCE]
_Flag = Annotated[bool, Effect.NOTHING]


class FeatureSettings(Settings):
    """How item features are read; the defaults count where stock RecBole knows none of these keys."""

    modalities: str | list[str] | None = None
    missing_features: Literal["error", "mean", "zero"] = "error"
    feature_norm: Literal["standardise", "none"] = "standardise"
    knn_features: Literal["standardised", "raw"] = "standardised"
    features_path: _Path = None


class RunSettings(FeatureSettings):
    """The keys of a run."""

    model: Annotated[Any, Effect.YARDSTICK] = None
    dataset: Annotated[Any, Effect.YARDSTICK] = None
    epochs: CountOrZero
    train_batch_size: Count
    eval_batch_size: Annotated[Count, Effect.NOTHING]
    eval_step: CountOrZero
    stopping_step: CountOrZero
    learning_rate: Positive
    weight_decay: NonNegative
    learner: Literal["adam", "adamw", "sgd", "adagrad", "rmsprop", "sparse_adam"]
    seed: CountOrZero
    topk: Count | Annotated[list[Count], Field(min_length=1)]
    metrics: str | Annotated[list[str], Field(min_length=1)]
    valid_metric: str
    valid_metric_bigger: Annotated[Any, Effect.YARDSTICK] = None
    eval_mask: Annotated[Literal["recbole", "train"], Effect.YARDSTICK]

    teacher: Annotated[str | list[str] | None, Effect.MODELS]
    assistant: Annotated[str | None, Effect.MODELS]
    student: Annotated[str | None, Effect.MODELS]
    init: Annotated[Literal["xavier", "teacher"], Effect.RUN]
    checkpoint: _Source
    cache_dir: _Source
    cache_topk: Annotated[Count, Effect.RUN]
    cache_dtype: Annotated[Literal["float32", "float16"] | None, Effect.RUN]
    mask_train_positives: Annotated[bool, Effect.RUN]

    baseline: _Flag
    resume: _Flag
    tuned: _Flag
    show_progress: _Flag
    snapshot_seconds: Annotated[NonNegative, Effect.NOTHING]
    search: Annotated[dict[str, Any] | None, Effect.NOTHING]
    result_file: _Path
    report_dir: _Path
    log_dir: _Path

    # RecBole's, which it checks itself
    data_path: _Ignored = None
    checkpoint_dir: _Ignored = None
    config_file: _Ignored = None
    config_files: _Ignored = None
    save_dataset: _Ignored = None
    dataset_save_path: _Ignored = None
    save_dataloaders: _Ignored = None
    dataloaders_save_path: _Ignored = None
    gpu_id: _Ignored = None
    use_gpu: _Ignored = None
    device: _Ignored = None
    worker: _Ignored = None
    local_rank: _Ignored = None
    single_spec: _Ignored = None
    nproc: _Ignored = None
    world_size: _Ignored = None
    offset: _Ignored = None
    ip: _Ignored = None
    port: _Ignored = None
    state: _Ignored = None
    log_wandb: _Ignored = None
    wandb_project: _Ignored = None

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


def effect_of(key: str) -> Effect:
    """What a value of ``key`` changes, a prefix such as ``teacher_`` left out."""
    declared = _declared().get(key)
    if declared is not None:
        return declared
    return Effect.YARDSTICK if key in _of_the_data() else Effect.FIGURES


def changes_stage(key: str) -> bool:
    """Whether a trained stage is another one under another value of ``key``."""
    return effect_of(key) in _OF_A_STAGE


def keys_with(*effects: Effect) -> list[str]:
    """The keys that are declared to have one of these effects, in the order of their declaration."""
    return [key for key, effect in _declared().items() if effect in effects]


@cache
def _declared() -> dict[str, Effect]:
    marked = {key: field.metadata for key, field in RunSettings.model_fields.items()}
    return {key: mark for key, marks in marked.items() for mark in marks if isinstance(mark, Effect)}


@cache
def _of_the_data() -> frozenset[str]:
    lists = (argument_list.general_arguments, argument_list.evaluation_arguments, argument_list.dataset_arguments)
    return frozenset().union(*lists)
