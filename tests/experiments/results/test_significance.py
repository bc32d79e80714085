"""Which rows are tested against which, over which users, and how their number is corrected for."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from recbole_kd.evaluation.significance import holm
from recbole_kd.experiments.results.row import Row
from recbole_kd.experiments.results.significance import paired_tests

probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=12)


class TestHolm:
    def test_by_hand(self):
        """Sorted .005, .01, .03, .04 times 4, 3, 2, 1 is .02, .03, .06, .04, and the last may not be less than .06."""
        assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
        assert holm([0.6, 0.5]) == [1.0, 1.0]
        assert holm([0.2]) == [0.2]
        assert holm([]) == []

    @given(probabilities)
    def test_between_nothing_and_bonferroni_in_the_same_order(self, values):
        given, corrected = np.array(values), np.array(holm(values))
        assert (corrected >= given).all()
        assert (corrected <= np.minimum(given * len(given), 1)).all()
        assert (np.diff(corrected[given.argsort(kind="stable")]) >= 0).all()

    @given(probabilities, st.randoms())
    def test_the_order_of_rows_does_not_matter(self, values, random):
        places = list(range(len(values)))
        random.shuffle(places)
        corrected = holm(values)
        assert holm([values[place] for place in places]) == pytest.approx([corrected[place] for place in places])


RANDOM = np.random.default_rng(0)


def row(folder: Path, label: str, share: float, seeds=(1, 2), users=range(60), checkpoint: str = "") -> Row:
    """A row whose users have one relevant item, at the first place with probability ``share``: hit@1 is 0 or 1."""
    made = Row(label, "model")
    for seed in seeds:
        path = folder / f"{label}-{seed}.npz"
        hits = (RANDOM.random(len(users)) < share).astype(np.uint8)[:, None] * 128
        tokens = np.array([f"u{user}" for user in users])
        np.savez(path, user=tokens, relevant=np.ones(len(users), np.int32), hits_model=hits)
        made.stages[seed] = {"checkpoint": checkpoint or f"{label}-{seed}.pth"}
        made.users[seed] = path
    return made


def values(made: Row, seed: int) -> np.ndarray:
    return np.load(made.users[seed])["hits_model"][:, 0] / 128


class TestPairs:
    def test_users_are_paired_and_seeds_averaged(self, tmp_path):
        a, b, c = (row(tmp_path, name, share) for name, share in (("a", 0.2), ("b", 0.8), ("c", 0.25)))
        tests = paired_tests([a, b, c], "a", "hit@1")
        assert list(tests) == ["b", "c"]
        of = {made.label: (values(made, 1) + values(made, 2)) / 2 for made in (a, b, c)}
        for name in "bc":
            assert tests[name]["difference"] == pytest.approx(of[name].mean() - of["a"].mean())
            assert tests[name]["t_p"] == pytest.approx(stats.ttest_rel(of[name], of["a"]).pvalue)
            assert tests[name]["wilcoxon_p"] == pytest.approx(stats.wilcoxon(of[name] - of["a"]).pvalue)
            assert (tests[name]["users"], tests[name]["seeds"]) == (60, 2)
        for key in ("t_p", "wilcoxon_p"):
            assert tests["b"][f"{key}_holm"] == pytest.approx(2 * tests["b"][key])
            assert tests["c"][f"{key}_holm"] == pytest.approx(max(tests["c"][key], 2 * tests["b"][key]))

    def test_users_in_another_order_and_users_that_one_does_not_test(self, tmp_path):
        a = row(tmp_path, "a", 0.5, seeds=[1])
        b = row(tmp_path, "b", 0.5, seeds=[1], users=range(69, 9, -1))
        (test,) = paired_tests([a, b], "a", "hit@1").values()
        assert test["users"] == 50
        ours = dict(zip(range(69, 9, -1), values(b, 1), strict=True))
        theirs = dict(enumerate(values(a, 1)))
        assert test["difference"] == pytest.approx(np.mean([ours[user] - theirs[user] for user in range(10, 60)]))

    def test_only_seeds_that_both_have(self, tmp_path):
        a, b = row(tmp_path, "a", 0.5, seeds=[1, 2, 3]), row(tmp_path, "b", 0.5, seeds=[3, 4])
        assert paired_tests([a, b], "a", "hit@1")["b"]["seeds"] == 1
        assert paired_tests([a, row(tmp_path, "c", 0.5, seeds=[9])], "a", "hit@1") == {}

    def test_one_teacher_of_several_students_is_one_comparison(self, tmp_path):
        a, b = row(tmp_path, "a", 0.3), row(tmp_path, "b", 0.6)
        first, second = (row(tmp_path, name, 0.4, checkpoint="teacher.pth") for name in ("t1", "t2"))
        second.users = first.users
        tests = paired_tests([a, b, first, second], "a", "hit@1")
        assert tests["t1"] == tests["t2"]
        assert tests["b"]["t_p_holm"] == pytest.approx(min(2 * tests["b"]["t_p"], 1))  # two comparisons, not three
        assert list(paired_tests([a, b, first, second], "t1", "hit@1")) == ["a", "b"]

    def test_without_values_there_is_no_test(self, tmp_path):
        a, b = row(tmp_path, "a", 0.5), row(tmp_path, "b", 0.5)
        b.role = "teacher"  # of which the files have nothing
        assert paired_tests([a, b], "a", "hit@1") == {}
        assert paired_tests([a, b], "none", "hit@1") == {}
