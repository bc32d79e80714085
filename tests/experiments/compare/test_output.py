"""What stands in the tables."""

import csv
import io
import json

import pandas as pd
import pytest

from recbole_kd.experiments.compare.output import Table
from recbole_kd.experiments.results.row import Row, gap_closed, spread


def stage(ndcg: float, **values) -> dict:
    return {
        "model": "BPR",
        "test": {"recall@20": 0.5, "ndcg@20": ndcg, "mrr@50": 0.25},
        "parameters": 1234567,
        "inference_parameters": 2345678,
        "bytes": 4_500_000,
        "seconds_per_epoch": 1.234,
        "epochs": 7,
        "peak_memory": 512_000_000,
        "checkpoint": "a.pth",
        "latency": None,
        **values,
    }


@pytest.fixture
def table() -> Table:
    latency = {"1": 0.0361, "1024": 0.0306}
    other = {"seconds_per_epoch": 3.0, "epochs": 10, "peak_memory": 700_000_000}
    first = Row("BPR", "model", {1: stage(0.1, latency=latency), 2: stage(0.2, **other), 3: stage(0.3, **other)})
    alone = Row("RCEKD:BM3>BPR alone", "baseline", {1: stage(0.125, seconds_per_epoch=None, peak_memory=None)})
    test = {"difference": 0.01, "t_p": 0.012, "t_p_holm": 0.024, "wilcoxon_p": 0.0, "wilcoxon_p_holm": 0.0, "users": 9}
    notes = ["VBPR, seed 2020 failed: no"]
    return Table("2 models", [first, alone], {alone.label: test}, notes, {"reference": "BPR", "seeds": [1, 2, 3]})


def test_spread():
    assert spread([0.1, 0.2, 0.3]) == "0.2000 ± 0.1000"
    assert spread([0.12345]) == "0.1235"
    assert spread([]) == "–"


class TestGapClosed:
    def rows(self, **means: float) -> list[Row]:
        return [
            Row(role, role, {1: stage(mean - 0.05), 2: stage(mean + 0.05)}, run="r") for role, mean in means.items()
        ]

    def test_by_hand(self):
        other = Row("x", "teacher", {1: stage(9.0)}, run="another run")
        rows = [*self.rows(teacher=0.2, teacher2=0.3, baseline=0.1, student=0.25), other]
        shares = [gap_closed(rows, row, "ndcg@20") for row in rows]
        assert shares == [None, None, None, pytest.approx(0.75), None]

    @pytest.mark.parametrize(
        "means",
        [{"student": 0.2}, {"student": 0.2, "baseline": 0.1}, {"student": 0.2, "baseline": 0.3, "teacher": 0.3}],
        ids=["no other", "no teacher", "no better teacher"],
    )
    def test_no_gap(self, means):
        rows = self.rows(**means)
        assert gap_closed(rows, rows[0], "ndcg@20") is None

    def test_a_column_where_there_is_one(self):
        rows = self.rows(teacher=0.3, baseline=0.1, student=0.25)
        table = Table("", rows, {}, facts={"test_metric": "ndcg@20"})
        header, lines = table.cells()
        assert [line[header.index("gap closed")].text for line in lines] == ["–", "–", "75%"]
        assert table.frame()["gap_closed"].tolist()[2] == pytest.approx(0.75)
        assert "gap closed" not in Table("", rows[:1], {}, facts={"test_metric": "ndcg@20"}).cells()[0]


def test_csv_has_all_figures_unrounded(table):
    first, alone = csv.DictReader(io.StringIO(table.csv()))
    assert (first["label"], first["role"], first["model"], first["seeds"]) == ("BPR", "model", "BPR", "3")
    assert float(first["ndcg@20"]) == pytest.approx(0.2)
    assert float(first["ndcg@20_sd"]) == pytest.approx(0.1)
    assert (first["mrr@50"], first["mrr@50_sd"]) == ("0.25", "0.0")
    assert (first["parameters"], first["bytes"], first["peak_memory"]) == ("1234567", "4500000", "700000000")
    assert (first["seconds_per_epoch"], first["epochs"]) == ("3.0", "10.0")
    assert (first["ms_per_user_1"], first["ms_per_user_1024"]) == ("0.0361", "0.0306")
    assert first["t_p"] == first["users"] == alone["ndcg@20_sd"] == alone["peak_memory"] == alone["ms_per_user_1"] == ""
    assert (alone["t_p"], alone["t_p_holm"], alone["users"]) == ("0.012", "0.024", "9")


