"""What a key changes is declared once; fingerprints, searches and checkpoints follow from it."""

import pytest

from recbole_kd.bridge import properties
from recbole_kd.bridge.run_settings import Effect, RunSettings, changes_stage, effect_of, keys_with
from recbole_kd.registry import make_config
from recbole_kd.training.plan import make_plan


@pytest.mark.parametrize(
    ("key", "effect"),
    [
        ("learning_rate", Effect.FIGURES),
        ("embedding_size", Effect.FIGURES),
        ("a_key_of_tomorrow", Effect.FIGURES),  # costs a training too many, never a wrong figure
        ("seed", Effect.YARDSTICK),
        ("eval_args", Effect.YARDSTICK),
        ("eval_mask", Effect.YARDSTICK),
        ("load_col", Effect.YARDSTICK),
        ("init", Effect.RUN),
        ("cache_dir", Effect.SOURCE),
        ("teacher", Effect.MODELS),
        ("assistant", Effect.MODELS),
        ("show_progress", Effect.NOTHING),
        ("gpu_id", Effect.NOTHING),
        ("features_path", Effect.NOTHING),
    ],
)
def test_effects(key, effect):
    assert effect_of(key) is effect


def test_every_declared_key_is_one_of_a_run():
    assert set(keys_with(*Effect)) <= properties.run_keys() | {"device", "single_spec", "valid_metric_bigger"} | {
        "config_file"
    }


def test_a_fingerprint_follows_what_changes_figures_and_nothing_else(checkerboard):
    def fingerprint(**values):
        return make_config("BPR", "board", config_dict=values).fingerprint()

    first = fingerprint()
    for name, value in {"epochs": 7, "learning_rate": 0.5, "seed": 3, "topk": [5], "eval_mask": "train"}.items():
        more = {"valid_metric": "MRR@5"} if name == "topk" else {}
        assert changes_stage(name)
        assert fingerprint(**{name: value}, **more) != first, name
    others = {"show_progress": False, "checkpoint_dir": "x", "cache_topk": 3, "init": "teacher", "teacher": "BPR"}
    for name, value in {**others, "snapshot_seconds": 1.0, "state": "error", "resume": False}.items():
        assert not changes_stage(name)
        assert fingerprint(**{name: value}) == first, name


def test_the_numerics_are_part_of_it(checkerboard, monkeypatch):
    first = make_config("BPR", "board").fingerprint()
    monkeypatch.setattr("recbole_kd.bridge.config.NUMERICS", "another")
    assert make_config("BPR", "board").fingerprint() != first


def test_all_keys_of_our_yaml_are_declared():
    assert properties.keys_of(properties.FOLDER / "overall.yaml") <= set(RunSettings.model_fields)


@pytest.mark.parametrize(
    "values",
    [
        *(
            {"worker": 2},
            {"gpu_id": "1"},
            {"gpu_id": [0, 1]},
            {"save_dataset": False},
            {"nproc": 1},
            {"use_gpu": False},
        ),
        *({"log_wandb": False}, {"wandb_project": "mine"}, {"eval_batch_size": 7}, {"show_progress": False}),
    ],
)
def test_no_surrounding_is_part_of_a_results_digest(checkerboard, values):
    plain = make_config("BPR", "board")
    changed = make_config("BPR", "board", config_dict=values)
    assert changed.fingerprint() == plain.fingerprint()
    assert make_plan(changed).identity() == make_plan(plain).identity()


def test_what_is_read_anew_of_a_value_leaves_digests(checkerboard):
    """Digests of RecBole's defaults, given by hand, are those of release 0.1.0."""
    plain = make_config("BPR", "board").fingerprint()
    negatives = {"distribution": "uniform", "sample_num": 1, "alpha": 1.0, "dynamic": False, "candidate_num": 0}
    for values in ({"train_neg_sample_args": negatives}, {"field_separator": "\\t"}, {"eval_args": {"mode": "full"}}):
        assert make_config("BPR", "board", config_dict=values).fingerprint() == plain
