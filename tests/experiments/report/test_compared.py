"""What pictures ask of a comparison."""

import pytest

from recbole_kd.experiments.report.pictures.averaged import averaged
from recbole_kd.foundation.errors import UserError
from tests.experiments.report.conftest import PAIR


def test_rows_and_pairs(compared):
    assert (compared.seed, compared.cutoff) == (7, 20)
    assert compared.seeds() == "Mean over seeds 7 to 8."
    ((student, teacher, alone),) = compared.pairs()
    assert [row.label for row in (student, teacher, alone)] == [PAIR, f"{PAIR} teacher", f"{PAIR} alone"]
    again = type(teacher)("other teacher", "teacher", teacher.stages, {}, "other")
    compared.rows = [*compared.rows, again]
    assert again not in compared.distinct()
    assert compared.distinct() == compared.rows[:-1]
    assert len({compared.look(row)["marker"] for row in compared.rows}) == 5


def test_histories(compared):
    found = compared.histories(compared.rows[0])
    assert {seed: len(epochs) for seed, epochs in found.items()} == {7: 3, 8: 2}
    path = compared.rows[0].histories[8]
    path.write_text("{")
    with pytest.raises(UserError, match=r"two\.json is missing or damaged; delete its line in runs\.jsonl"):
        compared.histories(compared.rows[0])


def test_a_missing_checkpoint_and_a_missing_seed(compared, monkeypatch):
    with pytest.raises(UserError, match=r"there is no checkpoint at 1000-0\.2\.pth"):
        compared.trained(compared.rows[0])
    del compared.rows[0].stages[7]
    with pytest.raises(UserError, match="BPR has no run of seed 7"):
        compared.trained(compared.rows[0])


def test_mean_over_seeds():
    one = [{"epoch": 0, "losses": {"a": 1.0}, "valid": {"ndcg": 0.25}, "rank": [1.0, 2.0]}, {"epoch": 1}]
    two = [{"epoch": 0, "losses": {"a": 3.0, "b": 1.0}, "valid": {"ndcg": None}, "rank": [3.0, 6.0]}]
    (entry,) = averaged([one, two])
    assert entry == {"epoch": 0, "losses": {"a": 2.0}, "valid": {"ndcg": None}, "rank": [2.0, 4.0]}
