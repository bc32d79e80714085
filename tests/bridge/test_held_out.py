"""Items that a split holds out of training: where they go, what is drawn, and what a ranking of them counts."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recbole_kd.bridge.building import build_model
from recbole_kd.bridge.evaluation_keys import held_out_share
from recbole_kd.bridge.targets import trained_items
from recbole_kd.data.interactions import pairs_of
from recbole_kd.experiments.run import run
from recbole_kd.foundation.errors import UserError
from tests.models.contract import build

QUARTER = {"split": "cold_items=0.25"}


def pairs(part) -> Counter:
    return Counter(zip(*(ids.tolist() for ids in pairs_of(part)), strict=True))


class TestSplit:
    def test_all_interactions_stay_and_held_out_items_leave_training(self, checkerboard):
        before, made = build("BPR", checkerboard).dataset.build(), build("BPR", checkerboard, **QUARTER)
        after = made.dataset.build()
        assert sum(map(pairs, after), Counter()) == sum(map(pairs, before), Counter())
        held_out = after[0].held_out
        assert held_out.sum() == 6  # a quarter of 24
        of_part = [set(pairs_of(part)[1].tolist()) for part in after]
        held = set(held_out.nonzero().flatten().tolist())
        assert not of_part[0] & held
        assert len(of_part[1] & held) == len(of_part[2] & held) == 3
        assert not of_part[1] & of_part[2] & held

    def test_other_interactions_stay_in_their_part(self, checkerboard):
        before, after = (
            build("BPR", checkerboard).dataset.build(),
            build("BPR", checkerboard, **QUARTER).dataset.build(),
        )
        held_out = after[0].held_out
        for old, new in zip(before, after, strict=True):
            warm = Counter({pair: count for pair, count in pairs(old).items() if not held_out[pair[1]]})
            assert {pair: count for pair, count in pairs(new).items() if not held_out[pair[1]]} == dict(warm)

    def test_the_seed_draws_the_items(self, checkerboard):
        one, same, other = (build("BPR", checkerboard, seed=seed, **QUARTER).dataset.build()[0] for seed in (1, 1, 2))
        assert torch.equal(one.held_out, same.held_out)
        assert not torch.equal(one.held_out, other.held_out)

    @pytest.mark.parametrize("share", ["0.01", "0.999"])
    def test_too_few_and_too_many(self, checkerboard, share):
        with pytest.raises(UserError, match="split: cold_items="):
            build("BPR", checkerboard, split=f"cold_items={share}")

    @pytest.mark.parametrize("value", ["cold", "cold_items=", "cold_items=1", "cold_items=nan", "cold_items=-1", 0.1])
    def test_a_key_that_is_none(self, checkerboard, value):
        with pytest.raises(UserError, match=r"split.*cold_items=0\.1"):
            build("BPR", checkerboard, split=value)

    @given(st.floats(0.001, 0.999))
    def test_share(self, share):
        assert held_out_share(f"cold_items={share}") == share


def test_training_draws_no_held_out_item_as_a_negative(checkerboard):
    made = build("BPR", checkerboard, **QUARTER)
    held_out = made.dataset.build()[0].held_out
    drawn = torch.cat([batch["neg_item_id"] for _ in range(20) for batch in made.loaders.train])
    assert not held_out[drawn].any()
    assert len(drawn.unique()) == 18  # and all others


def test_a_user_with_every_item_that_is_left_is_refused(checkerboard):
    train = build("BPR", checkerboard, **QUARTER).dataset.build()[0]
    left = [train.field2id_token["item_id"][item] for item in range(1, 25) if not train.held_out[item]]
    with open("dataset/board/board.train.inter", "a", encoding="utf-8") as stream:
        stream.writelines(f"u39\t{item}\n" for item in left)  # the last user, so that the ids stay
    with pytest.raises(UserError, match="cannot be sampled with these settings"):
        build("BPR", checkerboard, **QUARTER)


@pytest.mark.parametrize("model", ["VBPR", "FREEDOM", "MTS4MMStudent"])
def test_a_model_of_features_begins_with_nothing_of_them_but_these(checkerboard, model):
    made = build(model, checkerboard, **QUARTER)
    train = made.loaders.train_part
    tables = [
        (name, table)
        for name, table in build_model(made.config, train).named_parameters()
        if name.startswith("item") or ".item_embeddings" in name
    ]
    assert tables
    for _, table in tables:
        assert not table[train.held_out].any()
        assert len(table) != train.item_num or table.shape[1] == 1 or table[~train.held_out].any()


class TestTargets:
    @pytest.fixture(params=["warm", "cold"])
    def made(self, checkerboard, request):
        return build("VBPR", checkerboard, eval_items=request.param, **QUARTER), request.param

    def test_targets_and_what_is_left_out(self, made):
        made, wanted = made
        trained = trained_items(made.loaders.train_part)
        counts = trained if wanted == "warm" else ~trained
        _, _, test = made.dataset.build()
        expected = {pair for pair in pairs(test) if counts[pair[1]]}
        found = set()
        masked = set()
        for users, left_out, row, item in made.loaders.test:
            found |= set(zip(users["user_id"][row].tolist(), item.tolist(), strict=True))
            masked |= set(zip(users["user_id"][left_out[0]].tolist(), left_out[1].tolist(), strict=True))
        assert found == expected
        train, valid, _ = map(pairs, made.dataset.build())
        users = {user for user, _ in expected}
        assert masked == {pair for pair in train | valid if pair[0] in users} - set(pairs(test))

    def test_metrics_are_those_of_a_ranking_by_hand(self, checkerboard):
        values = {"eval_items": "cold", "topk": [2], "metrics": ["Recall"], "valid_metric": "Recall@2", "epochs": 3}
        result = run("VBPR", checkerboard, config_dict={**QUARTER, **values, "show_progress": False})
        made = build("VBPR", checkerboard, **QUARTER, **values)
        made.model.load_state_dict(torch.load(result.stages[-1].checkpoint, weights_only=True)["state_dict"])
        train, valid, test = made.dataset.build()
        cold = [item for item in range(1, 25) if not trained_items(train)[item]]
        users, items = (part.detach() for part in made.model.embeddings())
        recalls = []
        for user in sorted({user for user, item in pairs(test) if item in cold}):
            wanted = {item for one, item in pairs(test) if one == user and item in cold}
            seen = {item for one, item in [*pairs(train), *pairs(valid)] if one == user}
            ranked = (item for item in range(1, 25) if item not in seen)
            order = sorted(ranked, key=lambda item: -float(users[user] @ items[item]))
            recalls.append(len(wanted & set(order[:2])) / len(wanted))
        assert result.stages[-1].test["recall@2"] == pytest.approx(np.mean(recalls), abs=1e-4)

    def test_no_cold_items(self, checkerboard):
        with pytest.raises(UserError, match=r"eval_items=cold: no interaction .* --split=cold_items"):
            build("VBPR", checkerboard, eval_items="cold")

    def test_sampled_rankings_are_refused(self, checkerboard):
        with pytest.raises(UserError, match="eval_items=warm is of a full ranking"):
            run("BPR", checkerboard, config_dict={"eval_items": "warm", "eval_args": {"mode": "uni10"}, "epochs": 1})
