"""Checkpoints of stock RecBole are read, and nothing in them, or in what pretends to be one, is run."""

import builtins
import contextlib
import copyreg
import os
import pickle
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from recbole.trainer import Trainer
from torch import nn

from recbole_kd.bridge.checkpoint import save_checkpoint
from recbole_kd.bridge.recbole_checkpoint import load_any_checkpoint
from recbole_kd.foundation.errors import UserError
from tests.models.contract import build


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def saved(model: str, dataset: str, as_ours: bool = False):
    """An untrained model, and the checkpoint that RecBole's own trainer writes of it."""
    made = build(model, dataset, checkpoint_dir="saved")
    made.config["best"] = np.float64(0.25)
    made.config["odd"] = [1, object, {"a": np.array([1.0])}]
    trainer = Trainer(made.config, made.model)
    trainer.best_valid_score = np.float32(0.5)
    if as_ours:
        save_checkpoint(trainer.saved_model_file, made.model, made.config.final_config_dict, epoch=3)
    else:
        trainer._save_checkpoint(3, verbose=False)
    return made, Path(trainer.saved_model_file)


class TestStock:
    @pytest.mark.parametrize("model", ["BPR", "NeuMF", "LightGCN", "MultiVAE"])
    def test_weights_and_values(self, checkerboard, model):
        made, path = saved(model, checkerboard)
        with pytest.raises(pickle.UnpicklingError):
            torch.load(path, weights_only=True)
        state = load_any_checkpoint(path)
        expected = made.model.state_dict()
        assert list(state["state_dict"]) == list(expected)
        assert all(torch.equal(value, expected[name]) for name, value in state["state_dict"].items())
        assert (state["epoch"], state["best_valid_score"]) == (3, 0.5)
        config = state["config"]
        assert (config["model"], config["dataset"], config["seed"]) == (model, checkerboard, made.config["seed"])
        assert (config["best"], config["topk"], config["device"]) == (0.25, made.config["topk"], "cpu")
        assert "MODEL_TYPE" not in config  # an enum
        assert config["odd"] == [1, {}]
        again = build(model, checkerboard, seed=1).model
        again.load_state_dict(state["state_dict"])
        again.load_other_parameter(state["other_parameter"])

    def test_ours(self, checkerboard):
        made, path = saved("BPR", checkerboard, as_ours=True)
        state = load_any_checkpoint(path)
        assert state["config"]["model"] == "BPR"
        assert state["epoch"] == 3
        assert all(torch.equal(value, made.model.state_dict()[name]) for name, value in state["state_dict"].items())

    def test_what_is_kept_beside_the_weights(self, folder):
        other = {
            "kept": torch.ones(2),
            "restore_user_e": torch.ones(2),
            "matrix": sp.eye(3),
            "n": np.int64(3),
            "x": None,
        }
        torch.save({"config": Odd(), "state_dict": nn.Linear(1, 2).state_dict(), "other_parameter": other}, "m.pth")
        found = load_any_checkpoint("m.pth")["other_parameter"]
        assert found.pop("kept").tolist() == [1, 1]
        assert found == {"restore_user_e": None, "n": 3, "x": None}

    def test_tensors_of_every_form(self, folder):
        table = torch.arange(6.0).view(2, 3)
        tensors = {
            **{"whole": table, "turned": table.T, "row": table[1], "shared": table[:, 1:], "none": torch.zeros(0, 3)},
            **{"half": table.half(), "bf16": table.bfloat16(), "long": table.long(), "bool": table > 1},
            **{"scalar": torch.tensor(3.0), "parameter": nn.Parameter(table)},
        }
        for protocol in (2, 3, 4, 5):
            torch.save({"config": Odd(), "state_dict": OrderedDict(tensors)}, "m.pth", pickle_protocol=protocol)
            found = load_any_checkpoint("m.pth")["state_dict"]
            assert all(torch.equal(found[name], value) for name, value in tensors.items())
            assert all(found[name].dtype == value.dtype for name, value in tensors.items())
            assert found["whole"].untyped_storage().data_ptr() == found["shared"].untyped_storage().data_ptr()


class Odd:
    """What only a reader that knows this class, or imports nothing, can read."""


class Calls:
    """Pickles as a call of ``function``, and sets ``state`` on the result."""

    def __init__(self, function, *args, state=None):
        self.call = (function, args) if state is None else (function, args, state)

    def __reduce__(self):
        return self.call

    def __call__(self):
        """What is called must look callable when it is pickled."""


