"""What the report tells of how runs were made, and of runs that have not recorded it."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

from recbole_kd.experiments.compare import made
from recbole_kd.experiments.compare.command import compare
from recbole_kd.experiments.compare.made import parts_of
from recbole_kd.registry import make_config
from recbole_kd.training.made import changed_settings, facts_of
from recbole_kd.training.run import open_data
from tests.experiments.compare.conftest import SHORT

MACHINE = {"system": "Linux x86_64", "processor": "A Chip", "cores": 2, "threads": 1, "device": "cpu"}
DATA = {
    "users": 40,
    "items": 24,
    "interactions": 1480,
    "density": 0.5,
    "split": {"train": 1280, "valid": 80},
    "modalities": [],
}


@dataclass
class Planned:
    label: str
    digest: str
    config: object = None
    rows: dict = field(default_factory=dict)


def record(settings: dict, torch: str = "2.13.0", **more) -> dict:
    told = {"data": DATA, "settings": settings, "command": None, "versions": {"torch": torch}, "machine": MACHINE}
    return {"status": "done", "started": "2026-11-26T03:00:00+00:00", "made": told, **more}


def told(runs, records) -> dict[str, dict[str, str]]:
    return {part.title: dict(part.facts) for part in parts_of(runs, records, "recbole-kd compare")}


def test_what_was_recorded():
    runs = [Planned("BPR", "a"), Planned("LightGCN", "b")]
    records = {
        "a": record({"epochs": 2, "student": "BPR", "eval_args": {"mode": "uni100"}}),
        "b": record({"epochs": 2, "n_layers": 3, "eval_args": {"mode": "uni100"}}, torch="2.12.0"),
    }
    assert told(runs, records) == {
        "Data": {
            **{"users": "40", "items": "24", "interactions": "1,480", "density": "50.000%"},
            **{"split": "train 1,280, valid 80", "modalities": "none"},
        },
        "Settings that are no defaults": {"epochs": "2", "eval_args": "mode: uni100", "LightGCN": "n_layers=3"},
        "How it was made": {
            **{"command": "recbole-kd compare", "made on": "2026-11-26", "machine": "A Chip, 2 cores, Linux x86_64"},
            **{"computed on": "cpu, 1 CPU thread", "torch": "2.13.0; or 2.12.0"},
        },
    }


def test_runs_of_an_older_release(monkeypatch):
    monkeypatch.setattr(made, "changed_settings", lambda config: {"epochs": config.epochs})
    runs = [Planned("BPR", "a", SimpleNamespace(epochs=7)), Planned("EASE", "b", SimpleNamespace(epochs=7))]
    found = told(runs, {"a": {"status": "done"}, "b": {"status": "failed"}})
    assert "not recorded" in found["Data"]["sizes"]
    assert "not recorded" in found["How it was made"]["machine"]
    assert found["Settings that are no defaults"] == {"epochs": "7"}


def test_settings_and_sizes(checkerboard):
    given = {"epochs": 3, "learning_rate": 0.001, "topk": [3], "valid_metric": "NDCG@3", "show_progress": False}
    config = make_config("BPR", checkerboard, config_dict=given)
    found = changed_settings(config)
    assert (found["epochs"], found["topk"], found["benchmark_filename"]) == (3, [3], ["train", "valid", "test"])
    assert "learning_rate" not in found  # which is the default
    assert facts_of(open_data(config)) == {
        **{"users": 40, "items": 24, "interactions": 480, "density": 0.5},
        **{"split": {"train": 280, "valid": 80, "test": 120}, "modalities": ["board", "noise"]},
        "unseen": {"interactions": 0, "items": 0, "of": 120},
    }


def test_an_older_folder_gets_its_report(quick, monkeypatch):
    """Lines of runs.jsonl without ``made``, as release 0.1.0 wrote them."""
    words = ["--models=BPR", "--dataset=board", "--report=false", *SHORT]
    found = compare(words)
    assert dict(found.table.parts[0].facts)["interactions"] == "480"
    kept = json.loads(Path("compare/board/table.json").read_text())["made"]
    assert list(kept) == ["Data", "Settings that are no defaults", "How it was made"]
    path = Path("compare/board/runs.jsonl")
    line = json.loads(path.read_text())
    assert line.pop("made")["versions"]["torch"]
    path.write_text(json.dumps(line) + "\n")
    again = compare(words)
    assert len(quick) == 1
    assert "not recorded" in dict(again.table.parts[0].facts)["sizes"]
    assert again.table.parts[2].facts["command"].startswith("recbole-kd compare --models=BPR --dataset=board")
