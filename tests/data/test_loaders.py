import pytest
import torch
from recbole.data import data_preparation

from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.data.loaders import make_loaders
from recbole_kd.registry import make_config


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
