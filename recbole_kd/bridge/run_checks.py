"""Which settings of a run fit together, and what is read for what is written."""

from __future__ import annotations

from typing import Any

from recbole_kd.bridge import recbole_files
from recbole_kd.bridge.intervals import as_text
from recbole_kd.bridge.run_settings import RunSettings
from recbole_kd.foundation.errors import UserError, did_you_mean

_OF_WHOLE_LISTS = frozenset({"auc", "gauc", "mae", "rmse", "logloss"})  # which have no cutoff
_INTERVALS = (
    "user_inter_num_interval",
    "item_inter_num_interval",
    "entity_kg_num_interval",
    "relation_kg_num_interval",
)
# models whose batches are users with all their items, and that need no negatives
_OF_WHOLE_USERS = frozenset(
    {"MultiDAE", "MultiVAE", "MacridVAE", "CDAE", "ENMF", "RaCT", "RecVAE", "DiffRec", "LDiffRec", "NCEPLRec"}
)
_SEPARATORS = ("field_separator", "seq_separator")


def tidied(values: dict[str, Any]) -> dict[str, Any]:
    r"""A config's values in the form that RecBole reads: ``\t`` as a tab, the list ``[5,inf]`` as text."""
    values = dict(values)
    for key in _SEPARATORS:
        if isinstance(values.get(key), str):
            values[key] = values[key].replace("\\t", "\t")
    for key in _INTERVALS:
        ends = values.get(key)
        if isinstance(ends, list | tuple) and any(isinstance(end, str) for end in ends):
            values[key] = as_text(ends)
    negatives = values.get("train_neg_sample_args")
    if isinstance(negatives, dict) and str(negatives.get("distribution", "")).lower() == "none":
        values["train_neg_sample_args"] = None  # as RecBole takes it, and does not take its own word for it
    gpus = values.get("gpu_id")
    if isinstance(gpus, list):
        values["gpu_id"] = tuple(gpus)
    return values


def check_run(settings: RunSettings, model: type) -> None:
    """Check what several keys, or a key and the model, say together.

    Raises:
        UserError: RecBole would fail on it, or do something else than it says.
    """
    check_settings(settings)
    _check_negatives(settings, model)
    _check_lazy_adam(settings)
    _check_transform(settings)


def check_settings(settings: RunSettings) -> None:
    """Check what several keys say together, whatever the model; nothing of RecBole's is imported for it.

    Raises:
        UserError: as :func:`check_run`.
    """
    check_metrics(settings)
    _check_histories(settings)
    _check_modes(settings)
    _check_time(settings)


def check_metrics(settings: RunSettings) -> None:
    """Check metric names, and that the one for early stopping is among those computed.

    Raises:
        UserError: RecBole has no such metric, or would miss ``valid_metric`` after the first epoch.
    """
    metrics, known = _metrics_of(settings), recbole_files.metrics()
    for name in metrics:
        if name.lower() not in known:
            raise UserError(f"metrics: RecBole has no metric {name!r}{did_you_mean(name, known)}")
    cutoffs = [settings.topk] if isinstance(settings.topk, int) else settings.topk
    computed: list[str] = []
    for name in metrics:
        computed += [name] if name.lower() in _OF_WHOLE_LISTS else [f"{name}@{k}" for k in cutoffs]
    if settings.valid_metric.lower() not in map(str.lower, computed):
        raise UserError(
            f"valid_metric={settings.valid_metric!r} is not computed, only {', '.join(computed)}; "
            "change valid_metric, or metrics and topk"
        )


def _metrics_of(settings: RunSettings) -> list[str]:
    return [settings.metrics] if isinstance(settings.metrics, str) else settings.metrics


