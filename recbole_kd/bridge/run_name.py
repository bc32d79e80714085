"""The name that a run's log and its TensorBoard events bear."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from recbole_kd.bridge import lightly  # noqa: F401

# isort: split
from recbole.utils import get_local_time

from recbole_kd.foundation.digest import sha256_of_values
from recbole_kd.foundation.names import file_name
from recbole_kd.foundation.plain import plain_values

_current: ContextVar[str | None] = ContextVar("run_name", default=None)


def run_name(config: Any) -> str:
    """Of the run that goes on, or a new one: model, data set, seed, time, and a digest of the settings."""
    name = _current.get()
    if name is not None:
        return name
    digest = sha256_of_values(plain_values(config.final_config_dict), sort_keys=True)[:6]
    parts = (config["model"], file_name(str(config["dataset"]), 60), f"seed{config['seed']}", get_local_time(), digest)
    return file_name("-".join(parts), 180)


@contextmanager
def named(config: Any) -> Iterator[str]:
    """Within the block all stages are of one run, whose name is that of ``config``."""
    token = _current.set(run_name(config))
    try:
        yield str(_current.get())
    finally:
        _current.reset(token)
