"""Lists of sequential models: for users with all that is known of them, and for somebody who is in no data."""

import json
from pathlib import Path

import pytest

from recbole_kd.serving.recommend import recommend
from tests.models.sequential.contract import LEARNING, SHORT
from tests.trained_once import refused, said, train


@pytest.fixture
def walker(ring, capsys) -> str:
    """An HSTU that has learnt the ring."""
    path = train("HSTU", ring, **LEARNING)
    capsys.readouterr()
    return path


def test_a_history_leads_on(walker, capsys):
    (found,) = recommend(walker, history=["i3", "i4", "i5"], topk=2)
    assert (found.user, found.items[0].item) == ("history", "i6")
    assert not {"i3", "i4", "i5"} & {listed.item for listed in found.items}
    told = said(capsys, f"--checkpoint={walker}", "--history=i3,i4, i5", "--topk=2", "--format=json")
    assert [listed["item"] for listed in json.loads(told)["items"]] == [listed.item for listed in found.items]


def test_users_are_served_with_all_that_is_known_of_them(walker, ring):
    rows = [line.split("\t") for line in Path(f"dataset/{ring}/{ring}.inter").read_text().splitlines()[1:]]
    right = 0
    found = {list_.user: [listed.item for listed in list_.items] for list_ in recommend(walker, topk=1)}
    for user, items in found.items():
        walked = sorted((float(time), item) for name, item, time in rows if name == user)
        follows = f"i{(int(walked[-1][1][1:]) + 1) % 12}"
        right += items == [follows] or follows in {item for _, item in walked}
    assert right / len(found) > 0.9


def test_what_is_seen_is_kept_on_request(walker):
    (found,) = recommend(walker, history=["i3"], topk=12, seen=True)
    assert len(found.items) == 12


class TestRefusals:
    @pytest.mark.parametrize(
        ("words", "reason"),
        [
            (["--history=i3,i99"], "there is no item 'i99'"),
            (["--history="], "it holds no item"),
            (["--history=i3", "--users=u1"], "users and history are both given"),
            (["--history=i3", "--cache_dir=x"], "a teacher's cache has scores of users alone"),
        ],
    )
    def test_of_a_sequential_model(self, walker, capsys, words, reason):
        assert reason in refused(capsys, f"--checkpoint={walker}", *words)

    def test_of_a_model_of_users(self, bpr, capsys):
        assert "BPR scores by users and reads no history" in refused(capsys, f"--checkpoint={bpr}", "--history=i3")

    def test_of_a_model_of_both(self, ring, capsys):
        path = train("FPMC", ring, **SHORT)
        capsys.readouterr()
        assert "scores by the user besides" in refused(capsys, f"--checkpoint={path}", "--history=i3")
