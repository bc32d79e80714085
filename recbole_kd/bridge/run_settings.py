"""The keys that every run reads, RecBole's and ours: type, bounds, and what a value of it changes.

What a key changes is declared here, beside it, and nowhere else. Fingerprints of finished stages, what a comparison
counts as another run, what a search may try and what is taken over from a checkpoint follow from it.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from recbole_kd.bridge import recbole_files
from recbole_kd.bridge.data_keys import DataSettings
from recbole_kd.bridge.evaluation_keys import EvalArgs, GradientClipping, NegativeSampling, held_out_share
from recbole_kd.foundation.settings import Count, CountOrZero, NonNegative, Positive, Settings, refused


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


_MOST_WORKERS = 128  # processes that load batches
_MOST_THREADS = 1024
_STATES = ("info", "debug", "warning", "error", "critical")
_TRANSFORMS = ("mask_itemseq", "inverse_itemseq", "crop_itemseq", "reorder_itemseq")  # RecBole's, of histories
_OF_A_STAGE = frozenset({Effect.FIGURES, Effect.YARDSTICK})


def _path(value: str | Path) -> str | Path:
    if not str(value) or "\0" in str(value):
        raise refused("it is no path")
    return value


def _devices(value: Any) -> Any:
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    if isinstance(value, bool) or not re.fullmatch(r"(-?\d+|(GPU|MIG)-[\w/-]+)?(,(\d+|(GPU|MIG)-[\w/-]+))*", text):
        raise refused("write the number of a GPU, as 0 or 0,1, or -1 for none")
    return value


def _one_process(value: Any) -> Any:
    if value not in (None, 1) or isinstance(value, bool):
        raise refused("a run is one process; leave it out (torchrun -m recbole_kd teach uses several)")
    return value


def _not_here(value: Any) -> Any:
    if value is not None:
        raise refused("it is for RecBole's own launcher of several processes; leave it out")
    return value


def _cutoffs(value: Any) -> Any:
    several = isinstance(value, list) and bool(value)
    if not several and (isinstance(value, bool) or not isinstance(value, int)):
        meant = f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else "[10, 20]"
        raise refused(f"write the length of the lists, or several as {meant}")
    return value


def _metrics(value: Any) -> Any:
    if isinstance(value, str) and "," in value:
        raise refused(f"write several as a list, [{value}]")
    if not isinstance(value, str) and not (isinstance(value, list) and value):
        raise refused("write names of metrics, as [Recall, NDCG]")
    return value


def _names_of_models(value: Any) -> Any:
    names = value if isinstance(value, list) else [value]
    if value is not None and not all(isinstance(name, str) for name in names):
        raise refused("write the name of a model, or several as A,B where a method takes several")
    return value


def _state(value: Any) -> Any:
    if value is not None and str(value).lower() not in _STATES:
        raise refused(f"write one of {', '.join(_STATES)}")
    return value


def _threads(value: Any) -> Any:
    if value != "auto" and (isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST_THREADS):
        raise refused(f"write auto, or a number from 1 to {_MOST_THREADS}")
    return value


def _held_out(value: Any) -> Any:
    try:
        return value if value is None else f"cold_items={held_out_share(str(value)):g}"
    except ValueError:
        raise refused("write cold_items=0.1 to hold a tenth of the items out of training") from None


def _transform(value: Any) -> Any:
    if value not in (None, *_TRANSFORMS):
        raise refused(f"write one of {', '.join(_TRANSFORMS)}, or leave it out")
    return value


_Ignored = Annotated[Any, Effect.NOTHING]
_AnyPath = Annotated[str | Path, AfterValidator(_path)]
_Path = Annotated[_AnyPath | None, Effect.NOTHING]
_Source = Annotated[_AnyPath | None, Effect.SOURCE]
_Decimals = Annotated[int, Field(ge=0, le=15)]  # more than a float has
_Flag = Annotated[bool, Effect.NOTHING]
_Launched = Annotated[Any, BeforeValidator(_not_here), Effect.NOTHING]


class FeatureSettings(Settings):
    """How item features are read; the defaults count where stock RecBole knows none of these keys."""

    modalities: str | list[str] | None = None
    missing_features: Literal["error", "mean", "zero"] = "error"
    feature_norm: Literal["standardise", "none"] = "standardise"
    knn_features: Literal["standardised", "raw"] = "standardised"
    features_path: _Path = None


class RunSettings(FeatureSettings, DataSettings):
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
    lazy_adam: bool = False
    train_neg_sample_args: NegativeSampling | None = None
    clip_grad_norm: GradientClipping | None = None
    loss_decimal_place: _Decimals = 4
    require_pow: bool = False
    enable_amp: bool = False
    enable_scaler: bool = False
    transform: Annotated[Any, BeforeValidator(_transform)] = None
    shuffle: bool = True
    reproducibility: bool = True
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    eval_args: EvalArgs
    split: Annotated[Any, BeforeValidator(_held_out), Effect.YARDSTICK] = None
    eval_items: Annotated[Literal["all", "warm", "cold"], Effect.YARDSTICK] = "all"
    histories: Annotated[bool, Effect.YARDSTICK] = False
    MAX_ITEM_LIST_LENGTH: Annotated[Count | None, Effect.FIGURES] = None  # of a model, and no yardstick
    repeatable: bool = False
    metric_decimal_place: _Decimals = 4
    topk: Annotated[Count | list[Count], BeforeValidator(_cutoffs)]
    metrics: Annotated[str | list[str], BeforeValidator(_metrics)]
    valid_metric: str
    valid_metric_bigger: Annotated[Any, Effect.YARDSTICK] = None
    tail_ratio: Annotated[Positive | None, Effect.YARDSTICK] = None  # of TailPercentage
    eval_mask: Annotated[Literal["recbole", "train"], Effect.YARDSTICK]

    teacher: Annotated[str | list[str] | None, BeforeValidator(_names_of_models), Effect.MODELS]
    assistant: Annotated[str | None, Effect.MODELS]
    student: Annotated[str | None, Effect.MODELS]
    init: Annotated[Literal["xavier", "teacher"], Effect.RUN]
    content: Literal["linear", "mlp"] | None = None
    checkpoint: _Source
    cache_dir: _Source
    cache_topk: Annotated[Count, Effect.RUN]
    cache_dtype: Annotated[Literal["float32", "float16"] | None, Effect.RUN]
    mask_train_positives: Annotated[bool, Effect.RUN]

    kd_positions: Annotated[Literal["last", "all"], Effect.RUN] = "last"

    baseline: _Flag
    resume: _Flag
    tuned: _Flag
    show_progress: _Flag
    threads: Annotated[Any, BeforeValidator(_threads), Effect.NOTHING] = "auto"
    snapshot_seconds: Annotated[NonNegative, Effect.NOTHING]
    search: Annotated[dict[str, Any] | None, Effect.NOTHING]
    result_file: _Path
    report_dir: _Path
    log_dir: _Path

    time_format: Annotated[str | None, Effect.NOTHING] = None  # the split, which a digest covers, tells of it

    # RecBole's surroundings
    data_path: _Path = None
    checkpoint_dir: _Path = None
    config_file: _Ignored = None
    config_files: _Ignored = None
    save_dataset: _Ignored = None
    dataset_save_path: _Ignored = None
    save_dataloaders: _Ignored = None
    dataloaders_save_path: _Ignored = None
    gpu_id: Annotated[Any, BeforeValidator(_devices), Effect.NOTHING] = "0"
    use_gpu: _Flag = True
    device: _Ignored = None
    worker: Annotated[int, Field(ge=0, le=_MOST_WORKERS), Effect.NOTHING] = 0
    local_rank: _Launched = None
    single_spec: _Ignored = None
    nproc: Annotated[Any, BeforeValidator(_one_process), Effect.NOTHING] = None
    world_size: _Launched = None
    offset: _Launched = None
    ip: _Launched = None
    port: _Launched = None
    state: Annotated[str | None, BeforeValidator(_state), Effect.NOTHING] = None
    log_wandb: _Flag = False
    wandb_project: Annotated[str | None, Effect.NOTHING] = None


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
    lists = recbole_files.argument_lists()
    of_the_data = (lists[f"{kind}_arguments"] for kind in ("general", "evaluation", "dataset"))
    return frozenset(DataSettings.model_fields).union(*of_the_data)
