"""The distiller that the site shows as a whole one is one: it runs as it is printed."""

from recbole_kd.experiments.run import run
from recbole_kd.registry import DISTILLERS, find_model
from tests.docs.pages import blocks

PAGE = "own-distiller.md"
QUIET = {"show_progress": False, "state": "error", "topk": [3], "metrics": ["NDCG", "Recall"], "valid_metric": "NDCG@3"}


def test_the_example_runs(checkerboard, monkeypatch):
    code = next(block.text for block in blocks("python") if block.page.name == PAGE and "TopItems" in block.text)
    assert len(code.splitlines()) <= 25
    names = {"__name__": "top_items"}
    exec(compile(code, PAGE, "exec"), names)
    monkeypatch.setitem(DISTILLERS._registered, "TopItemsOfThePage", names["TopItems"])
    values = {"epochs": 2, "teacher": "LightGCN", "student": "BPR", "top_items_k": 4}
    result = run("TopItemsOfThePage", checkerboard, config_dict={**QUIET, **values})
    assert result.stages[-1].history[0]["losses"].keys() == {"base", "top_items"}
    assert find_model("TopItemsOfThePage").__name__ == "TopItemsOfThePage"
