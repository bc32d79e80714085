"""What has to be installed, told in one sentence: on Python 3.12 and newer pip alone brings no RecBole."""

from __future__ import annotations

import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from recbole_kd.foundation.errors import UserError

# Modules, and what pip calls them. RecBole comes last: it is installed without what it asks for.
MODULES = {
    "torch": "torch",
    "numpy": "numpy",
    "scipy": "scipy",
    "pandas": "'pandas<3'",
    "pydantic": "pydantic",
    "pydantic_core": "pydantic_core",
    "sklearn": "scikit-learn",
    "matplotlib": "matplotlib",
    "jinja2": "jinja2",
    "tabulate": "tabulate",
    "tqdm": "tqdm",
    "yaml": "pyyaml",
    "colorama": "colorama",
    "colorlog": "colorlog",
    "psutil": "psutil",
    "tensorboard": "tensorboard",
    "texttable": "texttable",
    "thop": "thop",
    "recbole": "--no-deps recbole==1.2.1",
}


# How sys.argv[0] ends where we are a command, which says what is missing without a traceback.
_COMMANDS = ("recbole-kd", "-m", "run_recbole_kd.py")


class MissingRequirement(UserError, ImportError):
    """Something that recbole_kd needs is not installed."""


@cache
def check() -> None:
    """Refuse to go on where a module is missing that any use of recbole_kd would import sooner or later.

    Raises:
        MissingRequirement: with the modules and the command that installs them.
    """
    missing = [name for name in MODULES if find_spec(name) is None]
    if not missing:
        return
    ordinary = [MODULES[name] for name in missing if name != "recbole"]
    commands = [f"pip install {' '.join(ordinary)}"] if ordinary else []
    if "recbole" in missing:
        commands.append(f"pip install {MODULES['recbole']}")
    raise MissingRequirement(
        f"recbole_kd cannot find {', '.join(missing)}; install what is missing with: {' && '.join(commands)}"
    )


def check_at_import() -> None:
    """:func:`check`, unless a command of ours is about to do so.

    Raises:
        MissingRequirement: as there.
    """
    if Path((sys.argv or [""])[0]).name not in _COMMANDS:
        check()
