"""Which distiller a name means: ours, and those that other packages offer."""

from __future__ import annotations

import importlib
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from recbole_kd.errors import UserError

if TYPE_CHECKING:
    from recbole_kd.distill.base import Distiller

GROUP = "recbole_kd.distillers"
OWN_DISTILLERS = {
    "MTS4MM": "recbole_kd.distill.mts4mm:MTS4MMDistiller",
    "PromptMM": "recbole_kd.distill.promptmm:PromptMMDistiller",
    "RCEKD": "recbole_kd.distill.rcekd:RCEKDDistiller",
}
_registered: dict[str, type[Distiller]] = {}


def register_distiller(name: str, distiller: type[Distiller]) -> None:
    """Make ``--model=name`` mean this distiller in this process.

    A package does the same for good with an entry point of the group ``recbole_kd.distillers``.
    """
    _registered[name] = distiller


def distiller_names() -> set[str]:
    """All names that :func:`find_distiller` knows."""
    return {*OWN_DISTILLERS, *_registered, *_offered()}


def find_distiller(name: str) -> type[Distiller]:
    """Return the distiller class called ``name``; ours win over registered ones, and those over entry points.

    Raises:
        UserError: another package's entry point cannot be loaded, or is no distiller.
        KeyError: there is none.
    """
    from recbole_kd.distill.base import Distiller

    if name in OWN_DISTILLERS:
        module, _, attribute = OWN_DISTILLERS[name].partition(":")
        return getattr(importlib.import_module(module), attribute)
    if name in _registered:
        return _registered[name]
    entry = _offered()[name]
    try:
        found = entry.load()
    except Exception as error:  # whatever another package does wrong
        raise UserError(f"the distiller {name!r} of {entry.value} cannot be loaded: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Distiller)):
        raise UserError(f"the distiller {name!r} of {entry.value} is no subclass of recbole_kd's Distiller")
    return found


def _offered() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}
