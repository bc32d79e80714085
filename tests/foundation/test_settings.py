"""Declared hyperparameters: types, bounds, and that YAML files and declarations agree."""

from typing import Literal

import pytest
import yaml

from recbole_kd.bridge import properties
from recbole_kd.bridge.run_checks import check_metrics
from recbole_kd.bridge.run_settings import RunSettings
from recbole_kd.distillers.method import DistillationMethod
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.settings import Count, NonNegative, Positive, Probability, Settings
from recbole_kd.registry import MODELS, find_model, own_names


class Inner(Settings):
    alpha: NonNegative = 1.0


class Example(Settings):
    size: Count
    rate: Positive
    weight: NonNegative
    dropout: Probability
    flag: bool
    kind: Literal["a", "b"]
    nested: bool | Inner


GOOD = {"size": 1, "rate": 0.1, "weight": 0, "dropout": 0.0, "flag": True, "kind": "a", "nested": {"alpha": 2.0}}


def test_reads_its_own_keys_only():
    read = Example.read({**GOOD, "other": object()})
    assert (read.size, read.rate, read.weight) == (1, 0.1, 0)
    assert read.nested == Inner(alpha=2.0)
    with pytest.raises(Exception, match="frozen"):
        read.size = 2


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("size", value) for value in (0, -1, 1.5, "1", True, None)),
        *(("rate", value) for value in (0, -1e-9, float("inf"), float("nan"), "0.1", True)),
        *(("weight", value) for value in (-0.1, float("nan"), None)),
        *(("dropout", value) for value in (1, 1.0, -0.1, float("nan"))),
        *(("flag", value) for value in (0, 1, "True", None)),
        *(("kind", value) for value in ("c", "A", None, ["a"])),
        *(("nested", value) for value in (1, "yes", None)),
    ],
)
def test_a_wrong_type_or_range_is_one_sentence_with_the_key(key, value):
    with pytest.raises(UserError) as caught:
        Example.read({**GOOD, key: value})
    message = str(caught.value)
    assert message.startswith(f"{key}=")
    assert "is not valid" in message
    assert "\n" not in message


def test_a_nested_key_is_named_with_its_path():
    with pytest.raises(UserError, match=r"^nested\.alpha=-2\.0 is not valid: .*greater than or equal to 0"):
        Example.read({**GOOD, "nested": {"alpha": -2.0}})


def test_a_missing_key_says_how_to_give_it():
    with pytest.raises(UserError, match="size is not set; give it as --size=VALUE or in a YAML file"):
        Example.read({key: value for key, value in GOOD.items() if key != "size"})


@pytest.mark.parametrize("metrics", ["Recall", ["recall", "NDCG"]])
@pytest.mark.parametrize("topk", [5, [5, 10]])
def test_the_stopping_metric_must_be_computed(metrics, topk):
    values = {**yaml_of(properties.RECBOLE_FOLDER / "overall.yaml"), **yaml_of(properties.FOLDER / "overall.yaml")}
    values |= {"metrics": metrics, "topk": topk}
    check_metrics(RunSettings.read({**values, "valid_metric": "RECALL@5"}))
    with pytest.raises(UserError, match="valid_metric='MRR@5' is not computed, only "):
        check_metrics(RunSettings.read({**values, "valid_metric": "MRR@5"}))
    check_metrics(RunSettings.read({**values, "metrics": ["GAUC"], "valid_metric": "GAUC"}))


OWN = sorted({*MODELS.names(), *own_names()})


class TestProperties:
    """No dead keys in ``properties/``, and no declared hyperparameter without a default there."""

    @pytest.mark.parametrize("name", [name for name in OWN if properties.model_file(name).is_file()])
    def test_every_key_means_something(self, name):
        model = find_model(name)
        parts = [model]
        if issubclass(model, DistillationMethod):
            given = yaml_of(properties.model_file(name))
            stages = [given[stage] for stage in ("teacher", "student") if stage in given]
            parts = [*map(find_model, stages), model.distiller_class]
        declared = set(properties.run_keys())
        for part in parts:
            declared |= set(getattr(part, "settings_class", Settings).model_fields)
            declared |= properties.keys_of(properties.RECBOLE_FOLDER / "model" / f"{part.__name__}.yaml")
        for key in properties.keys_of(properties.model_file(name)):
            assert key.removeprefix("teacher_").removeprefix("student_") in declared, key

    @pytest.mark.parametrize("name", OWN)
    def test_every_declared_key_has_a_default(self, name):
        model = find_model(name)
        settings = getattr(getattr(model, "distiller_class", model), "settings_class", Settings)
        given = properties.keys_of(properties.model_file(name)) | properties.run_keys()
        assert set(settings.model_fields) <= given

    def test_every_key_of_a_run_has_a_default(self):
        files = (properties.RECBOLE_FOLDER / "overall.yaml", properties.FOLDER / "overall.yaml")
        given = frozenset().union(*map(properties.keys_of, files))
        assert {name for name, field in RunSettings.model_fields.items() if field.is_required()} <= given
        assert properties.keys_of(files[1]) <= set(RunSettings.model_fields)

    def test_tuned_files_belong_to_a_model_and_hold_known_keys(self):
        for file in (properties.FOLDER / "tuned").glob("*.yaml"):
            assert file.stem.partition("_on_")[0] in OWN
            for key in properties.keys_of(file):
                assert key.removeprefix("teacher_").removeprefix("student_") in properties.known_keys(), key


def yaml_of(file) -> dict:
    return yaml.safe_load(file.read_text(encoding="utf-8"))
