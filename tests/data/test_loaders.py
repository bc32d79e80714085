import pytest
import torch
from recbole.data import data_preparation

from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.data.loaders import check_evaluation, make_loaders
from recbole_kd.foundation.errors import UserError
from recbole_kd.registry import make_config
from tests.trained_once import join_parts


@pytest.mark.parametrize("users_at_once", [1, 7, 1000])
def test_batches_hold_what_recboles_hold(checkerboard, users_at_once):
    config = make_config("BPR", checkerboard)
    data = MultiModalDataset(config)
    config["eval_batch_size"] = users_at_once * data.item_num
    config.external_config_dict["eval_batch_size"] = config["eval_batch_size"]
    ours, theirs = make_loaders(config, data), data_preparation(config, data)
    for mine, reference in zip(ours[1:], theirs[1:], strict=True):
        batches = list(zip(mine, reference, strict=True))
        assert len(batches) == len(mine)
        for (users, history, *positive), (expected, their_history, *their_positive) in batches:
            assert torch.equal(users["user_id"], expected["user_id"])
            assert _pairs(*history) == _pairs(*their_history)
            assert _pairs(*positive) == sorted(_pairs(*positive)) == sorted(_pairs(*their_positive))


def _pairs(rows, items):
    return sorted(zip(rows.tolist(), items.tolist(), strict=True))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"mode": "uni1000000"}, "mode uni1000000 draws 1,000,000 items .* there are 24; write mode: full"),
        ({"mode": {"valid": "full", "test": "pop25"}}, "mode pop25 draws 25"),
        ({"mode": "labeled"}, "the data have no column label"),
        ({"order": "TO"}, "the data have no column timestamp"),
        ({"split": {"TS": [8, 1, 1]}}, "the data have no column timestamp"),
    ],
)
def test_evaluations_that_the_data_do_not_allow(checkerboard, values, says):
    join_parts()
    kind = ["AUC"] if values.get("mode") == "labeled" else ["MRR"]
    config = make_config(
        "BPR",
        checkerboard,
        config_dict={
            **{"eval_args": values, "load_col": None, "benchmark_filename": None},
            **{"metrics": kind, "valid_metric": "AUC" if kind == ["AUC"] else "MRR@10"},
        },
    )
    with pytest.raises(UserError, match=says):
        check_evaluation(config, MultiModalDataset(config))


def test_as_many_negatives_as_items_can_be_drawn(checkerboard):
    config = make_config("BPR", checkerboard, config_dict={"eval_args": {"mode": "uni24"}})
    check_evaluation(config, MultiModalDataset(config))
