"""RecBole's own models."""

from __future__ import annotations

import inspect
from functools import cache

from recbole_kd.bridge import lightly  # noqa: F401

# isort: split
from recbole.model import general_recommender
from recbole.utils import ModelType

from recbole_kd.bridge.recbole import AbstractRecommender, GeneralRecommender


@cache
def recbole_models() -> dict[str, type]:
    """RecBole's general recommenders by class name."""
    return {
        name: value
        for name, value in vars(general_recommender).items()
        if inspect.isclass(value) and issubclass(value, GeneralRecommender)
    }


def is_computed_at_once(model: type) -> bool:
    """Whether a model such as EASE, ItemKNN or Pop is computed from the data, and not trained step by step."""
    return getattr(model, "type", None) == ModelType.TRADITIONAL


def has_no_gradient(model: type) -> bool:
    """Whether nothing can be taught to a model, since its scores do not follow from parameters that are trained."""
    return is_computed_at_once(model) or model.__name__ == "NCEPLRec"  # which factorises a matrix as it is built


def scores_all_items(model: type) -> bool:
    """Whether a model has a faster way to score all items than pair by pair."""
    return getattr(model, "full_sort_predict", None) is not AbstractRecommender.full_sort_predict
