"""Checkpoints of plain values: what goes in comes out, and reading one runs nothing."""

import contextlib
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import nn

from recbole_kd.bridge.checkpoint import load_checkpoint, plain_values, save_checkpoint
from recbole_kd.bridge.checkpoint_schema import Damaged
from recbole_kd.bridge.recbole_checkpoint import load_any_checkpoint
from recbole_kd.foundation.errors import UserError


class Model(nn.Module):
    """As much of RecBole's contract as a checkpoint needs."""

    def __init__(self, **other):
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.other = other

    def other_parameter(self):
        return self.other


class Evil:
    def __reduce__(self):
        return os.system, ("touch pwned",)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_round_trip(folder):
    model = Model()
    optimizer = torch.optim.Adam(model.parameters())
    model.layer(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    config = {"seed": 1, "device": torch.device("cpu"), "a": {"b": (1, 2.5, None)}, "n": np.float32(0.5)}
    save_checkpoint("a/model.pth", model, config, optimizer=optimizer.state_dict(), epoch=3, record={"x": [1.5]})
    state = load_checkpoint("a/model.pth")
    assert state["config"] == {"seed": 1, "device": "cpu", "a": {"b": [1, 2.5, None]}, "n": 0.5}
    assert (state["epoch"], state["record"]) == (3, {"x": [1.5]})
    assert all(torch.equal(value, state["state_dict"][name]) for name, value in model.state_dict().items())
    torch.optim.Adam(Model().parameters()).load_state_dict(state["optimizer"])


def test_what_recbole_models_keep_beside_parameters(folder):
    """EASE, ItemKNN and their kin keep NumPy and SciPy matrices there."""
    dense = np.arange(6.0).reshape(2, 3)
    sparse = sp.csr_matrix(np.eye(3, dtype=np.float32))
    save_checkpoint("m.pth", Model(dense=dense, sparse=sparse, lil=sp.lil_matrix(np.eye(2)), count=np.int64(3)), {})
    other = load_checkpoint("m.pth")["other_parameter"]
    np.testing.assert_array_equal(other["dense"], dense)
    assert sp.isspmatrix_csr(other["sparse"])
    assert other["sparse"].dtype == np.float32
    assert (other["sparse"] != sparse).nnz == 0
    assert other["lil"].format == "lil"
    assert other["count"] == 3


def test_cached_embeddings_are_made_again(folder):
    save_checkpoint("m.pth", Model(restore_user_e=torch.ones(2), kept=torch.ones(2)), {})
    other = load_checkpoint("m.pth")["other_parameter"]
    assert other["restore_user_e"] is None
    assert other["kept"].tolist() == [1, 1]


def test_stock_torch_reads_it_without_trust(folder):
    save_checkpoint("m.pth", Model(matrix=sp.csr_matrix(np.eye(3))), {"any": object()})
    assert set(torch.load("m.pth", weights_only=True)) == {"config", "state_dict", "other_parameter", "sha256"}


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("as_zip", [True, False])
def test_a_malicious_file_is_refused_and_runs_nothing(folder, protocol, as_zip):
    if as_zip:
        torch.save({"state_dict": Evil()}, "m.pth", pickle_protocol=max(protocol, 2))
    else:
        Path("m.pth").write_bytes(pickle.dumps(Evil(), protocol=protocol))
    with pytest.raises(UserError, match=r"^m\.pth (holds Python objects|is not a whole checkpoint)"):
        load_checkpoint("m.pth")
    assert not Path("pwned").exists()


def test_a_missing_file(folder):
    for path in ("none.pth", "."):
        with pytest.raises(UserError, match="there is no checkpoint at"):
            load_checkpoint(path)


def test_a_file_cut_short_anywhere_is_one_sentence(folder):
    save_checkpoint("m.pth", Model(), {})
    whole = Path("m.pth").read_bytes()
    for length in (0, 1, 2, 4, 30, 100, len(whole) // 2, len(whole) - 1):
        Path("m.pth").write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"^m\.pth is not a whole checkpoint; delete it$"):
            load_checkpoint("m.pth")


@pytest.mark.parametrize("content", [b"hello world\n" * 9, b"\0" * 99, pickle.dumps({"a": 1})])
def test_other_files_are_one_sentence(folder, content):
    Path("m.pth").write_bytes(content)
    with pytest.raises(UserError, match="is not a whole checkpoint"):
        load_checkpoint("m.pth")


def test_damaged_bytes_never_escape_as_another_error(folder):
    save_checkpoint("m.pth", Model(), {"seed": 1})
    whole = Path("m.pth").read_bytes()
    for place in range(0, len(whole), 61):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        Path("m.pth").write_bytes(damaged)
        with contextlib.suppress(UserError):  # some damage is inside a tensor, and shows as other numbers
            load_checkpoint("m.pth")


def test_a_tensor_alone_is_no_checkpoint(folder):
    torch.save(torch.ones(2), "m.pth")
    with pytest.raises(UserError, match="holds a Tensor"):
        load_checkpoint("m.pth")


def test_plain_values():
    value = {1: (np.int64(2), {3}), "t": torch.float32, "b": np.bool_(True), "n": None}
    assert plain_values(value) == {"1": [2, [3]], "t": "torch.float32", "b": True, "n": None}


class TestDamage:
    """What is in a file is what was written, or the file is refused."""

    def test_every_changed_byte_of_a_value_is_found(self, folder):
        save_checkpoint("m.pth", Model(kept=torch.ones(3)), {"seed": 1})
        whole = Path("m.pth").read_bytes()
        expected = load_checkpoint("m.pth")
        for place in range(0, len(whole), 7):
            damaged = bytearray(whole)
            damaged[place] ^= 0xFF
            Path("m.pth").write_bytes(damaged)
            found = expected
            with contextlib.suppress(UserError):
                found = load_checkpoint("m.pth")
            assert repr(found) == repr(expected)  # a byte between the parts changes nothing

    @pytest.mark.parametrize(
        "change",
        [
            lambda state: state["state_dict"]["layer.weight"].add_(1),
            lambda state: state["state_dict"].update({"layer.weight": state["state_dict"]["layer.weight"].T}),
            lambda state: state["state_dict"].update({"layer.bias": state["state_dict"]["layer.bias"].double()}),
            lambda state: state["state_dict"].pop("layer.bias"),
            lambda state: state["other_parameter"]["kept"].mul_(2),
            lambda state: state.update(sha256="0" * 64),
        ],
    )
    def test_the_checksum_is_of_these_tensors(self, folder, change):
        save_checkpoint("m.pth", Model(kept=torch.ones(3)), {})
        state = torch.load("m.pth", weights_only=True)
        change(state)
        torch.save(state, "m.pth")
        for read in (load_checkpoint, load_any_checkpoint):
            with pytest.raises(Damaged, match=r"^m\.pth is damaged: the checksum is of other tensors; copy it again"):
                read("m.pth")

    @pytest.mark.parametrize(
        ("values", "place"),
        [
            ({"epoch": "3"}, "epoch"),
            ({"epoch": -2}, "epoch"),
            ({"best_valid_score": "high"}, "best_valid_score"),
            ({"other_parameter": [1]}, "other_parameter"),
            ({"config": "BPR"}, "config"),
            ({"record": [1]}, "record"),
            ({"data": {"version": "0.1.0"}}, "data.dataset"),
            ({"per_user": {"hits": 3}}, "per_user.hits"),
            ({"sha256": 7}, "sha256"),
        ],
    )
    def test_values_of_other_types(self, folder, values, place):
        torch.save({"state_dict": Model().state_dict(), "other_parameter": {}, "config": {}} | values, "m.pth")
        with pytest.raises(Damaged, match=rf"^m\.pth is damaged: {place} is not what a checkpoint holds \("):
            load_checkpoint("m.pth")

    @pytest.mark.parametrize("size", [2, 500, 2**40])
    def test_a_tensor_larger_than_what_the_file_holds_of_it(self, folder, size):
        torch.save({"state_dict": {"w": torch.ones(1).expand(size)}, "sha256": "0" * 64}, "m.pth")
        with pytest.raises(Damaged, match=r"state_dict\.w has more values than the file holds"):
            load_checkpoint("m.pth")

    def test_repeated_values_are_written_one_by_one(self, folder):
        model = Model()
        model.register_buffer("same", torch.ones(1).expand(500))
        save_checkpoint("m.pth", model, {})
        assert torch.equal(load_checkpoint("m.pth")["state_dict"]["same"], torch.ones(500))

    @pytest.mark.parametrize(
        "value",
        [
            torch.eye(3).to_sparse(),
            torch.eye(3).to_sparse_csr(),
            torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
            torch.quantize_per_tensor(torch.ones(3), 1.0, 0, torch.qint8),
            torch.imag(torch.view_as_complex(torch.ones(3, 2)).conj()),
            torch.zeros(3, dtype=torch.complex64),
        ],
    )
    def test_weights_that_are_no_dense_numbers(self, folder, value):
        torch.save({"state_dict": {"w": value}}, "m.pth")
        with pytest.raises(Damaged, match=r"state_dict\.w is no dense tensor of real numbers"):
            load_any_checkpoint("m.pth")

    def test_a_matrix_that_is_none(self, folder):
        save_checkpoint("m.pth", Model(sparse=sp.csr_matrix(np.eye(3))), {})
        state = torch.load("m.pth", weights_only=True)
        state["other_parameter"]["sparse"]["shape"] = [1, 1]
        torch.save(state, "m.pth")
        with pytest.raises(Damaged, match=r"other_parameter holds a matrix that is none"):
            load_checkpoint("m.pth")

    def test_an_archive_of_several_disks(self, folder):
        save_checkpoint("m.pth", Model(), {})
        content = Path("m.pth").read_bytes()
        locator = content.rindex(b"PK\x06\x07")  # of the end of a large archive, which PyTorch always writes
        Path("m.pth").write_bytes(content[: locator + 4] + b"\xff" + content[locator + 5 :])
        for load in (load_checkpoint, load_any_checkpoint):
            with pytest.raises(UserError, match="is not a whole checkpoint"):
                load("m.pth")

    def test_compressed_or_doubled_parts(self, folder):
        save_checkpoint("m.pth", Model(), {})
        with zipfile.ZipFile("m.pth") as archive:
            parts = {part.filename: archive.read(part) for part in archive.infolist()}
        with zipfile.ZipFile("m.pth", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in parts.items():
                archive.writestr(name, content)
        with pytest.raises(Damaged, match="its list of parts is not what was written"):
            load_checkpoint("m.pth")

    def test_checkpoints_of_earlier_releases_have_no_checksum(self, folder):
        save_checkpoint("m.pth", Model(), {"seed": 1})
        state = torch.load("m.pth", weights_only=True)
        del state["sha256"]
        torch.save(state, "m.pth")
        assert load_checkpoint("m.pth")["config"] == {"seed": 1}

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
    def test_weights_that_are_no_numbers(self, folder, value):
        model = Model()
        model.layer.weight.data[0, 1] = value
        save_checkpoint("m.pth", model, {})
        with pytest.raises(
            UserError, match=r"the weights layer\.weight in m\.pth hold NaN or infinity; train the model"
        ):
            load_any_checkpoint("m.pth")


class TestNames:
    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("dataset", "../../etc"),
            ("dataset", "/etc"),
            ("dataset", ".."),
            ("dataset", "a\0b"),
            ("dataset", "a\\b"),
            ("benchmark_filename", ["train", "../../valid", "test"]),
            ("additional_feat_suffix", ["/etc/x"]),
            ("load_col", {"../inter": None}),
            ("modalities", ["../image"]),
        ],
    )
    def test_a_name_that_leads_elsewhere(self, folder, key, value):
        save_checkpoint("m.pth", Model(), {"model": "BPR", key: value})
        with pytest.raises(UserError, match=rf"^m\.pth: its {key} .* would lead to other folders"):
            load_any_checkpoint("m.pth")

    @pytest.mark.parametrize("name", ["os:system", "a.b:C", "../BPR", "", 7])
    def test_a_model_that_is_no_name_of_a_class(self, folder, name):
        save_checkpoint("m.pth", Model(), {"model": name})
        with pytest.raises(UserError, match=r"^m\.pth: its model .* is not the name of a class"):
            load_any_checkpoint("m.pth")

    def test_files_that_weights_began_with_are_left_out(self, folder):
        config = {"model": "RaCT", "train_stage": "finetune", "pre_model_path": "/dev/zero", "data_path": [1]}
        save_checkpoint("m.pth", Model(), {**config, "dataset": "a<b>$x$ 1", "features_path": "x"})
        assert load_any_checkpoint("m.pth")["config"] == {"model": "RaCT", "dataset": "a<b>$x$ 1", "features_path": "x"}
