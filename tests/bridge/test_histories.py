"""Histories cut when they are asked for, against RecBole's own that are copied out."""

from pathlib import Path

import pytest
import torch
from recbole.config import Config
from recbole.data import create_dataset

from recbole_kd.bridge import compat
from recbole_kd.bridge.histories import START, interactions_of
from recbole_kd.bridge.window_loader import windows
from recbole_kd.data.dataset import open_dataset
from recbole_kd.data.identity import identity_of
from recbole_kd.data.loaders import make_loaders
from recbole_kd.data.states import States
from recbole_kd.foundation.errors import UserError
from recbole_kd.registry import make_config
from recbole_kd.scoring.history_scores import scores_in
from tests.models.sequential.contract import SHORT, build

COLUMNS = {"load_col": {"inter": ["user_id", "item_id", "timestamp"]}}


def recboles_own(dataset: str, monkeypatch, **values):
    monkeypatch.setattr("sys.argv", ["test"])
    monkeypatch.setattr(Config, "compatibility_settings", lambda self: compat.restore_removed_names())
    config = Config("SASRec", dataset, config_dict={**SHORT, **COLUMNS, "train_neg_sample_args": None, **values})
    return create_dataset(config).build()


@pytest.mark.parametrize("longest", [1, 4, 50])
def test_rows_are_recboles_own(ring, monkeypatch, longest):
    theirs = recboles_own(ring, monkeypatch, MAX_ITEM_LIST_LENGTH=longest)
    ours = build("SASRec", ring, MAX_ITEM_LIST_LENGTH=longest).loaders.parts()
    for mine, other in zip(ours, theirs, strict=True):
        everything = torch.arange(len(other))
        mine, other = mine[everything].interaction, other[everything].interaction
        assert set(other) <= set(mine)
        assert all(torch.equal(mine[name], column) for name, column in other.items())


def test_a_column_of_histories_is_there_for_a_model_that_asks_the_data_set(ring):
    part = build("SASRec", ring).loaders.train_part
    assert torch.equal(part.inter_feat[3:9]["item_id_list"], part[torch.arange(3, 9)]["item_id_list"])


def test_no_part_that_is_asked_for_is_in_a_history_that_is_learnt_from(ring):
    made = build("SASRec", ring)
    train, valid, test = made.loaders.parts()
    order = {}  # of each user, items by time
    for user, item in zip(train.events["user_id"].tolist(), train.events["item_id"].tolist(), strict=True):
        order.setdefault(user, []).append(item)
    known = {user: [] for user in order}
    for user, item in zip(*(interactions_of(train)[name].tolist() for name in ("user_id", "item_id")), strict=True):
        known[user].append(item)
    for user, items in order.items():
        held = 2 if len(items) > 3 else 1 if len(items) == 3 else 0  # leave-one-out of the rows, of which n has n - 1
        assert known[user] == items[: len(items) - held]
    rows = made.states.histories(torch.arange(len(made.states)))
    for user, length, history in zip(
        *(rows[name].tolist() for name in ("user_id", "item_length", "item_id_list")), strict=True
    ):
        if user:
            assert history[:length] == known[user][-6:]
    for part, back in ((valid, 2), (test, 1)):
        for row in range(len(part)):
            found = part[torch.tensor([row])]
            items = order[int(found["user_id"])]
            back_here = back if len(items) > 3 else 1
            assert int(found["item_id"]) == items[-back_here]
            assert found["item_id_list"][0, : int(found["item_length"])].tolist() == items[:-back_here][-6:]


@pytest.mark.parametrize("longest", [2, 3, 6, 20])
def test_windows_have_each_event_but_the_first_as_a_target_once(ring, longest):
    train = build("SASRec", ring, MAX_ITEM_LIST_LENGTH=longest).loaders.train_part
    starts, lengths, users = windows(train)
    targets = [
        place for start, length in zip(starts, lengths, strict=True) for place in range(start + 1, start + length)
    ]
    events = interactions_of(train)
    owners, places = (events[column].flip(0).tolist() for column in ("user_id", "event_place"))
    first = dict(zip(owners, places, strict=True))
    expected = sorted(set(events["event_place"].tolist()) - set(first.values()))
    assert sorted(targets) == expected
    assert lengths.max() <= longest
    assert all(int(train.events["user_id"][start]) == int(user) for start, user in zip(starts, users, strict=True))


def test_a_general_model_beside_has_the_same_interactions_and_the_same_test(ring):
    sequential, general = build("SASRec", ring), build("BPR", ring, histories=True)
    for of_users, of_histories in zip(general.loaders.parts(), sequential.loaders.parts(), strict=True):
        ours, theirs = interactions_of(of_users), interactions_of(of_histories)
        assert torch.equal(ours["user_id"], theirs["user_id"])
        assert torch.equal(ours["item_id"], theirs["item_id"])
    mine, other = (next(iter(made.loaders.test)) for made in (general, sequential))
    assert mine[1] is other[1] is None  # nothing is masked
    assert torch.equal(mine[3], other[3])
    assert START not in general.loaders.train_part.inter_feat