def _check_modes(settings: RunSettings) -> None:
    modes = settings.eval_args.modes()
    of_values = {recbole_files.metrics()[name.lower()] for name in _metrics_of(settings)}
    if len(of_values) > 1:
        raise UserError(
            f"metrics: {settings.metrics} holds metrics of lists and of single values (AUC, MAE, RMSE, LogLoss), which "
            "RecBole does not compute in one run; keep those of one kind"
        )
    if True in of_values and "full" in modes.values():
        raise UserError(
            f"metrics: {settings.metrics} compares single values, not lists; they need eval_args with mode: uni100 or "
            "labeled"
        )
    if "labeled" in modes.values() and not _has_labels(settings):
        raise UserError(
            f"eval_args: mode labeled needs labels; give threshold, as {{{settings.RATING_FIELD or 'rating'}: 4}} with "
            f"that column in load_col, or name a column of labels as LABEL_FIELD and in load_col"
        )
    if False in of_values and "labeled" in modes.values():
        raise UserError(
            f"eval_args: mode labeled rates single items, and {settings.metrics} are metrics of lists; write mode: "
            "full, or metrics: [AUC, LogLoss]"
        )
    if len(set(modes.values())) > 1 and "labeled" in modes.values():
        raise UserError("eval_args: mode labeled counts for validation and test alike; write mode: labeled")


def _check_lazy_adam(settings: RunSettings) -> None:
    others = {
        "learner": settings.learner != "adam" and settings.learner,
        "weight_decay": settings.weight_decay,
        "clip_grad_norm": settings.clip_grad_norm,
    }
    for key, value in others.items():
        if settings.lazy_adam and value:
            raise UserError(
                f"lazy_adam moves the rows of a batch alone, by Adam, and {key}={value} concerns all rows or another "
                "optimiser; leave one of the two out, or write student_lazy_adam for the student alone"
            )


def _check_histories(settings: RunSettings) -> None:
    if settings.kd_positions == "all" and not settings.histories:
        raise UserError(
            "kd_positions=all is of histories, and no model of this run is sequential; leave it out, or add "
            "--histories=true where a cache of such a teacher is used"
        )
    if settings.histories and settings.eval_args.order != "TO" and not settings.benchmark_filename:
        raise UserError(
            "eval_args: histories go by time, and order is RO; write --eval_args='{split: {LS: valid_and_test}, order: "
            "TO, mode: full}', since what is given replaces all of it"
        )


def check_loss(values: dict[str, Any], model: type) -> None:
    """Refuse a pairwise loss without the negatives of its pairs, which RecBole meets as a missing column.

    Raises:
        UserError: as said.
    """
    pairs = values.get("loss_type") == "BPR" and not hasattr(model, "input_type")
    if pairs and not values.get("train_neg_sample_args"):
        raise UserError("loss_type=BPR learns from pairs; leave train_neg_sample_args as it is, or write loss_type=CE")


def _check_transform(settings: RunSettings) -> None:
    if settings.transform and not settings.histories:
        raise UserError(
            f"transform={settings.transform}: RecBole's transforms are of sequences, which no general recommender has; "
            "leave it out"
        )


def _check_negatives(settings: RunSettings, model: type) -> None:
    from recbole.utils import InputType, ModelType

    negatives, name = settings.train_neg_sample_args, model.__name__
    if negatives and negatives.dynamic and not negatives.candidate_num:
        raise UserError("train_neg_sample_args: dynamic sampling needs candidates to choose from; set candidate_num")
    if negatives or name in _OF_WHOLE_USERS or getattr(model, "type", None) != ModelType.GENERAL:
        return
    kind = getattr(model, "input_type", None)
    if kind == InputType.PAIRWISE or (kind == InputType.POINTWISE and not _has_labels(settings)):
        needs = "pairs of a good item and another" if kind == InputType.PAIRWISE else "good and bad items"
        raise UserError(
            f"train_neg_sample_args: {name} learns from {needs}, so it needs negatives; write {{distribution: uniform}}"
        )


def _has_labels(settings: RunSettings) -> bool:
    return settings.threshold is not None or settings.loads(settings.LABEL_FIELD)


def _check_time(settings: RunSettings) -> None:
    """An order by time needs the column, or RecBole fails after the data are read."""
    split = settings.eval_args.split
    if settings.benchmark_filename:
        return
    if split is None:
        raise UserError(
            "eval_args: there is no split; write {split: {RS: [0.8, 0.1, 0.1]}} or {split: {LS: valid_and_test}}"
        )
    column = settings.TIME_FIELD
    if (settings.eval_args.order == "TO" or "TS" in split) and not (column and settings.loads(column)):
        columns = f"{settings.USER_ID_FIELD}, {settings.ITEM_ID_FIELD}, {column}"
        raise UserError(
            f"eval_args: the split goes by time, and the column {column} is not loaded; add it, as "
            f"--load_col='{{inter: [{columns}]}}', or write order: RO"
        )
