"""The compact file of users says what RecBole's evaluator says."""

from pathlib import Path

import numpy as np
import pytest

from recbole_kd.experiments import run as pipeline
from recbole_kd.experiments.results.users import read_users, write_users
from recbole_kd.foundation.errors import UserError
from recbole_kd.serving.recommend import recommend
from tests.experiments.compare.conftest import METRICS

ALL = ("recall", "ndcg", "precision", "hit", "mrr")
WORDS = ["--epochs=2", "--topk=[3,5,11]", "--valid_metric=NDCG@3", METRICS, "--state=error", "--show_progress=false"]


def test_means_of_users_are_recboles_metrics(checkerboard):
    words = [*WORDS, "--metric_decimal_place=10", "--baseline=true"]
    result = pipeline.run("PromptMM", "board", arguments=words)
    path = Path("users.npz")
    assert write_users(path, result.data, result.stages)
    assert path.stat().st_size < 4000
    for stage in result.stages:
        found = {}
        for name in [f"{metric}@{k}" for metric in ALL for k in (3, 5, 11)]:
            values = read_users(path, stage.name, name)
            assert len(values) == 40
            assert set(values.index) == {f"u{number}" for number in range(40)}
            found[name] = values.mean()
        assert found == pytest.approx(stage.test, abs=1e-7)
    assert read_users(path, "teacher2", "ndcg@3") is None
    with np.load(path, allow_pickle=False) as file:
        assert sorted(file) == ["hits_baseline", "hits_student", "hits_teacher", "relevant", "user"]
        assert file["relevant"].tolist() == [3] * 40
        assert file["hits_student"].shape == (40, 2)


def test_a_user_of_several_histories_counts_once(ring):
    """A split by shares asks for several items of a user, each after its own history."""
    words = ["--epochs=1", "--topk=[3]", "--valid_metric=NDCG@3", METRICS, "--state=error", "--show_progress=false"]
    words += ["--eval_args={split: {RS: [0.4, 0.2, 0.4]}, order: TO}", "--MAX_ITEM_LIST_LENGTH=5"]
    result = pipeline.run("SASRecAll", ring, arguments=words)
    assert write_users(Path("users.npz"), result.data, result.stages)
    with np.load("users.npz", allow_pickle=False) as file:
        rows = file["user"]
    values = read_users(Path("users.npz"), "model", "recall@3")
    assert len(values) == len(set(rows)) < len(rows)
    weights = np.array([(rows == user).sum() for user in values.index])
    assert (values * weights).sum() / len(rows) == pytest.approx(result.test["recall@3"], abs=1e-4)


def test_raw_tokens_belong_to_their_users(checkerboard):
    """Their lists, made anew from the checkpoint by another route, hold what the file says."""
    words = [*WORDS, "--eval_mask=train"]
    result = pipeline.run("BPR", "board", arguments=words)
    write_users(Path("users.npz"), result.data, result.stages)
    values = read_users(Path("users.npz"), "model", "Recall@5")
    lines = Path("dataset/board/board.test.inter").read_text().splitlines()[1:]
    relevant = {tuple(line.split("\t")) for line in lines}
    for found in recommend(result.stages[0].checkpoint, topk=5):
        hits = [listed.item for listed in found.items if (found.user, listed.item) in relevant]
        assert values[found.user] == pytest.approx(len(hits) / 3)
    assert 0 < values.mean() < 1


@pytest.mark.parametrize("damage", [b"", b"no zip", b"PK\x03\x04 cut"])
def test_a_damaged_file(tmp_path, damage):
    path = tmp_path / "users.npz"
    path.write_bytes(damage)
    with pytest.raises(UserError, match=r"users.npz is missing or damaged; delete its line in runs.jsonl"):
        read_users(path, "model", "ndcg@3")
    path.unlink()
    with pytest.raises(UserError, match="missing or damaged"):
        read_users(path, "model", "ndcg@3")


def test_without_a_ranking_nothing_is_written(checkerboard):
    result = pipeline.run("BPR", "board", arguments=WORDS)
    result.stages[0].checkpoint = ""  # as of a teacher that was taken from a cache
    assert not write_users(Path("users.npz"), result.data, result.stages)
    assert not Path("users.npz").exists()
