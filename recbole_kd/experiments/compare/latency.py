"""How long the trained models take for a user's list, measured when nothing else of the comparison runs."""

from __future__ import annotations

from collections.abc import Iterable
from logging import getLogger
from typing import Any

from tqdm import tqdm

from recbole_kd.evaluation.cost import user_milliseconds
from recbole_kd.experiments.results.row import BATCHES, Row
from recbole_kd.serving.trained_model import open_quietly


def unmeasured(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Of each row one stage that has to be measured, the first seed's; none of a row that has been."""
    left = [row for row in rows if not any(stage.get("latency") for stage in row.stages.values())]
    return [next(iter(row.stages.values())) for row in left if any(row.checkpoints)]


def measure(stages: Iterable[dict[str, Any]], data_path: str | None, bar: tqdm[Any]) -> None:
    """Write ``latency`` into stages: milliseconds a user by the number of users at a time, ``"1"`` and ``"1024"``.

    Args:
        stages: of ``runs.jsonl``; those of one checkpoint share the figures. A model that cannot be read or timed
            leaves None, with a warning.
        data_path: of the data set's folder, if not where the checkpoints say.
        bar: goes on by one a stage.
    """
    known: dict[str, dict[str, float] | None] = {}
    for stage in stages:
        path = stage["checkpoint"]
        bar.set_postfix_str(stage["label"])
        if path not in known:
            known[path] = _of_checkpoint(path, data_path)
        stage["latency"] = known[path]
        bar.update()


def _of_checkpoint(path: str, data_path: str | None) -> dict[str, float] | None:
    try:
        scores = open_quietly(path, data_path).scores
        return {str(batch): user_milliseconds(scores, batch) for batch in BATCHES}
    except Exception as error:  # no table is lost for want of one figure
        said = " ".join(str(error).split()) or type(error).__name__
        getLogger().warning(f"the latency of {path} is not measured: {said}")
        return None
