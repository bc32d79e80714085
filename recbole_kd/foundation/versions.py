"""The version of this package, and those of what it stands on."""

from __future__ import annotations

import platform
import sys
from importlib import metadata

VERSION = "0.1.0"
_PACKAGES = ("recbole", "torch", "numpy", "scipy", "pandas", "scikit-learn", "pydantic", "optuna", "matplotlib")


def versions() -> dict[str, str]:
    """Of this package, the packages that matter, Python and the platform, by name."""
    found = {"recbole-kd": VERSION}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return {**found, "python": sys.version.split()[0], "platform": platform.platform()}
