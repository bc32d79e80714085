"""Every multi-modal model on Last.fm after four epochs: above popularity, below what any reaches when fully trained."""

import pytest

from recbole_kd.cli import main
from recbole_kd.experiments.run import run

MODELS = ["VBPR", "BM3", "FREEDOM", "MGCN", "LATTICE", "GRCN", "MMGCN", "SLMRec", "PromptMMTeacher", "MTS4MM"]


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_ranks_between_popularity_and_the_best_known(model, shared_data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["convert", "mmrec", str(shared_data / "lfm2k"), "lfm2k"]) == 0
    values = {"show_progress": False, "state": "error", "topk": [20], "metrics": ["NDCG"], "valid_metric": "NDCG@20"}
    popularity = run("Pop", "lfm2k", config_dict={**values, "epochs": 1}).test["ndcg@20"]
    found = run(model, "lfm2k", config_dict={**values, "epochs": 4, "learning_rate": 0.005}).test["ndcg@20"]
    assert 1.2 * popularity < found < 0.33
