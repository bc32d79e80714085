"""Which class a name means: our models, distillation methods, RecBole's models, and those that other packages offer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from recbole_kd.bridge.config import KDConfig
from recbole_kd.bridge.models import recbole_models
from recbole_kd.bridge.recbole import AbstractRecommender
from recbole_kd.distillers.base import Distiller
from recbole_kd.distillers.method import DistillationMethod, method_class
from recbole_kd.foundation.errors import UserError, did_you_mean
from recbole_kd.foundation.registry import Registry

MODELS: Registry[type[AbstractRecommender]] = Registry(
    kind="model",
    package="recbole_kd.models",
    accepts=lambda found: isinstance(found, type) and issubclass(found, AbstractRecommender),
    expected="subclass of RecBole's AbstractRecommender",
    name_of=lambda module, model: model.__name__,
)
DISTILLERS: Registry[type[Distiller[Any]]] = Registry(
    kind="distiller",
    package="recbole_kd.distillers",
    accepts=lambda found: isinstance(found, type) and issubclass(found, Distiller),
    expected="subclass of recbole_kd's Distiller",
    name_of=lambda module, distiller: distiller.__name__.removesuffix("Distiller"),
)


def own_names() -> set[str]:
    """Names that RecBole does not have: our models and the distillation methods."""
    return (MODELS.names() | DISTILLERS.names()) - recbole_models().keys()


def find_model(name: str) -> type:
    """Return the model class called ``name``: ours, or RecBole's, or else another package's.

    Raises:
        UserError: no such model; the message names the nearest ones.
    """
    models = recbole_models()
    if name in models and not MODELS.is_ours(name):  # nobody else's may change the figures of RecBole's
        return models[name]
    if name in MODELS:
        return MODELS.find(name)
    if name in DISTILLERS:
        distiller: Any = DISTILLERS.find(name)
        return _method(name, distiller)
    hint = did_you_mean(name, own_names() | models.keys())
    raise UserError(f"there is no model called {name!r}{hint or '; see recbole-kd train --help'}")


@cache
def _method(name: str, distiller: Any) -> type[DistillationMethod]:
    return method_class(name, distiller, find_model)


def make_config(
    model: str | type | None = None,
    dataset: str | None = None,
    config_file_list: Sequence[str] | None = None,
    config_dict: Mapping[str, Any] | None = None,
    arguments: Sequence[str] = (),
) -> KDConfig:
    """A run's config, with models looked up here; the arguments and errors are those of :class:`KDConfig`."""
    return KDConfig(model, dataset, config_file_list, config_dict, arguments, find_model)
