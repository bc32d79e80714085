"""The pictures of a report, a file each."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from recbole_kd.report.pictures.base import Drawn, Picture


def all_pictures() -> dict[str, Picture]:
    """Every picture by the name of its file, in the order of the page."""
    modules = {info.name: import_module(f"{__name__}.{info.name}") for info in iter_modules(__path__)}
    found = {name: module.PICTURE for name, module in modules.items() if hasattr(module, "PICTURE")}
    return dict(sorted(found.items(), key=lambda item: item[1].place))


__all__ = ["Drawn", "Picture", "all_pictures"]
