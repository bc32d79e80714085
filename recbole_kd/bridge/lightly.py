"""RecBole's packages without what they ask for at import and call in few runs or none.

``recbole.utils`` asks for TensorBoard's writer and a maker of text tables, ``recbole.evaluator`` and two models for
functions of scikit-learn, and each of these takes longer to import than all of RecBole. While the three packages are
imported here, stand-ins lie in their places; what is taken from a stand-in imports the real thing when it is called.
Then the stand-ins are gone: whoever imports the real ones later gets them. The other modules of this folder that import
RecBole name this one first.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any


class _StandIn(ModuleType):
    """A module whose every name is a function that calls what the real module has under that name."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        home = self.__name__

        def call(*args: Any, **kwargs: Any) -> Any:
            return getattr(import_module(home), name)(*args, **kwargs)

        return call


@contextmanager
def _in_place(*modules: ModuleType) -> Iterator[None]:
    """Within the block importing one of ``modules`` by its name gives it, unless the real one is there already."""
    lent = {module.__name__: module for module in modules if module.__name__ not in sys.modules}
    sys.modules.update(lent)
    try:
        yield
    finally:
        for name in lent:
            del sys.modules[name]


_names = ("texttable", "torch.utils.tensorboard", "sklearn.metrics", "sklearn.linear_model", "sklearn.utils.extmath")
_warnings = ModuleType("sklearn.exceptions")
vars(_warnings)["ConvergenceWarning"] = UserWarning  # its base, which SLIMElastic then silences while it fits
with _in_place(*map(_StandIn, _names), _warnings):
    for _package in ("utils", "evaluator", "model.general_recommender"):
        import_module(f"recbole.{_package}")
