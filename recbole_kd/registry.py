"""Which class a ``--model`` name means: ours first, then distillers, then RecBole's general recommenders."""

from __future__ import annotations

import importlib
import inspect

from recbole_kd.distill.registry import distiller_names
from recbole_kd.errors import UserError, did_you_mean

OWN_MODELS = {
    "BM3": "recbole_kd.model.bm3",
    "FREEDOM": "recbole_kd.model.freedom",
    "GRCN": "recbole_kd.model.grcn",
    "LATTICE": "recbole_kd.model.lattice",
    "LightGCN": "recbole_kd.model.lightgcn",
    "MGCN": "recbole_kd.model.mgcn",
    "MMGCN": "recbole_kd.model.mmgcn",
    "MTS4MMStudent": "recbole_kd.model.mts4mm",
    "PromptMMTeacher": "recbole_kd.model.promptmm",
    "SLMRec": "recbole_kd.model.slmrec",
    "VBPR": "recbole_kd.model.vbpr",
}


def recbole_models() -> dict[str, type]:
    """RecBole's general recommenders by class name."""
    from recbole.model import general_recommender
    from recbole.model.abstract_recommender import GeneralRecommender

    return {
        name: value
        for name, value in vars(general_recommender).items()
        if inspect.isclass(value) and issubclass(value, GeneralRecommender)
    }


def own_names() -> set[str]:
    """Names that RecBole does not have: our models and the distillation methods."""
    return {*OWN_MODELS, *distiller_names()} - recbole_models().keys()


def find_model(name: str) -> type:
    """Return the model class called ``name``.

    Raises:
        UserError: no such model; the message names the nearest ones.
    """
    if name in OWN_MODELS:
        return getattr(importlib.import_module(OWN_MODELS[name]), name)
    if name in distiller_names():
        from recbole_kd.method import method_of  # which needs this module

        return method_of(name)
    models = recbole_models()
    if name not in models:
        hint = did_you_mean(name, {*models, *OWN_MODELS, *distiller_names()})
        raise UserError(f"there is no model called {name!r}{hint or '; see recbole-kd train --help'}")
    return models[name]
