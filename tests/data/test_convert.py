from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from recbole_kd.cli.convert import add_arguments, convert_as_told
from recbole_kd.data.convert import LAYOUTS, convert, published
from recbole_kd.foundation.errors import UserError


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    rows = "0\t0\t0\n0\t1\t1\n1\t2\t0\n1\t0\t2\n"
    (folder / "toy.inter").write_text("userID\titemID\tx_label\n" + rows)
    np.save(folder / "text_feat.npy", np.arange(8, dtype=np.float64).reshape(4, 2))
    return folder


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


class TestWritten:
    def test_files(self, source, tmp_path):
        folder = convert("mmrec", source, "new", tmp_path / "data" / "sets")
        assert folder == tmp_path / "data" / "sets" / "new"
        names = ["new.item_ids", "new.test.inter", "new.text.npy", "new.train.inter", "new.valid.inter", "new.yaml"]
        assert sorted(path.name for path in folder.iterdir()) == names
        assert [path.name for path in folder.parent.iterdir()] == ["new"]
        assert (folder / "new.train.inter").read_text() == "user_id:token\titem_id:token\n0\t0\n1\t2\n"
        assert (folder / "new.item_ids").read_text() == "0\n1\n2\n3\n"
        features = np.load(folder / "new.text.npy", allow_pickle=False)
        assert features.dtype == np.float32
        np.testing.assert_array_equal(features, np.arange(8).reshape(4, 2))
        settings = yaml.safe_load((folder / "new.yaml").read_text())
        assert settings["benchmark_filename"] == ["train", "valid", "test"]
        assert settings["load_col"] == {"inter": ["user_id", "item_id"]}
        assert settings["field_separator"] == "\t"
        assert (folder / "new.yaml").read_text().startswith("# Converted from mmrec layout, source.\n")

    def test_pairs_held_twice_are_written_once_and_shared_pairs_are_kept(self, source, tmp_path):
        (source / "toy.inter").write_text(
            "userID\titemID\tx_label\n" + "0\t0\t0\n0\t0\t0\n0\t1\t0\n0\t1\t1\n1\t0\t2\n0\t0\t2\n"
        )
        folder = convert("mmrec", source, "new", tmp_path)
        assert len(pd.read_csv(folder / "new.train.inter", sep="\t")) == 2
        comments = (folder / "new.yaml").read_text()
        assert "1 pairs that train held twice were written once" in comments
        assert "1 pairs are in both train and valid" in comments
        assert "1 pairs are in both train and test" in comments

    @pytest.mark.parametrize(("label", "split"), [(0, "train"), (1, "valid"), (2, "test")])
    def test_an_empty_split(self, source, tmp_path, label, split):
        lines = (source / "toy.inter").read_text().splitlines()
        (source / "toy.inter").write_text("\n".join(line for line in lines if not line.endswith(f"\t{label}")))
        with pytest.raises(UserError, match=f"the {split} split is empty"):
            convert("mmrec", source, "new", tmp_path / "out")
        assert not (tmp_path / "out").exists()


class TestTarget:
    @pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "-x", ".x", "a b", "ä", "x" * 101, "ml-100k"])
    def test_names(self, source, tmp_path, name):
        with pytest.raises(UserError, match="name"):
            convert("mmrec", source, name, tmp_path)

    def test_an_existing_data_set_stays_unless_overwritten(self, source, tmp_path):
        folder = convert("mmrec", source, "new", tmp_path)
        before = (folder / "new.train.inter").read_text()
        (source / "toy.inter").write_text("userID\titemID\tx_label\n3\t3\t0\n0\t1\t1\n1\t0\t2\n")
        with pytest.raises(UserError, match="--overwrite"):
            convert("mmrec", source, "new", tmp_path)
        assert (folder / "new.train.inter").read_text() == before
        convert("mmrec", source, "new", tmp_path, overwrite=True)
        assert (folder / "new.train.inter").read_text() != before
        assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "source"]

    def test_a_folder_with_other_files_is_not_replaced(self, source, tmp_path):
        folder = convert("mmrec", source, "new", tmp_path)
        (folder / "thesis.tex").touch()
        with pytest.raises(UserError, match=r"thesis\.tex"):
            convert("mmrec", source, "new", tmp_path, overwrite=True)

    def test_a_link_or_a_file_is_not_replaced(self, source, tmp_path):
        (tmp_path / "link").symlink_to(source)
        (tmp_path / "file").touch()
        for name in ("link", "file"):
            with pytest.raises(UserError, match="no plain folder"):
                convert("mmrec", source, name, tmp_path, overwrite=True)
        assert (source / "toy.inter").exists()

    def test_data_path_is_a_file(self, source, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(UserError, match="cannot be written"):
            convert("mmrec", source, "new", tmp_path / "file")

    @pytest.mark.parametrize("step", ["_write_matrix", "_yaml", "_sync"])
    def test_a_kill_at_any_step_leaves_nothing(self, source, tmp_path, monkeypatch, step):
        def kill(*_: object) -> None:
            raise KeyboardInterrupt

        out = tmp_path / "out"
        monkeypatch.setattr(f"recbole_kd.data.convert.writing.{step}", kill)
        with pytest.raises(KeyboardInterrupt):
            convert("mmrec", source, "new", out)
        assert list(out.iterdir()) == []

    def test_a_failure_while_replacing_keeps_the_old(self, source, tmp_path, monkeypatch):
        folder = convert("mmrec", source, "new", tmp_path)
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        rename = os.rename

        fails_once = iter([True])

        def rename_failing_once(old: Path, new: Path) -> None:
            if str(old).endswith(".part") and next(fails_once, False):
                raise OSError(28, "No space left on device")
            rename(old, new)

        monkeypatch.setattr(os, "rename", rename_failing_once)
        with pytest.raises(UserError, match="No space left"):
            convert("mmrec", source, "new", tmp_path, overwrite=True)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
        assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "source"]


