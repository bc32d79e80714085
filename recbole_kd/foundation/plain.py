"""Plain values: what JSON and PyTorch's safe loader read back without running code."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any


def plain_values(value: Any) -> Any:
    """Copy nested containers with every leaf as a Python number, string, bool or None; others become their text."""
    if isinstance(value, Mapping):
        return {str(key): plain_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain_values(item) for item in value]
    numpy = sys.modules.get("numpy")  # whose numbers nobody has who has not imported it
    if numpy is not None and isinstance(value, numpy.generic):
        return value.item()
    return value if isinstance(value, str | int | float | bool | type(None)) else str(value)


def finite_values(value: Any) -> Any:
    """Copy nested plain values with None for NaN and infinity."""
    if isinstance(value, Mapping):
        return {key: finite_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite_values(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
