import torch
from hypothesis import given
from hypothesis import strategies as st

from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.data.interactions import positives_of
from recbole_kd.ops.ragged import Ragged
from recbole_kd.registry import make_config


@given(st.lists(st.lists(st.integers(1, 9), max_size=4), min_size=1, max_size=8), st.data())
def test_rows_are_those_of_the_lists(lists, data):
    ragged = Ragged.from_lists([torch.tensor(values, dtype=torch.int64) for values in lists])
    wanted = data.draw(st.lists(st.integers(0, len(lists) - 1), min_size=1, max_size=8))
    place, values = ragged.rows(torch.tensor(wanted))
    expected = [(row, value) for row, index in enumerate(wanted) for value in lists[index]]
    assert list(zip(place.tolist(), values.tolist(), strict=True)) == expected
    assert ragged.filled().tolist() == [row for row, values in enumerate(lists) if values]


def test_positives_are_the_training_items(checkerboard):
    train = MultiModalDataset(make_config("BPR", checkerboard)).build()[0]
    positives = positives_of(train)
    users, items = train.inter_feat["user_id"], train.inter_feat["item_id"]
    for user in users.unique():
        assert positives.rows(user.unsqueeze(0))[1].tolist() == sorted(set(items[users == user].tolist()))
    assert 0 not in positives.filled()
