from recbole_kd.evaluation.unseen import Unseen, unseen_in_test
from tests.models.contract import build


def test_counts_are_those_of_a_loop(checkerboard):
    data = build("BPR", checkerboard, split="cold_items=0.25").dataset
    train, _, test = data.build()
    known = set(train.inter_feat["item_id"].tolist())
    unseen = [item for item in test.inter_feat["item_id"].tolist() if item not in known]
    assert unseen
    assert unseen_in_test(data) == (len(unseen), len(set(unseen)), len(test))


def test_a_split_without_such_says_nothing(checkerboard):
    found = unseen_in_test(build("BPR", checkerboard).dataset)
    assert found == (0, 0, 120)
    assert found.note() == ""


def test_note():
    assert Unseen(1, 1, 9).note().startswith("1 of 9 test interactions is of 1 item that training never saw")
    assert Unseen(1200, 30, 9000).note().startswith("1,200 of 9,000 test interactions are of 30 items that")
