"""How a result was made: its data, the settings that are no defaults, the command, versions and the machine."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from pathlib import Path
from typing import Any

import torch

from recbole_kd.bridge import properties
from recbole_kd.bridge.config import KDConfig
from recbole_kd.bridge.histories import interactions_of
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.evaluation.unseen import unseen_in_test
from recbole_kd.foundation.digest import NUMERICS
from recbole_kd.foundation.plain import plain_values
from recbole_kd.foundation.versions import versions

_COMMANDS = {"recbole-kd": "recbole-kd", "__main__.py": "recbole-kd", "run_recbole_kd.py": "python run_recbole_kd.py"}
_SAID_ELSEWHERE = ("model", "dataset", "seed", "show_progress", "config_files")


def made_of(config: KDConfig, data: MultiModalDataset, threads: int) -> dict[str, Any]:
    """All that a reader of a result may ask of its making; plain values.

    Args:
        config: of the run.
        data: the data set as it was read; it is split here, if it is not yet.
        threads: of the CPU that were used, the most of any stage.

    Returns:
        ``data`` (:func:`facts_of`), ``settings`` (:func:`changed_settings`), ``command`` (None where it was no command
        of ours), ``versions`` by package, and ``machine``: ``system``, ``processor``, ``cores``, ``threads`` and
        ``device``.
    """
    return {
        "data": facts_of(data),
        "settings": changed_settings(config),
        "command": _command(),
        "versions": {**versions(), "numerics": NUMERICS},
        "machine": _machine(config, threads),
    }


def facts_of(data: MultiModalDataset) -> dict[str, Any]:
    """Sizes of a data set.

    Returns:
        ``users``, ``items`` and ``interactions``; ``density``, their share of all pairs; ``split``, the interactions of
        each part; ``modalities``; ``unseen``, as :class:`~recbole_kd.evaluation.unseen.Unseen` has it.
    """
    sizes = [len(interactions_of(part)) for part in data.build()]
    users, items, interactions = data.user_num - 1, data.item_num - 1, sum(sizes)
    return {
        "users": users,
        "items": items,
        "interactions": interactions,
        "density": interactions / max(users * items, 1),
        "split": dict(zip(("train", "valid", "test"), sizes, strict=False)),
        "modalities": list(data.modalities),
        "unseen": unseen_in_test(data)._asdict(),
    }


def changed_settings(config: KDConfig) -> dict[str, Any]:
    """What the user, or the data set's own YAML file, has set to something else than its default; plain values."""
    defaults = config.internal_config_dict
    given = {key: value for key, value in config.external_config_dict.items() if key not in _SAID_ELSEWHERE}
    changed = {key: value for key, value in given.items() if key not in defaults or defaults[key] != value}
    of_data = properties.values_of(Path(str(config["data_path"])) / f"{config.dataset}.yaml")
    found: dict[str, Any] = plain_values({**{key: config[key] for key in of_data if key not in given}, **changed})
    return found


def _command() -> str | None:
    """As it was typed; None in a notebook, a script of somebody's or a child of compare."""
    name = _COMMANDS.get(Path(sys.argv[0]).name)
    return None if name is None else f"{name} {shlex.join(sys.argv[1:])}"


def _machine(config: KDConfig, threads: int) -> dict[str, Any]:
    device = torch.device(config["device"])
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    }


def _processor() -> str:
    """Its name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