class Evil(nn.Linear):
    def __reduce__(self):
        return os.system, ("touch pwned",)


ATTACKS = {
    "system": lambda: Calls(os.system, "touch pwned"),
    "eval": lambda: Calls(builtins.eval, "open('pwned', 'w')"),
    "exec": lambda: Calls(builtins.exec, "open('pwned', 'w')"),
    "open": lambda: Calls(open, "pwned", "w"),
    "popen": lambda: Calls(subprocess.Popen, "touch pwned"),
    "getattr": lambda: Calls(Calls(getattr, Calls(__import__, "os"), "system"), "touch pwned"),
    "import": lambda: Calls(__import__, "recbole_kd_pwned"),
    "torch": lambda: Calls(torch._utils._rebuild_device_tensor_from_numpy, Calls(os.system, "touch pwned"), 1, 2, 3),
    "torch load": lambda: Calls(torch.load, "evil.pth"),
    "hooks": lambda: Calls(
        torch._utils._rebuild_tensor_v2,
        torch.ones(2)._typed_storage(),
        0,
        (2,),
        (1,),
        False,
        Calls(os.system, "touch pwned"),
    ),
    "state": lambda: Calls(object, state={"__class__": Calls(os.system, "touch pwned")}),
    "state of a class": lambda: Calls(getattr, Calls(OrderedDict, state={"__reduce__": os.system}), "x"),
    "reconstructor": lambda: Calls(copyreg._reconstructor, subprocess.Popen, object, Calls(os.system, "touch pwned")),
}


@pytest.fixture
def pwnable(folder) -> Path:
    """A folder with modules that say so when they are imported."""
    (folder / "recbole_kd_pwned.py").write_text("open('pwned', 'w')")
    sys.path.insert(0, str(folder))
    torch.save(Evil(1, 1), "evil.pth")
    yield folder
    sys.path.remove(str(folder))
    assert not Path("pwned").exists()
    assert "recbole_kd_pwned" not in sys.modules


