"""Trained models of files, ours and stock RecBole's, and the data they are opened with."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from recbole.trainer import Trainer

from recbole_kd.bridge.checkpoint import load_checkpoint, save_state
from recbole_kd.cli import main
from tests.models.contract import build
from tests.trained_once import refused, said, train


class TestFiles:
    def test_checkpoints(self, bpr, capsys):
        assert "add --checkpoint=PATH" in refused(capsys, "--users=u1")
        assert "there is no checkpoint" in refused(capsys, "--users=u1", "--checkpoint=none.pth")
        whole = Path(bpr).read_bytes()
        for name, content in {"half": whole[: len(whole) // 2], "empty": b"", "text": b"weights"}.items():
            Path(name).write_bytes(content)
            assert name in refused(capsys, "--users=u1", f"--checkpoint={name}")
        torch.save({"state_dict": {}}, "none.pth")
        assert "holds no weights" in refused(capsys, "--users=u1", "--checkpoint=none.pth")


class TestOtherData:
    @pytest.mark.parametrize("model", ["BPR", "EASE"])
    @pytest.mark.parametrize(
        ("part", "row", "what", "how"),
        [
            ("test", "u1\ti99", "other items", "1 item is new here ('i99')"),
            ("test", "more\ti1", "other users", "1 user is new here ('more')"),
            ("train", "u1\ti2", "other training interactions", "280 there and 281 here"),
        ],
    )
    def test_a_data_set_that_changed(self, checkerboard, capsys, model, part, row, what, how):
        path = train(model)
        capsys.readouterr()
        with Path(f"dataset/board/board.{part}.inter").open("a") as stream:
            stream.write(row + "\n")
        line = refused(capsys, f"--checkpoint={path}", "--users=u1")
        assert f"was trained on {what} than the data set in dataset/board gives: {how}; give the folder" in line

    def test_the_same_items_in_another_order(self, bpr, capsys):
        file = Path("dataset/board/board.train.inter")
        header, *rows = file.read_text().splitlines()
        file.write_text("\n".join([header, *reversed(rows)]) + "\n")
        line = refused(capsys, f"--checkpoint={bpr}", "--users=u1")
        assert "the same 40 users in another order; the same 24 items in another order; give" in line

    def test_users_and_items_that_left(self, bpr, capsys):
        for file in Path("dataset/board").glob("board.*.inter"):
            header, *rows = file.read_text().splitlines()
            pairs = [row.split("\t") for row in rows]
            kept = [f"{user}\t{item}" for user, item in pairs if user not in ("u1", "u3", "u5", "u7") and item != "i2"]
            file.write_text("\n".join([header, *kept, "zoe\ti0"]) + "\n")
        line = refused(capsys, f"--checkpoint={bpr}", "--users=u2")
        assert "was trained on other users and items than the data set" in line
        users = line.partition("gives: ")[2].partition(";")[0]
        assert users.startswith("4 users are not here ('u")
        assert users.endswith(", …), 1 user is new here ('zoe')")
        assert "; 1 item is not here ('i2'); give the folder" in line

    @pytest.mark.parametrize("tokens", [None, {}, {"users": 3}, {"users": torch.zeros(9, dtype=torch.uint8)}])
    def test_a_checkpoint_that_does_not_name_them(self, bpr, capsys, tokens):
        state = load_checkpoint(bpr)
        assert state.pop("tokens").keys() == {"users", "items", "interactions"}
        save_state("older.pth", state if tokens is None else {**state, "tokens": tokens})
        assert said(capsys, "--checkpoint=older.pth", "--users=u1")
        with Path("dataset/board/board.test.inter").open("a") as stream:
            stream.write("more\ti1\n")
        line = refused(capsys, "--checkpoint=older.pth", "--users=u1")
        assert "was trained on other users than the data set in dataset/board gives; give the folder" in line

    def test_a_data_set_that_moved_or_lost_its_files(self, bpr, capsys):
        before = said(capsys, f"--checkpoint={bpr}", "--users=u1")
        Path("dataset").rename("moved")
        line = refused(capsys, f"--checkpoint={bpr}", "--users=u1")
        assert "trained on the data set 'board', and there is no folder dataset/board" in line
        assert said(capsys, f"--checkpoint={bpr}", "--users=u1", "--data_path=moved") == before
        Path("moved/board/board.test.inter").unlink()
        assert "there is no file" in refused(capsys, f"--checkpoint={bpr}", "--users=u1", "--data_path=moved")


@pytest.mark.parametrize(("key", "value"), [("embedding_size", 20_000_000), ("n_layers", 10**9)])
def test_claims_that_the_weights_deny_are_refused(checkerboard, capsys, key, value):
    state = torch.load(train("LightGCN"), weights_only=True)
    torch.save({**state, "config": {**state["config"], key: value}}, "claims.pth")
    assert f"says {key}={value}, for which its weights are too few" in refused(
        capsys, "--checkpoint=claims.pth", "--users=u1"
    )


class TestStockCheckpoints:
    def saved(self, model: str) -> str:
        made = build(model, "board", checkpoint_dir="stock")
        trainer = Trainer(made.config, made.model)
        trainer.best_valid_score = np.float32(0.5)
        trainer._save_checkpoint(3, verbose=False)
        return trainer.saved_model_file

    @pytest.mark.parametrize("model", ["BPR", "NeuMF", "EASE", "MultiVAE"])
    def test_needs_nothing_else(self, checkerboard, capsys, model):
        path = self.saved(model)
        assert main(["recommend", f"--checkpoint={path}", "--users=u1", "--topk=3"]) == 0
        captured = capsys.readouterr()
        assert "it does not name its data, so only sizes were compared" in captured.err
        assert len(json.loads(captured.out)["items"]) == 3
        assert said(capsys, f"--checkpoint={path}", "--users=u1", "--topk=3", f"--model={model}", "--dataset=board")

    def test_other_sizes(self, checkerboard, capsys):
        path = self.saved("BPR")
        with Path("dataset/board/board.test.inter").open("a") as stream:
            stream.write("u1\ti99\n")
        line = refused(capsys, f"--checkpoint={path}", "--users=u1")
        assert (
            "trained on other data than those in dataset/board: it was trained with 24 items, and here are 25" in line
        )
        assert "item_embedding.weight is 25 × 64, here 26 × 64" in line

    def test_our_matrices_of_other_sizes(self, checkerboard, capsys):
        state = load_checkpoint(train("EASE"))
        del state["data"]
        similarity = torch.tensor(np.asarray(state["other_parameter"].pop("item_similarity")))
        del state["other_parameter"]["interaction_matrix"]
        state["other_parameter"]["item_similarity"] = {"kind": "numpy array", "parts": similarity, "matrix": False}
        save_state("ease.pth", state)
        capsys.readouterr()
        with Path("dataset/board/board.test.inter").open("a") as stream:
            stream.write("u1\ti99\n")
        assert "do not fit EASE" in refused(capsys, "--checkpoint=ease.pth", "--users=u1")

    def test_without_names(self, bpr, capsys):
        state = load_checkpoint(bpr)
        expected = said(capsys, f"--checkpoint={bpr}", "--users=u1")
        save_state("bare.pth", {"state_dict": state["state_dict"]})
        assert "add --model=NAME" in refused(capsys, "--checkpoint=bare.pth", "--users=u1")
        words = ["--checkpoint=bare.pth", "--users=u1", "--model=BPR"]
        assert "add --dataset=NAME" in refused(capsys, *words)
        assert said(capsys, *words, "--dataset=board") == expected
