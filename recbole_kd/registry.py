"""Which class a name means: our models, distillation methods, RecBole's models, and those that other packages offer.

Whether a name means one is told by files alone; PyTorch and RecBole are imported with the first class that is found.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from recbole_kd.bridge.given import check_given, check_keys
from recbole_kd.bridge.properties import known_keys
from recbole_kd.bridge.recbole_files import kind_of_other_model, recommenders, sequential_models
from recbole_kd.foundation.errors import UserError, did_you_mean
from recbole_kd.foundation.registry import Registry
from recbole_kd.foundation.user_classes import import_class, is_class_path, source_digest

if TYPE_CHECKING:
    from recbole_kd.bridge.config import KDConfig
    from recbole_kd.bridge.recbole import AbstractRecommender
    from recbole_kd.distillers.base import Distiller
    from recbole_kd.distillers.method import DistillationMethod


def _is_model(found: Any) -> bool:
    from recbole_kd.bridge.recbole import AbstractRecommender

    return isinstance(found, type) and issubclass(found, AbstractRecommender)


def _is_distiller(found: Any) -> bool:
    from recbole_kd.distillers.base import Distiller

    return isinstance(found, type) and issubclass(found, Distiller)


MODELS: Registry[type[AbstractRecommender]] = Registry(
    kind="model",
    package="recbole_kd.models",
    accepts=_is_model,
    expected="subclass of RecBole's AbstractRecommender",
    name_of=lambda _, written: written,
)
DISTILLERS: Registry[type[Distiller[Any]]] = Registry(
    kind="distiller",
    package="recbole_kd.distillers",
    accepts=_is_distiller,
    expected="subclass of recbole_kd's Distiller",
    name_of=lambda _, written: written.removesuffix("Distiller"),
)


def own_names() -> set[str]:
    """Names that RecBole does not have: our models and the distillation methods."""
    return (MODELS.names() | DISTILLERS.names()) - recommenders()


_IMPORTED: dict[str, type] = {}  # classes of the user's own, by their names


def find_model(name: str) -> type:
    """Return the model class called ``name``: ours, or RecBole's, or else another package's; nothing is imported.

    Small letters will do where they mean one model.

    Raises:
        UserError: no such model; the message names the nearest ones.
    """
    check_name(name)
    name = _exact(name.strip())
    if name in recommenders() and not MODELS.is_ours(name):  # nobody else's may change the figures of RecBole's
        from recbole_kd.bridge.models import recbole_model

        return recbole_model(name)
    if name in MODELS:
        return MODELS.find(name)
    if name in DISTILLERS:
        distiller: Any = DISTILLERS.find(name)
        return _method(name, distiller)
    return _IMPORTED[name]


def check_name(name: str) -> None:
    """Refuse a name that no model has; nothing is imported.

    Raises:
        UserError: as :func:`find_model`.
    """
    name = name.strip()
    if is_known(name):
        return
    kind = kind_of_other_model(name)
    if kind:
        raise UserError(
            f"{name} is a {kind} model of RecBole, of another kind than those that are trained here: general "
            "recommenders, such as BPR or LightGCN, and sequential ones, such as SASRec"
        )
    hint = did_you_mean(name, own_names() | recommenders())
    if set(name) & set(".:/"):
        hint = "; a class of your own is written as package.module:Class"
    hint = hint or f"; see recbole-kd train --help, and give a class of your own as --model=package.module:{name}"
    raise UserError(f"there is no model called {name!r}{hint}")


def find_or_import_model(name: str) -> type:
    """:func:`find_model`, and a class of the user's own where ``name`` is written ``package.module:Class``.

    Importing runs the module, so the name must come from the user, never from a file that may be a stranger's.

    Raises:
        UserError: also if the class cannot be imported, is no recommender, or has the name of another model.
    """
    if not is_class_path(name):
        return find_model(name)
    from recbole_kd.bridge.recbole import GeneralRecommender, SequentialRecommender
    from recbole_kd.distillers.method import DistillationMethod

    found = import_class(name)
    if not issubclass(found, (GeneralRecommender, SequentialRecommender)) or issubclass(found, DistillationMethod):
        raise UserError(f"{name}: the class is no subclass of RecBole's GeneralRecommender or SequentialRecommender")
    own = found.__name__
    if kind_of_other_model(own) or own in own_names() | recommenders() or _IMPORTED.get(own, found) is not found:
        raise UserError(f"{name}: another model is called {own} too; give the class another name")
    if "model_source" not in vars(found):
        found.model_source = source_digest(found)  # type: ignore[union-attr]
    _IMPORTED[own] = found
    return found


def check_or_import_model(name: str) -> None:
    """:func:`check_name`, and the import of a class of the user's own; errors are those of that function."""
    if is_class_path(name):
        find_or_import_model(name)
    else:
        check_name(name)


