"""What RecBole's files say without being imported, which takes seconds: what it has, and what its keys are."""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_OF_MODEL = re.compile(r"^from recbole\.model\.\w+\.\w+ import (\w+)$", re.MULTILINE)
_OF_METRIC = re.compile(r"^class (\w+)\((\w+)Metric\):$", re.MULTILINE)
_OTHER_KINDS = {
    "context_aware_recommender": "context-aware",
    "knowledge_aware_recommender": "knowledge-aware",
    "exlib_recommender": "decision-tree",
    "sequential_recommender": "sequential (with a data set of its own)",
}
# sequential models for which RecBole has a data set of their own: negative histories, or a knowledge graph
_WITH_OWN_DATA = frozenset({"DIEN", "GRU4RecKG", "KSR"})


def _folder() -> Path:
    spec = find_spec("recbole")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("No module named 'recbole'", name="recbole")
    return Path(spec.origin).resolve().parent


FOLDER = _folder()


@cache
def general_models() -> frozenset[str]:
    """The names of RecBole's general recommenders."""
    return frozenset(_OF_MODEL.findall(_text("model/general_recommender/__init__.py")))


@cache
def sequential_models() -> frozenset[str]:
    """The names of RecBole's sequential recommenders that read nothing but histories and features."""
    return frozenset(_OF_MODEL.findall(_text("model/sequential_recommender/__init__.py"))) - _WITH_OWN_DATA


@cache
def refuses_negatives(name: str) -> bool:
    """Whether RecBole ends with an error if negatives are drawn for one of its models with ``loss_type: CE``."""
    return name in sequential_models() and "input_type = " not in _text(
        f"model/sequential_recommender/{name.lower()}.py"
    )


@cache
def recommenders() -> frozenset[str]:
    """The names of RecBole's models that are trained here: general and sequential ones."""
    return general_models() | sequential_models()


def kind_of_other_model(name: str) -> str:
    """The kind of a model of RecBole that is not trained here, ``""`` where it is none."""
    if name in recommenders():
        return ""
    for folder, kind in _OTHER_KINDS.items():
        if name.isidentifier() and (FOLDER / "model" / folder / f"{name.lower()}.py").is_file():
            return kind
    return ""


@cache
def metrics() -> dict[str, bool]:
    """RecBole's metrics by their names in small letters: whether one is of single values, and not of lists."""
    return {name.lower(): base == "Loss" for name, base in _OF_METRIC.findall(_text("evaluator/metrics.py"))}


@cache
def argument_lists() -> dict[str, list[str]]:
    """RecBole's lists of keys by their names, such as ``training_arguments``."""
    lines = [line for line in ast.parse(_text("utils/argument_list.py")).body if isinstance(line, ast.Assign)]
    return {ast.unparse(line.targets[0]): ast.literal_eval(line.value) for line in lines}


def _text(file: str) -> str:
    return (FOLDER / file).read_text(encoding="utf-8")
