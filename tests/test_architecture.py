"""The house as its plan says: RecBole's private names in one room, files that can be read, names that say something."""

import ast
import inspect
import textwrap
from functools import cache
from pathlib import Path

import pytest
import recbole.config
import recbole.data.dataloader
import recbole.data.dataset
import recbole.evaluator
import recbole.model.abstract_recommender
import recbole.trainer

import recbole_kd

PACKAGE = Path(recbole_kd.__file__).parent
FILES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
MODULES = (
    recbole.config,
    recbole.data.dataloader,
    recbole.data.dataset,
    recbole.evaluator,
    recbole.model.abstract_recommender,
    recbole.trainer,
)
SAYS_NOTHING = {"stock", "trained", "foreign", "order", "each", "some", "finish", "there", "utils", "helpers", "misc"}


@cache
def private_names() -> set[str]:
    """What RecBole's classes keep for themselves, methods and attributes."""
    found: set[str] = set()
    for module in MODULES:
        for _, cls in inspect.getmembers(module, inspect.isclass):
            if cls.__module__.startswith("recbole."):
                tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
                found |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
                found |= {
                    node.attr
                    for node in ast.walk(tree)
                    if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "self"
                }
    return {name for name in found if name.startswith("_") and not name.startswith("__")}


def test_recbole_keeps_something_for_itself():
    assert {"_train_epoch", "_load_internal_config_dict", "_dataset", "_init_alias"} <= private_names()


@pytest.mark.parametrize("path", [path for path in FILES if path.parts[0] != "bridge"], ids=str)
def test_only_the_bridge_reaches_into_recbole(path):
    """Neither read on another object nor overridden; a private name of our own class may be the same word."""
    tree = ast.parse((PACKAGE / path).read_text(encoding="utf-8"))
    names = private_names()
    reached = [
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in names
        and getattr(node.value, "id", "") not in ("self", "cls")
    ]
    assert reached == []
    of_recbole = {"Dataset", "SoundDataset", "GeneralRecommender", "AbstractRecommender", "Config", "Trainer"}
    for cls in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
        if of_recbole & {getattr(base, "id", "") for base in cls.bases}:
            assert not names & {node.name for node in cls.body if isinstance(node, ast.FunctionDef)}, cls.name


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_file_is_read_in_a_sitting_and_its_name_says_what_is_in_it(path):
    assert len((PACKAGE / path).read_text(encoding="utf-8").splitlines()) <= 300
    assert path.stem not in SAYS_NOTHING


def test_the_public_face():
    assert set(dir(recbole_kd)) == set(recbole_kd.__all__)
    for name in recbole_kd.__all__:
        assert getattr(recbole_kd, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'pipeline'"):
        _ = recbole_kd.pipeline
