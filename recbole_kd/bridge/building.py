"""The one place where a model is built; what it cannot be built or trained for is one sentence."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from recbole_kd.bridge import compat
from recbole_kd.bridge.no_pickles import no_unpickling
from recbole_kd.foundation.errors import UserError

_PACKAGES = {"faiss": "faiss-cpu", "sklearn": "scikit-learn", "yaml": "pyyaml"}  # what pip calls a module
_LONGEST = 300  # characters of another library's message
_PASSED_ON = (UserError, MemoryError, torch.cuda.OutOfMemoryError)


def build_model(config: Any, train_part: Any) -> Any:
    """Build the model of a config, a :class:`torch.nn.Module`, on the config's device.

    Args:
        config: a :class:`~recbole_kd.bridge.config.KDConfig`; its ``model_class`` is built.
        train_part: the data set of the training split.

    Nothing that the model reads meanwhile is unpickled. A model that reads item features knows nothing but these of
    the items that the split holds out.

    Raises:
        UserError: the model raised something; "NCL cannot be built: …", with its cause in one line.
    """
    with compat.quiet(), no_unpickling(), _silent_mistakes_of_logging():
        try:
            model = config.model_class(config, train_part)
            held_out = getattr(train_part, "held_out", None)
            if held_out is not None and hasattr(model, "forget_items"):
                model.forget_items(held_out)
            return model.to(config["device"])
        except _PASSED_ON:
            raise
        except Exception as error:  # a model, RecBole's or a user's, can raise anything
            raise UserError(_told(config.model_class, "built", error)) from error


@contextmanager
def own_errors_of(model: type) -> Iterator[None]:
    """Around a training: what a model's own code, or RecBole's, raises there is one sentence; our own bugs stay such.

    Args:
        model: its class. NCL asks for its package, and NeuMF refuses its settings, at the first batch only.

    Raises:
        UserError: the model raised something; "NeuMF cannot be trained: …", with its cause in one line.
    """
    try:
        with no_unpickling():
            yield
    except _PASSED_ON:
        raise
    except Exception as error:
        if not _is_theirs(error, model):
            raise
        what = "built" if isinstance(error, ModuleNotFoundError) else "trained"
        raise UserError(_told(model, what, error)) from error


def cause_of(error: Exception) -> str:
    """What an exception of another library says, in one line and with what to do where that is known."""
    said = " ".join(str(error).split())
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.partition(".")[0]
        return f"{said}; install it with: pip install {_PACKAGES.get(package, package)}"
    if isinstance(error, OSError) and error.strerror:
        return f"it asks for the file {str(error.filename)!r}: {error.strerror}"
    if len(said) > _LONGEST:
        said = said[: _LONGEST - 1].rstrip() + "…"
    telling = said and not isinstance(error, LookupError | AttributeError | TypeError | AssertionError)
    reason = said if telling else f"{type(error).__name__}{': ' * bool(said)}{said}"
    return f"{reason}; change its settings or take another model"


def _told(model: type, what: str, error: Exception) -> str:
    return f"{model.__name__} cannot be {what}: {cause_of(error)}{_place_of(error, model)}"


def _place_of(error: Exception, model: type) -> str:
    """Where in a file of the user's an error arose, for whoever wrote the model; nothing of RecBole's and ours."""
    own = getattr(sys.modules.get(model.__module__), "__file__", None)
    if own is None or own.startswith((_folder("recbole_kd"), _folder("recbole"))):
        return ""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == own]
    return f" ({own}, line {lines[-1]}; --debug shows more)" if lines else ""


def _is_theirs(error: Exception, model: type) -> bool:
    """Whether the last known place on the way to an error is in RecBole or in another package's model, not in ours."""
    ours, recbole = _folder("recbole_kd"), _folder("recbole")
    own = getattr(sys.modules.get(model.__module__), "__file__", None)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename.startswith(ours):
            return False
        if frame.filename.startswith(recbole) or frame.filename == own:
            return True
    return False


def _folder(package: str) -> str:
    spec = find_spec(package)
    return str(Path(spec.origin).parent) + "/" if spec and spec.origin else ""


@contextmanager
def _silent_mistakes_of_logging() -> Iterator[None]:
    """RecBole's RaCT logs a path that its message has no place for, which logging prints a traceback of."""
    before = logging.raiseExceptions
    logging.raiseExceptions = False
    try:
        yield
    finally:
        logging.raiseExceptions = before