def reads_histories(name: str) -> bool:
    """Whether a model is a sequential one; of RecBole's and ours nothing is imported to find out."""
    name = _exact(name.strip())
    if name in sequential_models():
        return True
    if name in recommenders() or name in DISTILLERS:
        return False
    if MODELS.is_ours(name):
        return ".sequential." in MODELS.module_of(name)
    from recbole_kd.bridge.models import is_sequential

    return is_sequential(find_or_import_model(name))


def is_method(name: str) -> bool:
    """Whether a name means a method of distillation, and no model; nothing is imported.

    Raises:
        UserError: it means neither.
    """
    check_or_import_model(name)
    name = _exact(name.strip())
    return name in DISTILLERS and name not in recommenders() and name not in MODELS


def keys_of_model(name: str) -> frozenset[str]:
    """The hyperparameters that a model declares; none of an unknown one. The name may come from anywhere."""
    from recbole_kd.bridge.model_keys import declared_settings

    try:
        return frozenset(declared_settings(find_model(name)).model_fields)
    except UserError:
        return frozenset()


def is_known(name: str) -> bool:
    """Whether a name, in whatever letters, means a model."""
    return _is_at_hand(name) or _exact(name) in _known_names()


def _is_at_hand(name: str) -> bool:
    """Whether it is a model's of RecBole, of us or of this process; what other packages offer is slow to find out."""
    return name in recommenders() or MODELS.is_ours(name) or DISTILLERS.is_ours(name) or name in _IMPORTED


def _known_names() -> set[str]:
    return MODELS.names() | DISTILLERS.names() | recommenders() | _IMPORTED.keys()


def _exact(name: str) -> str:
    if _is_at_hand(name):
        return name
    known = _known_names()
    meant = [other for other in known if other.lower() == name.lower()]
    return meant[0] if name not in known and len(meant) == 1 else name


def check_config(
    model: str | None = None,
    dataset: str | None = None,
    config_file_list: Sequence[str] | None = None,
    config_dict: Mapping[str, Any] | None = None,
    arguments: Sequence[str] = (),
) -> None:
    """Refuse what :func:`make_config` refuses, as far as nothing need be imported for it; its arguments and errors."""
    check_given(model, dataset, config_file_list or (), config_dict or {}, arguments, _name_in_files, reads_histories)


def check_overrides(values: Mapping[str, Any], options: Collection[str] = ()) -> None:
    """Refuse keys that no model has, as far as nothing need be imported for it.

    Args:
        values: that shall beat those of a checkpoint, whose model is not known yet; it may be one of other packages.
        options: the command's own, which may be meant too.

    Raises:
        UserError: naming the first key that is wrong.
    """
    others = is_class_path(str(values.get("model"))) or MODELS.have_others() or DISTILLERS.have_others()
    if values and not others:  # whose classes alone may tell their keys
        check_keys(values, known_keys() | set(options))


def _name_in_files(name: str) -> str | None:
    """A model's name as YAML files have it; None of one whose keys its class alone may tell."""
    if is_class_path(name):
        return None
    check_name(name)
    name = _exact(name.strip())
    return name if name in recommenders() or MODELS.is_ours(name) or DISTILLERS.is_ours(name) else None


@cache
def _method(name: str, distiller: Any) -> type[DistillationMethod]:
    from recbole_kd.distillers.method import method_class

    return method_class(name, distiller, find_or_import_model)


def make_config(
    model: str | type | None = None,
    dataset: str | None = None,
    config_file_list: Sequence[str] | None = None,
    config_dict: Mapping[str, Any] | None = None,
    arguments: Sequence[str] = (),
) -> KDConfig:
    """A run's config, with models looked up here; the arguments and errors are those of ``KDConfig``."""
    if not isinstance(model, type):
        check_config(model, dataset, config_file_list, config_dict, arguments)
    from recbole_kd.bridge.config import KDConfig

    return KDConfig(model, dataset, config_file_list, config_dict, arguments, find_or_import_model)
