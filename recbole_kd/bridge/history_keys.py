"""What a run of histories, one of whose models is sequential, has for defaults beside those of a general one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from recbole_kd.bridge import properties
from recbole_kd.bridge.given_models import models_of_stages
from recbole_kd.bridge.recbole_files import refuses_negatives

_FOLDER = properties.RECBOLE_FOLDER / "quick_start_config"
_WITH_FEATURES = ("GRU4RecF", "SASRecF", "FDSA", "S3Rec")  # for which RecBole loads more of ml-100k


def is_of_histories(model: Any, values: Mapping[str, Any], reads_histories: Callable[[Any], bool]) -> bool:
    """Whether the data of a run are histories: it says so, or one of its models is sequential.

    Args:
        model: the run's, as ``reads_histories`` takes it.
        values: of the run, by key.
        reads_histories: whether a model, or the name of one, is sequential.
    """
    if values.get("histories"):
        return True
    return any(map(reads_histories, [model, *filter(None, models_of_stages(values))]))


def history_defaults(model: str, dataset: str, values: Mapping[str, Any], sequential: bool) -> dict[str, Any]:
    """What beats the defaults of a run's files where its data are histories; what its user gives beats it.

    RecBole's own: leave-one-out by time. Also the column of times is loaded, and no negatives are drawn for a model
    whose loss is a cross-entropy, where RecBole refuses its own default.

    Args:
        model: its name.
        dataset: likewise.
        values: by key, with those of the user.
        sequential: whether the model itself is, and not only another one of the run.
    """
    found: dict[str, Any] = {"histories": True}
    for file in _files(model, dataset):
        found |= properties.values_of(file)
    found["repeatable"] = sequential
    if (values.get("eval_args") or {}).get("order") == "TO":
        del found["eval_args"]
    columns, time = found.get("load_col", values.get("load_col")), values.get("TIME_FIELD")
    if columns and time and isinstance(columns.get("inter"), list) and time not in columns["inter"]:
        found["load_col"] = {**columns, "inter": [*columns["inter"], time]}
    if values.get("loss_type") == "CE" and refuses_negatives(model):
        found["train_neg_sample_args"] = None
    return found


def _files(model: str, dataset: str) -> list[Path]:
    """RecBole's files for its sequential models, those of one model on one data set last."""
    names = ["sequential_DIN" if model == "DIN" else "sequential"]
    if dataset == "ml-100k":
        names += ["sequential_DIN_on_ml-100k"] * (model == "DIN")
        names += ["special_sequential_on_ml-100k"] * (model in _WITH_FEATURES)
    return [_FOLDER / f"{name}.yaml" for name in names]
