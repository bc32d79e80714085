"""What is read of RecBole's files is what RecBole has when it is imported."""

import inspect
from types import ModuleType

import pytest
import yaml
from recbole.evaluator.register import metric_types
from recbole.model import general_recommender, sequential_recommender
from recbole.model.abstract_recommender import GeneralRecommender, SequentialRecommender
from recbole.utils import EvaluatorType, argument_list

from recbole_kd.bridge import properties, recbole_files
from recbole_kd.bridge.models import recbole_model


def classes(module: ModuleType, base: type) -> dict[str, type]:
    """What RecBole's package of models holds, once it is imported."""
    found = {name: value for name, value in vars(module).items() if inspect.isclass(value)}
    return {name: value for name, value in found.items() if issubclass(value, base)}


def test_models():
    found = classes(general_recommender, GeneralRecommender)
    assert recbole_files.general_models() == found.keys()
    assert all(recbole_model(name) is found[name] for name in found)


def test_sequential_models():
    found = classes(sequential_recommender, SequentialRecommender)
    assert recbole_files.sequential_models() == found.keys() - {"DIEN", "GRU4RecKG", "KSR"}
    for name in recbole_files.sequential_models():
        assert recbole_model(name) is found[name]
        assert recbole_files.refuses_negatives(name) == (not hasattr(found[name], "input_type"))


def test_kinds_of_other_models():
    assert recbole_files.kind_of_other_model("DeepFM") == "context-aware"
    assert recbole_files.kind_of_other_model("BPR") == recbole_files.kind_of_other_model("../x") == ""


def test_metrics_and_whether_they_are_of_values():
    assert recbole_files.metrics() == {name: kind == EvaluatorType.VALUE for name, kind in metric_types.items()}


def test_lists_of_keys():
    lists = {name: value for name, value in vars(argument_list).items() if name.endswith("_arguments")}
    found = recbole_files.argument_lists()
    assert found.keys() == lists.keys()
    for name, keys in found.items():
        assert lists[name][: len(keys)] == keys  # after register() RecBole knows ours behind its own


@pytest.mark.parametrize("folder", [properties.FOLDER, properties.RECBOLE_FOLDER], ids=["ours", "RecBole's"])
def test_keys_of_files(folder):
    for file in folder.rglob("*.yaml"):
        found = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        assert properties.keys_of(file) == found.keys(), file
