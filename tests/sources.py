"""A copy of what is packaged, so that no build folder is left in the checkout."""

import shutil
from pathlib import Path

from tests.processes import ROOT

SOURCES = ("setup.py", "pyproject.toml", "README.md", "LICENSE", "recbole_kd", "properties")


def copy_sources(folder: Path) -> Path:
    """Copy them into ``folder``, and return it."""
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    return folder
