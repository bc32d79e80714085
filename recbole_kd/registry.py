"""Which class a name means: our models, distillation methods, RecBole's models, and those that other packages offer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from recbole_kd.bridge.config import KDConfig
from recbole_kd.bridge.model_keys import declared_settings
from recbole_kd.bridge.models import kind_of_other_model, recbole_models
from recbole_kd.bridge.recbole import AbstractRecommender, GeneralRecommender
from recbole_kd.distillers.base import Distiller
from recbole_kd.distillers.method import DistillationMethod, method_class
from recbole_kd.foundation.errors import UserError, did_you_mean
from recbole_kd.foundation.registry import Registry
from recbole_kd.foundation.user_classes import import_class, is_class_path, source_digest

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


_IMPORTED: dict[str, type] = {}  # classes of the user's own, by their names


def find_model(name: str) -> type:
    """Return the model class called ``name``: ours, or RecBole's, or else another package's; nothing is imported.

    Small letters will do where they mean one model.

    Raises:
        UserError: no such model; the message names the nearest ones.
    """
    models = recbole_models()
    name = _exact(name.strip())
    if name in models and not MODELS.is_ours(name):  # nobody else's may change the figures of RecBole's
        return models[name]
    if name in MODELS:
        return MODELS.find(name)
    if name in DISTILLERS:
        distiller: Any = DISTILLERS.find(name)
        return _method(name, distiller)
    if name in _IMPORTED:
        return _IMPORTED[name]
    kind = kind_of_other_model(name)
    if kind:
        raise UserError(
            f"{name} is a {kind} model of RecBole, of another kind than those that are trained here: only general "
            "recommenders, which learn from users and items alone, such as BPR or LightGCN"
        )
    hint = did_you_mean(name, own_names() | models.keys())
    if set(name) & set(".:/"):
        hint = "; a class of your own is written as package.module:Class"
    hint = hint or f"; see recbole-kd train --help, and give a class of your own as --model=package.module:{name}"
    raise UserError(f"there is no model called {name!r}{hint}")


def find_or_import_model(name: str) -> type:
    """:func:`find_model`, and a class of the user's own where ``name`` is written ``package.module:Class``.

    Importing runs the module, so the name must come from the user, never from a file that may be a stranger's.

    Raises:
        UserError: also if the class cannot be imported, is no general recommender, or has the name of another model.
    """
    if not is_class_path(name):
        return find_model(name)
    found = import_class(name)
    if not issubclass(found, GeneralRecommender) or issubclass(found, DistillationMethod):
        raise UserError(f"{name}: the class is no subclass of RecBole's GeneralRecommender")
    own = found.__name__
    if (
        kind_of_other_model(own)
        or own in own_names() | recbole_models().keys()
        or _IMPORTED.get(own, found) is not found
    ):
        raise UserError(f"{name}: another model is called {own} too; give the class another name")
    if "model_source" not in vars(found):
        found.model_source = source_digest(found)  # type: ignore[attr-defined]
    _IMPORTED[own] = found
    return found


def keys_of_model(name: str) -> frozenset[str]:
    """The hyperparameters that a model declares; none of an unknown one. The name may come from anywhere."""
    try:
        return frozenset(declared_settings(find_model(name)).model_fields)
    except UserError:
        return frozenset()


def is_known(name: str) -> bool:
    """Whether a name, in whatever letters, means a model."""
    return _exact(name) in _known_names()


def _known_names() -> set[str]:
    return own_names() | recbole_models().keys() | _IMPORTED.keys()


def _exact(name: str) -> str:
    known = _known_names()
    meant = [other for other in known if other.lower() == name.lower()]
    return meant[0] if name not in known and len(meant) == 1 else name


@cache
def _method(name: str, distiller: Any) -> type[DistillationMethod]:
    return method_class(name, distiller, find_or_import_model)


def make_config(
    model: str | type | None = None,
    dataset: str | None = None,
    config_file_list: Sequence[str] | None = None,
    config_dict: Mapping[str, Any] | None = None,
    arguments: Sequence[str] = (),
) -> KDConfig:
    """A run's config, with models looked up here; the arguments and errors are those of :class:`KDConfig`."""
    return KDConfig(model, dataset, config_file_list, config_dict, arguments, find_or_import_model)
