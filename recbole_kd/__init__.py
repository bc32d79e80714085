"""Multi-modal recommenders and knowledge distillation for RecBole."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from recbole_kd.foundation import requirements
from recbole_kd.foundation.versions import VERSION as __version__

if TYPE_CHECKING:
    from recbole_kd.distillers.base import Distiller, Need, Teacher
    from recbole_kd.experiments.calls import compare, tune
    from recbole_kd.experiments.run import run, teach
    from recbole_kd.foundation.errors import UserError
    from recbole_kd.foundation.settings import Settings
    from recbole_kd.serving.recommend import recommend
    from recbole_kd.training.callbacks import Callback
    from recbole_kd.training.inside_recbole import register
    from recbole_kd.training.record import Result

__all__ = [
    "Callback",
    "Distiller",
    "Need",
    "Result",
    "Settings",
    "Teacher",
    "UserError",
    "__version__",
    "compare",
    "recommend",
    "register",
    "run",
    "teach",
    "tune",
]

_HOMES = {
    "distillers.base": ("Distiller", "Need", "Teacher"),
    "experiments.calls": ("compare", "tune"),
    "experiments.run": ("run", "teach"),
    "foundation.errors": ("UserError",),
    "foundation.settings": ("Settings",),
    "serving.recommend": ("recommend",),
    "training.callbacks": ("Callback",),
    "training.inside_recbole": ("register",),
    "training.record": ("Result",),
}

requirements.check_at_import()


def __getattr__(name: str) -> Any:
    """Import on first use: ``import recbole_kd`` alone is instant and touches nothing."""
    home = next((home for home, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