def test_markdown_is_a_readable_selection(table):
    text = table.markdown()
    lines = text.splitlines()
    assert lines[0] == "2 models"
    assert lines[-1] == "- VBPR, seed 2020 failed: no"
    (first,) = (line for line in lines if line.startswith("| BPR"))
    cells = [cell.strip() for cell in first.strip("|").split("|")]
    assert cells[:6] == ["BPR", "BPR", "0.5000 ± 0.0000", "0.2000 ± 0.1000", "–", "–"]
    assert cells[6:] == ["1,234,567", "2,345,678", "4.50", "3.00", "10", "700", "0.036", "0.0306"]
    (alone,) = (line for line in lines if line.startswith("| RCEKD:BM3>BPR alone"))
    cells = [cell.strip() for cell in alone.strip("|").split("|")]
    assert cells[2:6] == ["0.5000", "0.1250", "0.024", "< 1e-300"]
    assert cells[9] == cells[11] == cells[12] == "–"
    assert "mrr" not in text


def test_latex_compiles_as_it_stands(table):
    text = table.latex()
    assert text.startswith("% 2 models\n% VBPR, seed 2020 failed: no\n\\begin{tabular}")
    assert text.endswith("\\end{tabular}\n")
    assert r"0.2000 $\pm$ 0.1000" in text
    assert "RCEKD:BM3$>$BPR alone" in text
    assert text.isascii()
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {line.count("&") for line in body} == {13}


def test_files(table, tmp_path):
    paths = table.write(tmp_path / "out")
    assert [path.name for path in paths] == ["table.csv", "table.md", "table.tex", "table.json"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(path.name for path in paths)
    kept = json.loads(paths[-1].read_text())
    assert (kept["title"], kept["reference"], kept["seeds"]) == ("2 models", "BPR", [1, 2, 3])
    assert [row["label"] for row in kept["rows"]] == ["BPR", "RCEKD:BM3>BPR alone"]
    assert kept["rows"][1]["peak_memory"] is None
    assert kept["rows"][0]["peak_memory"] == 700_000_000
    read = pd.read_csv(paths[0])
    assert read["ndcg@20"].tolist() == pytest.approx([0.2, 0.125])


def test_a_failed_seed_is_left_out_of_one_row_only():
    row = Row("BPR", "model", {2: stage(0.2), 3: stage(0.4, test={"recall@20": 0.5})})
    assert row.metric("ndcg@20").tolist() == [0.2]
    assert row.checkpoints == ("a.pth", "a.pth")
    assert row.costs()["ms_per_user_1"] is None


def test_what_the_page_says(table):
    table.facts = {**table.facts, "dataset": "board", "test_metric": "ndcg@20"}
    text = table.page()
    assert text.facts == {
        "data set": "board",
        "seeds": "1, 2, 3",
        "tested against": "BPR",
        "tested metric": "ndcg@20",
    }
    assert text.notes[0] == "VBPR, seed 2020 failed: no"
    assert not any("same model" in note for note in text.notes)
    table.rows = [*table.rows, Row("again", "baseline", dict(table.rows[1].stages))]
    said = "again is the same model as RCEKD:BM3>BPR alone, by whose name the pictures show it."
    assert table.page().notes[1] == said
    assert [line[0].text for line in text.lines] == ["BPR", "RCEKD:BM3>BPR alone"]
    by_heading = [dict(zip(text.header, line, strict=True)) for line in text.lines]
    first, alone = by_heading
    assert (first["ndcg@20"].text, first["ndcg@20"].best, alone["ndcg@20"].best) == ("0.2000 ± 0.1000", True, False)
    assert first["ndcg@20"].value == pytest.approx(0.2)
    assert first["recall@20"].best
    assert alone["recall@20"].best
    assert (first["parameters"].text, first["parameters"].value) == ("1,234,567", 1234567)
    assert (alone["p (t)"].text, alone["p (t)"].value) == ("0.024", 0.024)
    assert (alone["peak, MB"].text, alone["peak, MB"].value) == ("–", None)
    assert (alone["model"].text, alone["model"].value) == ("BPR", None)