def test_users_begin_where_they_do(ring):
    part = build("SASRec", ring).loaders.train_part
    owners = part.events["user_id"].tolist()
    known = sorted(set(owners))
    assert part.first_events()[known].tolist() == [owners.index(user) for user in known]


@pytest.mark.parametrize("longest", [3, 6])
def test_states_of_windows_are_those_of_whole_histories(ring, longest):
    """What the pass over a batch gives is what encoding each state anew gives."""
    made = build("HSTU", ring, MAX_ITEM_LIST_LENGTH=longest, train_batch_size=10_000)
    for positions in (False, True):
        states = States(made.loaders.train_part, positions)
        scores = scores_in(states, made.model.eval())
        ids = states.in_batch(made.batch)
        with torch.no_grad(), scores.within(made.batch):
            found = scores.encoded(ids)[0]
        torch.testing.assert_close(found, scores.computed_once().embeddings()[0][ids], rtol=1e-4, atol=1e-4)
        assert len(ids) > 40


def pairs(made) -> list[tuple[int, int]]:
    """All interactions, in any order."""
    events = made.loaders.train_part.events
    return sorted(zip(events["user_id"].tolist(), events["item_id"].tolist(), strict=True))


def test_the_identity_covers_the_order(ring):
    made = build("SASRec", ring)
    before = identity_of(made.loaders.train_part, ring, 2020)["train"]
    path = f"dataset/{ring}/{ring}.inter"
    with open(path) as file:
        text = file.read()
    user, item, time = next(line for line in text.splitlines()[1:] if line.startswith("u5\t")).split("\t")
    with open(path, "w") as file:
        file.write(text.replace(f"{user}\t{item}\t{time}", f"{user}\t{item}\t{float(time) - 100}"))
    after = build("SASRec", ring)
    assert pairs(after) == pairs(made)
    assert identity_of(after.loaders.train_part, ring, 2020)["train"] != before


class TestRefusals:
    def test_order_at_random(self, ring):
        with pytest.raises(UserError, match="histories go by time, and order is RO"):
            make_config("SASRec", ring, config_dict={**SHORT, "eval_args": {"order": "RO"}})

    def test_pairs_without_negatives(self, ring):
        values = {**SHORT, "loss_type": "BPR", "train_neg_sample_args": None}
        with pytest.raises(UserError, match="loss_type=BPR learns from pairs"):
            make_config("SASRec", ring, config_dict=values)

    def test_an_interaction_without_a_time(self, ring):
        path = Path(f"dataset/{ring}/{ring}.inter")
        path.write_text(path.read_text() + "u5\ti3\t\n")
        config = make_config("SASRec", ring, config_dict=SHORT)
        with pytest.raises(UserError, match="1 interaction has no timestamp"):
            open_dataset(config)

    def test_histories_of_one(self, ring):
        with pytest.raises(UserError, match="set it to 2 or more"):
            build("HSTU", ring, MAX_ITEM_LIST_LENGTH=1)

    def test_targets_that_do_not_count(self, ring):
        config = make_config("SASRec", ring, config_dict={**SHORT, "eval_items": "cold"})
        with pytest.raises(UserError, match="count every row"):
            open_dataset(config)

    def test_a_single_interaction_each(self, ring):
        rows = "".join(f"u{user}\ti{user % 5}\t{user}\n" for user in range(9))
        Path(f"dataset/{ring}/{ring}.inter").write_text("user_id:token\titem_id:token\ttimestamp:float\n" + rows)
        config = make_config("SASRec", ring, config_dict=SHORT)
        with pytest.raises(UserError, match="no user has more than 1"):
            make_loaders(config, open_dataset(config))

    def test_parts_in_files_of_their_own(self, checkerboard):
        config = make_config("BPR", checkerboard, config_dict={"show_progress": False, "state": "error"})
        config["histories"] = True
        with pytest.raises(UserError, match=r"put all into one \.inter file"):
            open_dataset(config)

    def test_items_held_out(self, ring):
        config = make_config("SASRec", ring, config_dict={**SHORT, "split": "cold_items=0.1"})
        with pytest.raises(UserError, match="which would have gaps"):
            open_dataset(config).build()

    def test_no_times(self, ring):
        with open(f"dataset/{ring}/{ring}.inter", "w") as file:
            file.write("user_id:token\titem_id:token\nu1\ti1\n")
        config = make_config("SASRec", ring, config_dict=SHORT)
        with pytest.raises(UserError, match="load_col asks for 'timestamp' of inter"):
            open_dataset(config)
