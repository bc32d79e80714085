"""The command ``recommend``: what it prints, where it writes, what it refuses."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from recbole_kd.bridge.checkpoint import load_checkpoint, save_state
from recbole_kd.cli import main
from recbole_kd.serving.list_formats import write_lists
from recbole_kd.serving.recommend import Listed, Recommendation, recommend
from tests.processes import ROOT, python
from tests.trained_once import refused, said

EVERYONE = [f"u{user}" for user in range(40)]


class TestFormats:
    def test_json(self, bpr, capsys):
        lines = said(capsys, f"--checkpoint={bpr}", "--users=u3,u1", "--topk=4").splitlines()
        for line, found in zip(lines, recommend(bpr, ["u3", "u1"], topk=4), strict=True):
            assert json.loads(line) == {
                "user": found.user,
                "items": [
                    {"rank": rank, "item": item, "score": score} for rank, (item, score) in enumerate(found.items, 1)
                ],
            }

    def test_csv(self, bpr, capsys):
        Path("users.txt").write_text("u3\r\nu1\n\n")
        printed = said(capsys, f"--checkpoint={bpr}", "--users=@users.txt", "--topk=4", "--format=csv")
        rows = list(csv.reader(printed.splitlines()))
        assert rows[0] == ["user", "rank", "item", "score"]
        expected = [
            (found.user, rank, *listed)
            for found in recommend(bpr, ["u3", "u1"], topk=4)
            for rank, listed in enumerate(found.items, 1)
        ]
        assert [(user, int(rank), item, float(score)) for user, rank, item, score in rows[1:]] == expected

    def test_table(self, bpr, capsys):
        printed = said(capsys, f"--checkpoint={bpr}", "--users=u3,u1", "--topk=4", "--format=table")
        tables = [table.splitlines() for table in printed.split("\n\n")]
        for lines, found in zip(tables, recommend(bpr, ["u3", "u1"], topk=4), strict=True):
            assert lines[0] == f"user {found.user}"
            assert lines[1].split() == ["rank", "item", "score"]
            rows = [line.split() for line in lines[3:]]
            assert [(int(rank), item) for rank, item, _ in rows] == list(
                enumerate((item for item, _ in found.items), 1)
            )
            assert [float(row[2]) for row in rows] == pytest.approx([score for _, score in found.items], rel=1e-3)

    def test_a_terminal_gets_a_table_of_few(self, bpr, capsys, monkeypatch):
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)
        assert said(capsys, f"--checkpoint={bpr}", "--users=u1").startswith("user u1\n")
        many = said(capsys, f"--checkpoint={bpr}", f"--users={','.join(EVERYONE)}")
        assert len([json.loads(line) for line in many.splitlines()]) == 40
        assert "--output=FILE" in refused(capsys, f"--checkpoint={bpr}", "--users=all")

    @pytest.mark.parametrize("teacher", [None, (Listed("\x9b2J", 1.0),)])
    def test_a_table_obeys_no_name(self, teacher):
        found = Recommendation("\x1b[31mu", (Listed("i\n\x1b]0;x\x07é", 1.0),), teacher)
        stream = io.StringIO()
        write_lists([found], stream, "table", teacher is not None)
        assert "user \\x1b[31mu" in stream.getvalue()
        assert "i\\n\\x1b]0;x\\x07é" in stream.getvalue()
        assert stream.getvalue().replace("\n", "").isprintable()
        for style in ("json", "csv"):
            stream = io.StringIO(newline="")
            write_lists([found], stream, style, teacher is not None)
            kept = next(iter(csv.DictReader(io.StringIO(stream.getvalue(), newline="")))) if style == "csv" else None
            assert (kept or json.loads(stream.getvalue()))["user"] == found.user

    def test_a_sentence_obeys_no_name(self, bpr, capsys):
        folder = "\x1b[31mred"
        assert "\\x1b[31mred" in refused(capsys, f"--checkpoint={bpr}", "--users=u1", f"--new_items={folder}")

    def test_what_was_used_is_on_stderr(self, bpr, capsys):
        assert main(["recommend", f"--checkpoint={bpr}", "--users=u1"]) == 0
        folder = Path("dataset/board").resolve()
        assert capsys.readouterr().err == f"BPR of {bpr}, data set in {folder}\n"


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


class TestOutput:
    @pytest.mark.parametrize("style", ["json", "csv"])
    def test_all_users(self, bpr, capsys, style):
        words = [f"--checkpoint={bpr}", "--users=all", f"--format={style}"]
        printed = said(capsys, *words)
        assert main(["recommend", *words, "--output=out/lists"]) == 0
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "40/40" in captured.err  # the progress bar
        assert Path("out/lists").read_text() == printed
        assert main(["recommend", *words, "--output=out/lists", "--show_progress=false"]) == 0
        assert "40/40" not in capsys.readouterr().err

    def test_a_failure_leaves_what_was_there(self, bpr, capsys, monkeypatch):
        state = load_checkpoint(bpr)
        state["state_dict"]["user_embedding.weight"][-1] = float("nan")
        save_state("nan.pth", state)
        monkeypatch.setattr("recbole_kd.ops.blocks.SCORES_AT_ONCE", 25)
        Path("out").mkdir()
        Path("out/lists").write_text("before")
        assert main(["recommend", "--checkpoint=nan.pth", "--users=all", "--output=out/lists"]) == 2
        assert "hold NaN" in capsys.readouterr().err
        assert [(path.name, path.read_text()) for path in Path("out").iterdir()] == [("lists", "before")]

    def test_a_kill_leaves_what_was_there(self, bpr):
        code = (
            "import sys, time; from recbole_kd.cli import main; from recbole_kd.serving import recommend\n"
            "from recbole_kd.ops import blocks\n"
            "blocks.SCORES_AT_ONCE = 25; best = recommend.Recommender._best\n"
            "def slow(*args):\n    print('block', file=sys.stderr, flush=True); time.sleep(0.2); return best(*args)\n"
            "recommend.Recommender._best = slow\n"
            f"main(['recommend', '--checkpoint={bpr}', '--users=all', '--output=lists', '--show_progress=false'])"
        )
        command = [sys.executable, "-W", "ignore", "-c", code]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment())
        seen = 0
        while seen < 3:
            line = process.stderr.readline()
            assert line, "it ended before it was killed"
            seen += line == "block\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stderr.close()
        assert not Path("lists").exists()

    def test_a_folder_is_no_file(self, bpr, capsys):
        Path("folder").mkdir()
        assert main(["recommend", f"--checkpoint={bpr}", "--users=u1", "--output=folder"]) == 2
        assert "recbole-kd: output=folder is a folder" in capsys.readouterr().err


class TestRefusals:
    @pytest.mark.parametrize(
        ("words", "says"),
        [
            (["--users=u1,u41,zz"], "there is no user 'u41' in the data set in /"),
            (["--users=u41"], "did you mean u4"),
            (["--users=[PAD]"], "there is no user '[PAD]'"),
            (["--users=u1", "--topk=25"], "topk=25 must be from 1 to the 24 items of board"),
            (["--users=u1", "--topk=0"], "topk=0 is not valid"),
            (["--users=u1", "--format=xml"], "format='xml' is not valid"),
            (["--users=u1", "--model=LightGCN"], "was trained with model=BPR, not LightGCN"),
            (["--users=u1", "--dataset=bord"], "was trained with dataset=board, not bord"),
            (["--users=u1", "--data_path=elsewhere"], "there is no folder elsewhere/board; give"),
            (["--users=u1", "--embedding_size=8"], "user_embedding.weight is 41 × 64, here 41 × 8"),
            (["--users=u1", "--embeding_size=8"], "did you mean embedding_size"),
            (["--users=u1", "seed=3"], "write it as --key=value"),
            (["--users=@none.txt"], "cannot read the users in none.txt"),
            (["--users=,"], "names no user"),
            ([], "no users are given; add --users=TOKENS"),
        ],
    )
    def test_one_sentence(self, bpr, capsys, words, says):
        assert says in refused(capsys, f"--checkpoint={bpr}", *words)

    def test_skip_unknown(self, bpr, capsys):
        words = [f"--checkpoint={bpr}", "--skip_unknown=true"]
        assert main(["recommend", *words, "--users=zz,u1,yy"]) == 0
        captured = capsys.readouterr()
        assert [json.loads(line)["user"] for line in captured.out.splitlines()] == ["u1"]
        assert "recbole-kd: warning: skipped 2 unknown users, the first is 'zz'" in captured.err
        assert said(capsys, *words, "--users=zz") == ""


class TestProcess:
    def test_stdout_holds_only_the_result(self, bpr):
        done = python("-m", "recbole_kd", "recommend", f"--checkpoint={bpr}", "--users=all", "--topk=2")
        assert done.returncode == 0, done.stderr
        assert len([json.loads(line) for line in done.stdout.splitlines()]) == 40
        assert "40/40" in done.stderr

    def test_help(self, capsys):
        assert main(["recommend", "--help"]) == 0
        assert "--checkpoint=PATH" in capsys.readouterr().out
