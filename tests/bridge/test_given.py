"""What is refused before classes are known is refused in the same words when they are, and nothing else is."""

from pathlib import Path

import pytest

from recbole_kd.bridge.config import KDConfig
from recbole_kd.bridge.given import default_files
from recbole_kd.bridge.history_keys import history_defaults
from recbole_kd.bridge.model_keys import declared_settings, settings_of_recbole
from recbole_kd.bridge.properties import values_of
from recbole_kd.bridge.recbole_files import recommenders
from recbole_kd.foundation.errors import UserError
from recbole_kd.registry import (
    DISTILLERS,
    MODELS,
    check_config,
    check_overrides,
    find_model,
    find_or_import_model,
    own_names,
    reads_histories,
)

WRONG = [
    "--model=BRP --dataset=board",
    "--model=DIEN --dataset=board",
    "--model=no.where:x-y --dataset=board",
    "--model=BPR",
    "--dataset=board",
    "--model=BPR --dataset=../board",
    "--model=BPR --dataset=bord",
    "--model=BPR --dataset=board --data_path=elsewhere",
    "--model=BPR --dataset=board --data_path=7",
    "--model=BPR --dataset=board --embeding_size=8",
    "--model=RCEKD --dataset=board --teacher_embeding_size=8",
    "--model=RCEKD --dataset=board --teacher=A,BPR",
    "--model=RCEKD --dataset=board --student=LightGNC",
    "--model=BPR --dataset=board --epochs=-1",
    "--model=BPR --dataset=board --topk=(5,10)",
    "--model=BPR --dataset=board --eval_args={splti:1}",
    "--model=BPR --dataset=board --eval_args={order:TO,split:{RS:[0.8,0.1,0.1]}} --benchmark_filename=null",
    "--model=BPR --dataset=board --metrics=[Recall,AUC] --valid_metric=AUC",
    "--model=BPR --dataset=board --valid_metric=MRR@7",
    "--model=NeuMF --dataset=board --dropout_prob=2",
    "--model=LightGCN --dataset=board --n_layers=x",
    "--model=BPR --dataset=board --learning_rate=x --seed=-3",
]


def refusal(check, *words: str) -> str:
    with pytest.raises(UserError) as caught:
        check(*words)
    return str(caught.value)


def whole(*words: str) -> KDConfig:
    return KDConfig(arguments=words, find_model=find_or_import_model)


@pytest.mark.parametrize("words", WRONG)
def test_the_sentence_is_the_same(checkerboard, words):
    assert refusal(lambda *words: check_config(arguments=words), *words.split()) == refusal(whole, *words.split())


def test_so_it_is_of_files(checkerboard):
    Path("run.yaml").write_text("learning_rate: [\n")
    Path("dataset/board/board.yaml").write_text("checkpoint_dir: x\n")
    for files in (["run.yaml"], ["gone.yaml"], []):
        early = refusal(lambda files: check_config("BPR", "board", files), files)
        assert early == refusal(lambda files: KDConfig("BPR", "board", files, find_model=find_model), files)


@pytest.mark.parametrize("model", sorted(recommenders() | own_names() | MODELS.names()))
def test_default_values_are_those_of_the_config(checkerboard, model):
    """And nothing of them is refused."""
    check_config(model, "board")
    values = {}
    for file in default_files(model, "board", "dataset/"):
        values |= values_of(file)
    if reads_histories(model):
        values |= history_defaults(model, "board", values, sequential=True)
    config = KDConfig(model, "board", find_model=find_model)
    assert {key: config.internal_config_dict[key] for key in values} == values


@pytest.mark.parametrize("model", sorted(recommenders()))
def test_hyperparameters_of_recboles_models_are_those_of_their_classes(model):
    fields = settings_of_recbole(model).model_fields
    assert {key: str(field) for key, field in declared_settings(find_model(model)).model_fields.items()} == {
        key: str(field) for key, field in fields.items()
    }


def test_what_only_a_class_tells_is_left_to_it(checkerboard, monkeypatch):
    check_config("somewhere:Else", "board", config_dict={"unheard_of": 1})
    monkeypatch.setattr(MODELS, "_registered", {"Theirs": object})
    check_config("Theirs", "board", config_dict={"unheard_of": 1})
    check_config("RCEKD", "board", config_dict={"teacher": "Theirs", "unheard_of": 1})
    check_overrides({"unheard_of": 1})
    assert "Theirs" not in DISTILLERS


def test_what_shall_beat_a_checkpoint():
    check_overrides({})
    check_overrides({"data_path": "x", "eval_batch_size": "9", "alias_of_item_id": "[a]"})
    check_overrides({"model": "own_models:Dot", "hidden": "4"})
    assert "did you mean data_path" in refusal(lambda: check_overrides({"data_pth": "x"}))
