"""Our classes where stock RecBole looks for its own; what they are is told by who installs them."""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from types import ModuleType
from typing import Any, ClassVar

from recbole_kd.bridge import lightly  # noqa: F401

# isort: split
import numpy as np
import recbole.data.dataset
import recbole.trainer
from recbole.config import Config
from recbole.trainer import Trainer
from recbole.utils import calculate_valid_score

from recbole_kd.bridge import compat
from recbole_kd.bridge.config import KDConfig
from recbole_kd.bridge.given import own_default_files
from recbole_kd.bridge.loaders import Loaders
from recbole_kd.bridge.trainer import SafeTrainerMixin

# From the values of a run and its loaders to the student's weights, its validation result, and its number of epochs.
TrainStages = Callable[[type, str, dict[str, Any], Loaders], tuple[dict[str, Any], dict[str, float], int]]


class SafeTrainer(SafeTrainerMixin, Trainer):
    """RecBole's trainer, whose own checkpoints PyTorch refuses to read since 2.6."""


class StagedTrainer(SafeTrainer):
    """Trains a distillation method through its stages where RecBole calls ``fit`` once."""

    train_stages: ClassVar[TrainStages]

    def fit(
        self,
        train_data: Any,
        valid_data: Any = None,
        verbose: bool = True,
        saved: bool = True,
        show_progress: bool = False,
        callback_fn: Any = None,
    ) -> tuple[float, dict[str, float]]:
        """Return the student's best validation score and result, and leave its best weights in the model."""
        external = {key: value for key, value in self.config.external_config_dict.items() if key != "show_progress"}
        values = {**external, "show_progress": bool(show_progress)}
        loaders = Loaders(train_data, valid_data, None)
        weights, valid, epochs = type(self).train_stages(type(self.model), self.config["dataset"], values, loaders)
        self.model.student.load_state_dict(weights)
        self.best_valid_score = calculate_valid_score(valid, self.valid_metric)
        if saved:
            self._save_checkpoint(epochs - 1, verbose=verbose)
        return self.best_valid_score, valid


def install(models: Mapping[str, type], methods: AbstractSet[str], dataset: type, train_stages: TrainStages) -> None:
    """Make stock RecBole find models by their names, with our data set, trainers and default values.

    Args:
        models: by name; none of them RecBole's.
        methods: names of those that are trained in stages.
        dataset: of all of them.
        train_stages: trains one of the methods.
    """
    staged = type("StagedTrainer", (StagedTrainer,), {"train_stages": staticmethod(train_stages)})
    for name, model in models.items():
        home = f"recbole.model.general_recommender.{name.lower()}"
        module = ModuleType(home)
        module.__spec__ = importlib.machinery.ModuleSpec(home, None)
        setattr(module, name, model)
        sys.modules[home] = module
        setattr(recbole.data.dataset, f"{name}Dataset", dataset)
        setattr(recbole.trainer, f"{name}Trainer", staged if name in methods else SafeTrainer)
    if not hasattr(Config, "_without_recbole_kd"):
        Config._without_recbole_kd = Config._load_internal_config_dict
        if "unicode_" not in np.__dict__:  # NumPy 2, where RecBole's own asks for names that are gone
            Config.compatibility_settings = lambda config: compat.restore_removed_names()
    Config._load_internal_config_dict = _with_defaults_of(set(models))


def why_no_quick_start() -> str:
    """What keeps ``recbole.quick_start`` from being imported, and what to install; empty where it can be.

    It imports ray, for a search of its own, and the ray that RecBole asks for uses what newer libraries have dropped.
    Everything else of RecBole, its ``Config`` and trainers among it, does without.
    """
    try:
        importlib.import_module("recbole.quick_start")
    except Exception as error:  # ray fails in several ways beside newer libraries
        old = "'ray==2.6.3' 'setuptools<81' 'numpy<2'"  # the last ray that RecBole admits, and what it was made for
        needed = old if sys.version_info < (3, 12) else "'ray[tune]'"
        cause = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return (
            f"RecBole's own quick_start cannot be imported here ({cause}): "
            f"it needs a ray that starts; install it with: pip install {needed}"
        )
    return ""


def _with_defaults_of(names: set[str]) -> Any:
    def load(config: Any, model: str, model_class: type, dataset: str) -> None:
        config._without_recbole_kd(model, model_class, dataset)
        if model in names and not isinstance(config, KDConfig):
            data_path = config.external_config_dict.get("data_path", config.internal_config_dict["data_path"])
            for file in own_default_files(model, dataset, data_path):
                config._update_internal_config_dict(str(file))

    return load
