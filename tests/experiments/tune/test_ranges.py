"""What may be tried of each key: as it is written, and of the files of ``properties/search``."""

import pytest

from recbole_kd.bridge import properties
from recbole_kd.distillers.method import DistillationMethod
from recbole_kd.experiments.tune.keys import default_of, reaches_teacher
from recbole_kd.experiments.tune.ranges import read_range, read_ranges
from recbole_kd.foundation.errors import UserError
from recbole_kd.registry import find_model, make_config
from recbole_kd.training.plan import make_plan


class TestRanges:
    @pytest.mark.parametrize(
        ("given", "kind", "values"),
        [
            (["log", 1e-4, 1], "log", (1e-4, 1.0)),
            (["log", "1e-4", "1e-2"], "log", (1e-4, 1e-2)),
            (["uniform", 0, 0.6], "uniform", (0.0, 0.6)),
            (["int", 5, 20], "int", (5, 20)),
            (["choice", 1, True, "a", None, [64, 32]], "choice", ("1", "true", '"a"', "null", "[64, 32]")),
        ],
    )
    def test_forms(self, given, kind, values):
        span = read_range("key", given)
        assert (span.kind, span.values) == (kind, values)
        assert read_range("key", span.public()) == span

    @pytest.mark.parametrize(
        ("given", "says"),
        [
            (0.1, "0.1 is no range; write it as"),
            ([], "is no range"),
            ({"log": 1}, "is no range"),
            (["lgo", 1, 2], "'lgo' is no kind of range; did you mean log?"),
            ([1, 2], "1 is no kind of range; write it as"),
            (["log", 1], "two numbers after log"),
            (["log", 1, 2, 3], "two numbers after log"),
            (["uniform", 0, True], "two numbers"),
            (["uniform", 0, float("inf")], "two numbers"),
            (["uniform", 0, "high"], "two numbers"),
            (["int", 1, 2.5], "two whole numbers"),
            (["log", 0, 1], "must be above 0 and below the upper end"),
            (["int", 3, 3], "must be below the upper end 3"),
            (["choice", 1], "two different values"),
            (["choice", 1, 1], "two different values"),
            (["choice", 1, float("nan")], "no plain value"),
            (["choice", 1, {1, 2}], "no plain value"),
        ],
    )
    def test_refusals(self, given, says):
        with pytest.raises(UserError) as caught:
            read_range("knn_k", given)
        assert says in str(caught.value)
        assert "search: knn_k: " in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_what_a_range_holds(self):
        assert read_range("k", ["log", 0.1, 1]).holds(0.1)
        assert read_range("k", ["uniform", 0, 1]).holds(1)
        assert read_range("k", ["int", 1, 3]).holds(3)
        assert read_range("k", ["choice", 1, "a"]).holds("a")
        for given, value in (
            (["log", 0.1, 1], 0.0),
            (["int", 1, 3], 2.0),
            (["int", 0, 3], True),
            (["log", 1, 2], None),
        ):
            assert not read_range("k", given).holds(value)
        assert not read_range("k", ["choice", 1, "a"]).holds(True)

    def test_the_users_lie_over_the_models(self):
        own = read_ranges("BPR", None, None)
        merged = read_ranges("BPR", None, {"learning_rate": ["log", 1, 2], "weight_decay": None, "x": ["int", 1, 2]})
        assert list(own) == ["learning_rate", "weight_decay", "train_batch_size"]
        assert list(merged) == ["learning_rate", "train_batch_size", "x"]
        assert merged["learning_rate"].values == (1, 2)
        assert merged["train_batch_size"] == own["train_batch_size"]
        with pytest.raises(UserError, match="there is nothing to search"):
            read_ranges("BPR", None, dict.fromkeys(own))

    def test_a_model_without_a_file(self):
        assert list(read_ranges("NeuMF", None, None)) == ["learning_rate", "weight_decay"]
        assert list(read_ranges("Another", "NeuMF", None)) == ["student_learning_rate", "student_weight_decay"]

    def test_the_student_of_a_method_has_its_own(self):
        def of_student(method, student):
            return [key for key in read_ranges(method, student, None) if key.startswith("student_")]

        assert of_student("RCEKD", "BPR") == [f"student_{key}" for key in read_ranges("BPR", None, None)]
        assert of_student("RCEKD", "LightGCN") == [f"student_{key}" for key in read_ranges("LightGCN", None, None)]
        assert of_student("RCEKD", "NeuMF") == ["student_learning_rate", "student_weight_decay"]
        assert of_student("MTS4MM", "MTS4MMStudent") == [
            "student_learning_rate",
            "student_reg_weight",
            "student_n_layers",
        ]


class TestProperties:
    OURS = {file.stem for file in (properties.FOLDER / "model").glob("*.yaml")}  # noqa: RUF012
    MODELS = sorted(OURS | {"BPR", "LightGCN", "NeuMF", "SASRec", "GRU4Rec"})

    @pytest.mark.parametrize("name", MODELS)
    def test_ranges_are_of_keys_of_the_model_and_hold_their_defaults(self, checkerboard, name):
        model = find_model(name)
        config = make_config(name, "board", config_dict={"tuned": False})
        plan = make_plan(config)
        student = plan.result.config.model if issubclass(model, DistillationMethod) else None
        ranges = read_ranges(name, student, None)
        assert name == "NeuMF" or (properties.search_file(name).is_file() and 3 <= len(ranges) <= (8 if student else 6))
        for key, span in ranges.items():
            default = default_of(key, plan)
            assert span.holds(default) or (key.endswith("weight_decay") and default == 0.0), (key, default)
            assert not reaches_teacher(key, plan)
            low, high = (span.public()[1], span.public()[-1])
            for value in (low, high):  # what a range allows, the model must allow
                values = {"tuned": False, key: value}
                make_plan(make_config(name, "board", config_dict=values))

    def test_every_file_is_of_a_model(self):
        for file in (properties.FOLDER / "search").glob("*.yaml"):
            assert file.stem in {*self.MODELS, "default"}

    def test_a_search_is_no_part_of_a_runs_fingerprint(self, checkerboard):
        given = {"search": {"learning_rate": ["log", 0.1, 1]}}
        for name in ("BPR", "RCEKD"):
            plain, searched = (make_config(name, "board", config_dict=values) for values in ({}, given))
            assert plain.fingerprint() == searched.fingerprint()
            stages = [make_plan(config).configs.values() for config in (plain, searched)]
            for before, after in zip(*stages, strict=True):
                assert before.fingerprint() == after.fingerprint()
