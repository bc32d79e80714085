"""``register()``: our models under RecBole's own ``run_recbole``, for those who want that. Nothing calls it here."""

from __future__ import annotations

import importlib.machinery
import sys
from types import ModuleType
from typing import Any

from recbole.config import Config
from recbole.trainer import Trainer
from recbole.utils import calculate_valid_score

from recbole_kd import compat
from recbole_kd.checkpoint import load_checkpoint
from recbole_kd.config import KDConfig, own_default_files
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.data.loaders import Loaders
from recbole_kd.method import DistillationMethod
from recbole_kd.pipeline import stage_configs, train
from recbole_kd.registry import find_model, own_names
from recbole_kd.trainer import SafeTrainerMixin


class SafeTrainer(SafeTrainerMixin, Trainer):
    """RecBole's trainer, whose own checkpoints PyTorch refuses to read since 2.6."""


class StagedTrainer(SafeTrainer):
    """Trains a :class:`DistillationMethod` through its stages where RecBole calls ``fit`` once."""

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
        config = KDConfig(
            type(self.model), self.config["dataset"], config_dict={**external, "show_progress": bool(show_progress)}
        )
        loaders = Loaders(train_data, valid_data, None)
        student = train(config, stage_configs(config), lambda _: loaders)[-1]
        self.model.student.load_state_dict(load_checkpoint(student.checkpoint, self.device)["state_dict"])
        self.best_valid_score = calculate_valid_score(student.valid, self.valid_metric)
        if saved:
            self._save_checkpoint(student.epochs - 1, verbose=verbose)
        return self.best_valid_score, student.valid


def register() -> None:
    """Make stock ``recbole.quick_start.run_recbole(model="PromptMM", …)`` find our models and their defaults.

    Puts our model, trainer and data set classes where RecBole looks for them, and lets its ``Config`` read our
    ``properties/``. RecBole's own models and settings stay as they are. Calling it again changes nothing.
    """
    import recbole.data.dataset
    import recbole.trainer

    for name in own_names():
        model = find_model(name)
        home = f"recbole.model.general_recommender.{name.lower()}"
        module = ModuleType(home)
        module.__spec__ = importlib.machinery.ModuleSpec(home, None)
        setattr(module, name, model)
        sys.modules[home] = module
        setattr(recbole.data.dataset, f"{name}Dataset", MultiModalDataset)
        trainer = StagedTrainer if issubclass(model, DistillationMethod) else SafeTrainer
        setattr(recbole.trainer, f"{name}Trainer", trainer)
    if not hasattr(Config, "_without_recbole_kd"):
        Config._without_recbole_kd = Config._load_internal_config_dict
        Config._load_internal_config_dict = _load_own_defaults_too
        Config.compatibility_settings = lambda config: compat.restore_removed_names()


def _load_own_defaults_too(config: Config, model: str, model_class: type, dataset: str) -> None:
    config._without_recbole_kd(model, model_class, dataset)
    if model in own_names() and not isinstance(config, KDConfig):
        data_path = config.external_config_dict.get("data_path", config.internal_config_dict["data_path"])
        for file in own_default_files(model, dataset, data_path):
            config._update_internal_config_dict(str(file))
