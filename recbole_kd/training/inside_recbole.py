"""``register()``: our models under RecBole's own ``run_recbole``, for those who want that. Nothing calls it here."""

from __future__ import annotations

from logging import getLogger
from typing import Any

from recbole_kd.bridge.checkpoint import load_checkpoint
from recbole_kd.bridge.inside_recbole import install, why_no_quick_start
from recbole_kd.bridge.loaders import Loaders
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.foundation.errors import UserError
from recbole_kd.registry import DISTILLERS, find_model, make_config, own_names
from recbole_kd.training.plan import make_plan
from recbole_kd.training.run import train_plan


def register() -> None:
    """Make stock ``recbole.quick_start.run_recbole(model="PromptMM", …)`` find our models and their defaults.

    Puts our model, trainer and data set classes where RecBole looks for them, and lets its ``Config`` read our
    ``properties/``. RecBole's own models and settings stay as they are. Calling it again changes nothing.

    Where RecBole's ``quick_start`` itself cannot be imported, a warning says in a sentence what to install; nothing
    stands in for it, and all else of RecBole works.
    """
    models: dict[str, type] = {}
    for name in sorted(own_names()):
        try:
            models[name] = find_model(name)
        except UserError as error:  # what one other package does wrong
            getLogger().warning(f"{name} is left out: {error}")
    install(models, models.keys() & DISTILLERS.names(), MultiModalDataset, _train_stages)
    reason = why_no_quick_start()
    if reason:
        getLogger().warning(reason)


def _train_stages(
    method: type, dataset: str, values: dict[str, Any], loaders: Loaders
) -> tuple[dict[str, Any], dict[str, float], int]:
    plan = make_plan(make_config(method, dataset, config_dict=values))
    student = train_plan(plan, lambda _: loaders)[-1]
    weights: dict[str, Any] = load_checkpoint(student.checkpoint, plan.config["device"])["state_dict"]
    return weights, student.valid, student.epochs
