"""RecBole's own models."""

from __future__ import annotations

from types import ModuleType

from recbole_kd.bridge import lightly  # noqa: F401

# isort: split
from recbole.model import general_recommender
from recbole.utils import ModelType

from recbole_kd.bridge.recbole import AbstractRecommender
from recbole_kd.bridge.recbole_files import sequential_models


def recbole_model(name: str) -> type:
    """RecBole's class of a general or sequential recommender, by its name."""
    if name in sequential_models():
        from recbole.model import sequential_recommender  # slow to import

        return _named(sequential_recommender, name)
    return _named(general_recommender, name)


def _named(module: ModuleType, name: str) -> type:
    found: type = getattr(module, name)
    return found


def is_sequential(model: type) -> bool:
    """Whether a model scores by histories, and not by users."""
    return getattr(model, "type", None) == ModelType.SEQUENTIAL


def is_computed_at_once(model: type) -> bool:
    """Whether a model such as EASE, ItemKNN or Pop is computed from the data, and not trained step by step."""
    return getattr(model, "type", None) == ModelType.TRADITIONAL


def has_no_gradient(model: type) -> bool:
    """Whether nothing can be taught to a model, since its scores do not follow from parameters that are trained."""
    return is_computed_at_once(model) or model.__name__ == "NCEPLRec"  # which factorises a matrix as it is built


def scores_all_items(model: type) -> bool:
    """Whether a model has a faster way to score all items than pair by pair."""
    return getattr(model, "full_sort_predict", None) is not AbstractRecommender.full_sort_predict
