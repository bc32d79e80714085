"""The models that a run names as its stages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STAGES = ("teacher", "assistant", "student")


def model_names(value: Any) -> list[str]:
    """Names separated by commas, or a list of them; none where there is no value, or one that is no name."""
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
    return [str(part).strip() for part in parts]


def models_of_stages(values: Mapping[str, Any]) -> list[str]:
    """The models of teacher, assistant and student, as far as they are named."""
    return [name for stage in STAGES for name in model_names(values.get(stage))]
