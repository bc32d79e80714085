"""The table at the end of a run: teacher, student alone, distilled student."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tabulate import tabulate

if TYPE_CHECKING:
    from recbole_kd.training.record import StageRecord

_TITLES = {
    "teacher": "teacher",
    "baseline": "student without distillation",
    "student": "distilled student",
    "model": "model",
}
_SHOWN = ("recall@20", "ndcg@20", "recall@10", "ndcg@10", "recall@50", "ndcg@50")


def stage_table(stages: Sequence[StageRecord], style: str = "simple", ranking: str = "") -> str:
    """Format one column a stage: test metrics, parameters, size and time.

    Args:
        stages: in the order to show.
        style: a ``tabulate`` format, ``"github"`` for Markdown.
        ranking: what stands behind a metric's name, as :attr:`~recbole_kd.evaluation.protocol.Protocol.heading`.
    """
    metrics = shown_metrics(stages[-1].test)
    rows: list[list[str]] = [["model", *(stage.model for stage in stages)]]
    rows += [[f"test {name}{ranking}", *(_number(stage.test.get(name), 4) for stage in stages)] for name in metrics]
    for name in dict.fromkeys(name for stage in stages for name in stage.apart):
        seen = [stage.apart.get(name, {}) for stage in stages]
        rows += [
            [f"{name}, {metric}{ranking}", *(_number(one.get(metric), 4) for one in seen)] for metric in metrics[:2]
        ]
    if any(stage.content_share is not None for stage in stages):
        rows.append(["share of the content path", *(_number(stage.content_share, 2) for stage in stages)])
    rows += [
        ["trainable parameters", *(f"{stage.parameters:,}" for stage in stages)],
        ["values read at inference", *(f"{stage.inference_parameters:,}" for stage in stages)],
        ["checkpoint, MB", *(f"{stage.bytes / 1e6:.2f}" for stage in stages)],
        ["checkpoint to top-50 lists, ms", *(_number(stage.ranking_seconds, 1, 1e3) for stage in stages)],
        ["seconds an epoch", *(_number(stage.seconds_per_epoch, 2) for stage in stages)],
        ["epochs", *(f"{stage.epochs}{', its limit' * bool(stage.at_epoch_limit)}" for stage in stages)],
    ]
    header = ["", *(_TITLES.get(stage.name, stage.name) for stage in stages)]
    found: str = tabulate(rows, headers=header, tablefmt=style, disable_numparse=True, stralign="right")
    return found


def stage_notes(stages: Sequence[StageRecord]) -> list[str]:
    """A line below the table for each stage that early stopping had not ended, or whose content path does harm."""
    found = [note for stage in stages for note in (stage.limit_note(), stage.content_note()) if note]
    return [note[0].upper() + note[1:] for note in found]


def shown_metrics(test: Mapping[str, float]) -> list[str]:
    """Up to four of a test's metrics that a reader looks for first."""
    return [name for name in _SHOWN if name in test][:4] or list(test)[:4]


def _number(value: float | None, places: int, times: float = 1) -> str:
    return "–" if value is None else f"{value * times:.{places}f}"