class TestMalice:
    @pytest.mark.parametrize("name", ATTACKS)
    @pytest.mark.parametrize("place", ["config", "state_dict", "weight", "other", "key", "all"])
    @pytest.mark.parametrize("protocol", [2, 4])
    def test_nothing_is_run(self, pwnable, name, place, protocol):
        attack = ATTACKS[name]()
        weights = nn.Linear(2, 2).state_dict()
        state = {"config": Odd(), "state_dict": weights, "other_parameter": {}}
        if place in ("config", "state_dict"):
            state[place] = attack
        elif place == "weight":
            weights["more"] = attack
        elif place == "other":
            state["other_parameter"] = {"x": attack, "y": [attack]}
        elif place == "key":
            state[attack] = attack
        torch.save(attack if place == "all" else state, "m.pth", pickle_protocol=protocol)
        with contextlib.suppress(UserError):
            found = load_any_checkpoint("m.pth")
            assert all(torch.is_tensor(value) for value in found["state_dict"].values())
            assert place in ("config", "other", "key") or name == "hooks"

    @pytest.mark.parametrize("name", ATTACKS)
    def test_the_format_of_old_is_refused(self, pwnable, name):
        state = {"config": ATTACKS[name](), "state_dict": nn.Linear(2, 2).state_dict()}
        torch.save(state, "m.pth", _use_new_zipfile_serialization=False)
        with pytest.raises(UserError, match=r"^m\.pth is in the format of PyTorch before 1\.6; save it again with"):
            load_any_checkpoint("m.pth")
        Path("m.pth").write_bytes(pickle.dumps(state["config"]))
        with pytest.raises(UserError, match="is not a whole checkpoint"):
            load_any_checkpoint("m.pth")

    @pytest.mark.parametrize(
        "size", [((3,), (1,), 0), ((2,), (1,), 1), ((2,), (1,), -1), ((2,), (-1,), 1), ((2**40,), (1,), 0)]
    )
    def test_a_tensor_beyond_its_bytes(self, folder, size):
        shape, stride, offset = size
        tensor = Calls(
            torch._utils._rebuild_tensor_v2, torch.ones(2)._typed_storage(), offset, shape, stride, False, {}
        )
        torch.save({"config": Odd(), "state_dict": {"w": tensor}}, "m.pth")
        with pytest.raises(UserError, match="is cut short or no checkpoint of a model"):
            load_any_checkpoint("m.pth")

    def test_a_config_that_never_ends(self, folder):
        wide: list = []
        for _ in range(60):
            wide = [wide, wide]
        deep: dict = {}
        deep["deep"] = deep
        for config in (wide, deep):
            torch.save({"config": {"x": config}, "state_dict": nn.Linear(1, 1).state_dict(), "odd": Odd()}, "m.pth")
            with pytest.raises(UserError, match="is cut short or no checkpoint of a model"):
                load_any_checkpoint("m.pth")

    @pytest.mark.parametrize(
        "opcodes",
        [
            b"csubprocess\nPopen\n(X\x0b\0\0\0touch pwnedt\x81.",  # NEWOBJ
            b"csubprocess\nPopen\n(X\x0b\0\0\0touch pwnedt}\x92.",  # NEWOBJ_EX
            b"(S'touch pwned'\nios\nsystem\n.",  # INST
            b"(cos\nsystem\nX\x0b\0\0\0touch pwnedo.",  # OBJ
            b"\x8c\x02os\x8c\x06system\x93X\x0b\0\0\0touch pwned\x85R.",  # STACK_GLOBAL
            b"\x8c\x10recbole_kd_pwned\x8c\x01a\x93.",
            b"\x8c\x05torch\x8c\x0cos.getcwd.__\x93)R.",  # a dotted name
            b"ccollections\nOrderedDict\n}X\x0a\0\0\0__reduce__K\x01sb.",  # BUILD on a class
            b"ccollections\nOrderedDict\nN}X\x0a\0\0\0__reduce__K\x01s\x86b.",
            b"(X\x07\0\0\0storagecos\nsystem\ntQ.",  # BINPERSID
            b"Ptouch pwned\n.",  # PERSID
            b"\x82\x01.",  # EXT1
        ],
    )
    def test_opcodes_that_no_pickler_writes(self, pwnable, opcodes):
        with zipfile.ZipFile("m.pth", "w") as archive:
            archive.writestr("m/data.pkl", b"\x80\x04" + opcodes)
        with pytest.raises(UserError, match=r"holds no weights of a model|is cut short or no checkpoint of a model"):
            load_any_checkpoint("m.pth")

    def test_a_memo_index_of_billions(self, folder):
        with zipfile.ZipFile("m.pth", "w") as archive:
            archive.writestr("m/data.pkl", b"\x80\x02}r\xff\xff\xff\x7f.")
        with pytest.raises(UserError, match="is cut short or no checkpoint of a model"):
            load_any_checkpoint("m.pth")


class TestDamage:
    def test_a_missing_or_empty_file(self, folder):
        with pytest.raises(UserError, match=r"^there is no checkpoint at m\.pth$"):
            load_any_checkpoint("m.pth")
        Path("m.pth").write_bytes(b"")
        with pytest.raises(UserError, match=r"^m\.pth is not a whole checkpoint; copy it again$"):
            load_any_checkpoint("m.pth")

    def test_a_file_cut_short_anywhere(self, checkerboard):
        _, path = saved("BPR", checkerboard)
        whole = path.read_bytes()
        for length in (1, 2, 30, 100, len(whole) // 2, len(whole) - 100, len(whole) - 1):
            path.write_bytes(whole[:length])
            with pytest.raises(UserError, match=r"is not a whole checkpoint|is cut short"):
                load_any_checkpoint(path)

    def test_damaged_bytes_never_escape_as_another_error(self, checkerboard):
        _, path = saved("BPR", checkerboard)
        whole = path.read_bytes()
        for place in range(0, len(whole), len(whole) // 150):
            damaged = bytearray(whole)
            damaged[place] ^= 0xFF
            path.write_bytes(damaged)
            with contextlib.suppress(UserError):
                load_any_checkpoint(path)

    @pytest.mark.parametrize("value", [torch.ones(2), {}, {"state_dict": {}}, {"state_dict": {"w": 1}}, [1], Odd()])
    def test_other_things_that_torch_saves(self, folder, value):
        torch.save(value, "m.pth")
        with pytest.raises(UserError, match=r"holds no weights of a model|is cut short or no checkpoint of a model"):
            load_any_checkpoint("m.pth")

    def test_other_archives(self, folder):
        with zipfile.ZipFile("m.pth", "w") as archive:
            archive.writestr("word/document.xml", "hello")
        with pytest.raises(UserError, match="is cut short or no checkpoint of a model"):
            load_any_checkpoint("m.pth")
