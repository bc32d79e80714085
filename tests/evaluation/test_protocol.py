"""Every table says how it ranks."""

import json
from pathlib import Path

import pytest

from recbole_kd.cli import main
from recbole_kd.evaluation.protocol import protocol_of, title_words
from recbole_kd.experiments.compare.command import compare


@pytest.mark.parametrize(
    ("mode", "mask", "words"),
    [
        ("full", "recbole", "test: full ranking, train + valid items masked; validation: "),
        ("full", "train", "test: full ranking, train items masked"),
        ("uni100", "recbole", "test: sampled: 100 uniform negatives an interaction"),
        ("pop1000", "recbole", "test: sampled: 1,000 negatives an interaction, by popularity"),
        ("labeled", "recbole", "test: labelled rows alone: nothing is ranked"),
        (
            {"valid": "uni50", "test": "full"},
            "train",
            "masked; validation: sampled: 50 uniform negatives",
        ),
    ],
)
def test_words(mode, mask, words):
    found = title_words({"eval_args": {"mode": mode}, "eval_mask": mask})
    assert words.removesuffix("; validation: ") in found
    assert ("validation" in found) == isinstance(mode, dict)
    assert protocol_of({}) == protocol_of({"eval_args": {"mode": "full"}})


def test_every_table_of_a_sampled_run_is_headed_so(checkerboard, capsys):
    words = ["--epochs=1", "--show_progress=false", "--topk=[3]", "--valid_metric=NDCG@3", "--metrics=[NDCG]"]
    words += ["--dataset=board", "--eval_args={mode: uni5}"]
    assert main(["train", "--model=BPR", "--result_file=result.json", "--report_dir=report", *words]) == 0
    printed, kept = capsys.readouterr().out, Path("report/table.md").read_text()
    for text in (printed, kept):
        assert "BPR on board, seed 2020, test: sampled: 5 uniform negatives an interaction" in text
        assert "test ndcg@3 (uni5)" in text
    result = json.loads(Path("result.json").read_text())
    assert result["ranking"]["test"] == {"mode": "uni5", "words": "sampled: 5 uniform negatives an interaction"}
    compare(["--models=BPR", "--report=false", "--out=out", *words])
    for kind in ("md", "tex", "json"):
        assert "sampled: 5 uniform negatives an interaction" in Path(f"out/table.{kind}").read_text()
    assert "ndcg@3 (uni5)" in Path("out/table.tex").read_text()
    header, line = Path("out/table.csv").read_text().splitlines()
    assert dict(zip(header.split(","), line.split(","), strict=True))["ranking"] == "uni5"