class TestOptions:
    def test_unknown_layout(self, source, tmp_path):
        with pytest.raises(UserError, match="did you mean mmrec"):
            convert("mmrek", source, "new", tmp_path)

    def test_unknown_option(self, source, tmp_path):
        with pytest.raises(UserError, match=r"no option 'user_feild'.*did you mean user_field"):
            convert("mmrec", source, "new", tmp_path, user_feild="x")

    @pytest.mark.parametrize(
        ("layout", "options", "word"),
        [
            ("lightgcn", {"valid_ratio": 1.5}, "between 0.0 and 0.9"),
            ("lightgcn", {"valid_ratio": float("nan")}, "between"),
            ("lightgcn", {"seed": -1}, "at least 0"),
            ("lightgcn", {"seed": 1.5}, "must be int"),
            ("lightgcn", {"seed": True}, "must be int"),
            ("citeulike", {"split": "publisched"}, "random, published"),
            ("citeulike", {"text_dim": 0}, "at least 1"),
        ],
    )
    def test_values_are_checked_before_anything_is_read(self, tmp_path, layout, options, word):
        with pytest.raises(UserError, match=word):
            convert(layout, tmp_path / "absent", "new", tmp_path, **options)


class TestCommandLine:
    def test_summary(self, source, tmp_path, capsys):
        assert convert_as_told(parse("mmrec", str(source), "new", f"--data_path={tmp_path}")) == 0
        out = capsys.readouterr().out
        assert "users      2\n" in out
        assert "items      3 (1 only in valid or test, 1 more without interactions)" in out
        assert "2 / 1 / 1" in out
        assert "text 4 × 2" in out
        assert f"recbole-kd train --model=PromptMM --dataset=new --data_path={tmp_path}" in out

    def test_an_option_of_another_layout(self, source, tmp_path):
        with pytest.raises(UserError, match="layout mmrec has no option 'seed'"):
            convert_as_told(parse("mmrec", str(source), "new", f"--data_path={tmp_path}", "--seed=3"))

    def test_overwrite(self, source, tmp_path, capsys):
        words = ("mmrec", str(source), "new", f"--data_path={tmp_path}")
        convert_as_told(parse(*words))
        assert convert_as_told(parse(*words, "--overwrite")) == 0


class TestRealData:
    """The counts that the publishers and the papers give."""

    def run(self, layout: str, source: Path, tmp_path: Path, **options) -> dict[str, pd.DataFrame]:
        folder = convert(layout, source, "real", tmp_path, **options)
        return {split: pd.read_csv(folder / f"real.{split}.inter", sep="\t") for split in published.SPLITS}

    def counts(self, frames: dict[str, pd.DataFrame]) -> tuple[int, int, list[int]]:
        every = pd.concat(frames.values())
        return every.iloc[:, 0].nunique(), every.iloc[:, 1].nunique(), [len(frame) for frame in frames.values()]

    def test_tiktok(self, shared_data, tmp_path):
        frames = self.run("promptmm", shared_data / "tiktok", tmp_path)
        assert self.counts(frames) == (9308, 6710, [59541, 3051, 6130])
        assert (~frames["test"].iloc[:, 1].isin(frames["train"].iloc[:, 1])).sum() == 449
        audio = np.load(tmp_path / "real" / "real.audio.npy")
        assert audio.dtype == np.float32
        np.testing.assert_array_equal(audio, np.load(shared_data / "tiktok" / "audio_feat.npy").astype(np.float32))

    def test_lfm2k(self, shared_data, tmp_path):
        frames = self.run("mmrec", shared_data / "lfm2k" / "lfm2k.inter", tmp_path)
        assert self.counts(frames) == (1858, 1425, [44327, 4799, 7219])

    def test_gowalla(self, shared_data, tmp_path):
        users, items, (train, valid, test) = self.counts(self.run("lightgcn", shared_data / "gowalla", tmp_path))
        assert (users, items, train + valid, test) == (29858, 40981, 810128, 217242)
        assert 0.085 < valid / 810128 < 0.1

    @pytest.mark.parametrize(("split", "new"), [("random", 0.065), ("published", 0.735)])
    def test_citeulike(self, shared_data, tmp_path, split, new):
        frames = self.run("citeulike", shared_data / "citeulike-t", tmp_path, split=split, text_dim=8)
        users, items, sizes = self.counts(frames)
        assert (users, items, sum(sizes)) == (5219, 25181, 125580)
        unseen = ~frames["test"].iloc[:, 1].isin(frames["train"].iloc[:, 1])
        assert unseen.mean() == pytest.approx(new, abs=0.006)

    def test_nothing_is_written_into_the_source(self, shared_data, tmp_path):
        copy = tmp_path / "copy"
        shutil.copytree(shared_data / "lfm2k", copy)
        before = sorted(copy.iterdir())
        convert("mmrec", copy, "real", tmp_path)
        assert sorted(copy.iterdir()) == before


def test_layouts_are_named_as_they_are_registered():
    assert all(name == layout.name for name, layout in LAYOUTS.all().items())
    assert LAYOUTS.names() == {"promptmm", "mmrec", "lightgcn", "citeulike", "table"}
