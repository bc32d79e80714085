"""Multi-modal recommenders and knowledge distillation for RecBole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Result", "UserError", "__version__", "register", "run"]

if TYPE_CHECKING:
    from recbole_kd.errors import UserError
    from recbole_kd.pipeline import Result, run
    from recbole_kd.stock import register


def __getattr__(name: str) -> Any:
    """Import on first use: ``import recbole_kd`` alone is instant and touches nothing."""
    homes = {"register": "stock", "run": "pipeline", "Result": "pipeline", "UserError": "errors"}
    if name not in homes:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    from recbole_kd.foundation import requirements

    requirements.check()
    return getattr(importlib.import_module(f"{__name__}.{homes[name]}"), name)
