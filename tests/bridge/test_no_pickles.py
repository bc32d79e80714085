"""No key and no file in a folder makes RecBole open a pickle."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from recbole_kd.bridge.no_pickles import no_unpickling
from recbole_kd.cli import main
from recbole_kd.foundation.errors import UserError
from recbole_kd.registry import make_config
from tests.trained_once import train


class Evil:
    def __reduce__(self):
        return os.system, ("touch pwned",)


@pytest.mark.parametrize(
    ("key", "value", "instead"),
    [
        ("save_dataset", True, "the data set is read from its atomic files each time"),
        ("dataset_save_path", "a.pth", "the data set is read from its atomic files each time"),
        ("save_dataloaders", True, "finished stages are kept in checkpoint_dir"),
        ("dataloaders_save_path", "a.pth", "finished stages are kept in checkpoint_dir"),
    ],
)
def test_keys_that_ask_for_pickles_are_refused_before_anything_is_read(checkerboard, capsys, key, value, instead):
    Path("a.pth").write_bytes(pickle.dumps(Evil()))
    assert main(["train", "--model=BPR", "--dataset=board", f"--{key}={value}"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"recbole-kd: {key}={value} asks for a pickle, ")
    assert instead in line
    assert not Path("pwned").exists()


@pytest.mark.parametrize("key", ["save_dataset", "save_dataloaders", "dataset_save_path", "dataloaders_save_path"])
def test_a_key_that_asks_for_nothing(checkerboard, key):
    for value in (None, False):
        make_config(model="BPR", dataset="board", config_dict={key: value})


def test_pickles_that_lie_in_the_folder_of_checkpoints_are_not_looked_at(checkerboard):
    Path("saved").mkdir()
    for name in ("board-for-BPR-dataloader.pth", "board-Dataset.pth", "board-MultiModalDataset.pth"):
        Path("saved", name).write_bytes(pickle.dumps(Evil()))
    train("BPR")
    assert not Path("pwned").exists()


class TestWithin:
    def test_arrays(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        np.save("evil.npy", np.array([Evil()], object), allow_pickle=True)
        np.save("plain.npy", np.arange(3))
        before = np.load
        with no_unpickling():
            assert np.load("plain.npy", allow_pickle=True).tolist() == [0, 1, 2]
            assert np.load("plain.npy", "r", True).tolist() == [0, 1, 2]
            with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
                np.load("evil.npy", allow_pickle=True)
            with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
                np.load("evil.npy", None, True)
        assert np.load is before
        assert not Path("pwned").exists()

    @pytest.mark.parametrize("given", [{"weights_only": False}, {}, {"map_location": "cpu"}])
    def test_tensors(self, tmp_path, monkeypatch, given):
        monkeypatch.chdir(tmp_path)
        torch.save({"state_dict": Evil()}, "evil.pth")
        torch.save({"state_dict": {"a": torch.ones(2)}, "epoch": Path("x")}, "stock.pth")
        torch.save([1, torch.ones(2)], "plain.pth")
        before = torch.load
        with no_unpickling():
            assert torch.load("plain.pth", **given)[1].tolist() == [1, 1]
            assert torch.load("stock.pth", **given)["state_dict"]["a"].tolist() == [1, 1]
            with pytest.raises(UserError, match=r"holds no weights of a model|no checkpoint of a model"):
                torch.load("evil.pth", **given)
            with open("evil.pth", "rb") as stream, pytest.raises(pickle.UnpicklingError):
                torch.load(stream, **given)
        assert torch.load is before
        assert not Path("pwned").exists()
