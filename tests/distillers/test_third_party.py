"""The distiller that the documentation shows works as another package's would."""

import re
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch

from recbole_kd.distillers.base import Distiller
from recbole_kd.experiments.run import run
from recbole_kd.foundation.errors import UserError
from recbole_kd.registry import DISTILLERS
from tests.distillers.contract import QUIET

PAGE = Path(__file__).resolve().parents[2] / "docs" / "methods" / "own-distiller.md"


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """The page's example as a module of its own."""
    code = next(block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S) if "TopItems(" in block)
    assert len(code.splitlines()) < 30
    (tmp_path / "top_items.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)


def offer(monkeypatch, value: str) -> None:
    entry = EntryPoint("TopItems", value, "recbole_kd.distillers")
    monkeypatch.setattr(
        "recbole_kd.foundation.registry.entry_points", lambda group: [entry] if group == entry.group else []
    )


def test_found_by_its_entry_point(checkerboard, shown, monkeypatch):
    offer(monkeypatch, "top_items:TopItems")
    values = {**QUIET, "epochs": 3, "teacher": "LightGCN", "student": "BPR", "top_items_k": 4}
    result = run("TopItems", checkerboard, config_dict=values)
    assert result.stages[-1].history[0]["losses"].keys() == {"base", "top_items"}
    with pytest.raises(UserError, match="top_items_k=0 is not valid"):
        run("TopItems", checkerboard, config_dict={**values, "top_items_k": 0})
    with pytest.raises(UserError, match="TopItems needs a teacher and a student"):
        run("TopItems", checkerboard, config_dict=QUIET)


@pytest.mark.parametrize(
    ("value", "message"), [("absent:TopItems", "cannot be loaded"), ("math:pi", "is no subclass of")]
)
def test_a_broken_one_is_one_sentence(checkerboard, monkeypatch, value, message):
    offer(monkeypatch, value)
    with pytest.raises(UserError, match=message):
        run("TopItems", checkerboard, config_dict=QUIET)


def test_registered_in_this_process(checkerboard, shown, monkeypatch):
    from top_items import TopItems

    monkeypatch.setattr(DISTILLERS, "_registered", {})
    DISTILLERS.register("Mine", TopItems)
    values = {**QUIET, "epochs": 1, "teacher": "BPR", "student": "LightGCN"}
    assert run("Mine", checkerboard, config_dict=values).model == "Mine"


class Several(Distiller):
    """Pulls the student's scores of its batch towards the mean of its teachers'."""

    several_teachers = True

    def forward(self, student, batch):
        users, items = batch["user_id"], batch["item_id"].unsqueeze(1)
        wanted = torch.stack([teacher.scores.score(users, items) for teacher in self.teachers]).mean(dim=0)
        return {"several": (student.score(users, items) - wanted).square().mean()}


def test_several_teachers(checkerboard, monkeypatch):
    monkeypatch.setattr(DISTILLERS, "_registered", {"Several": Several})
    values = {**QUIET, "epochs": 1, "teacher": "BPR,LightGCN,BPR", "student": "BPR", "teacher_embedding_size": 4}
    result = run("Several", checkerboard, config_dict={**values, "teacher2_embedding_size": 8, "teacher3_seed": 7})
    assert [stage.name for stage in result.stages] == ["teacher", "teacher2", "teacher3", "student"]
    assert [stage.model for stage in result.stages] == ["BPR", "LightGCN", "BPR", "BPR"]
    assert [stage.parameters for stage in result.stages[:3]] == [66 * 4, 66 * 8, 66 * 4]
    assert result.stages[0].valid != result.stages[2].valid
