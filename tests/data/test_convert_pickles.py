from __future__ import annotations

import os
import pickle
import pickletools
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from recbole_kd.data.convert.sparse_pickles import load_sparse
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.pickles import Record

DENSE = np.array([[0, 1, 0, 2], [0, 0, 0, 0], [3, 0, 0, 4.5]])
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def dump(folder: Path, value: object, protocol: int | None = None) -> Path:
    path = folder / "matrix.pkl"
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


class Calls:
    """Pickles as a call of ``function``."""

    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


class TestHonest:
    @pytest.mark.parametrize("protocol", PROTOCOLS)
    @pytest.mark.parametrize("kind", ["coo_matrix", "csr_matrix", "csc_matrix", "coo_array", "csr_array", "csc_array"])
    def test_every_protocol_and_format(self, tmp_path, kind, protocol):
        path = dump(tmp_path, getattr(sparse, kind)(DENSE), protocol)
        np.testing.assert_array_equal(load_sparse(path).toarray(), DENSE)

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int64, np.int8, np.uint8, bool, ">f8", ">i4"])
    def test_every_dtype(self, tmp_path, dtype):
        matrix = sparse.coo_matrix(DENSE)
        matrix.data = matrix.data.astype(dtype)
        np.testing.assert_array_equal(load_sparse(dump(tmp_path, matrix)).data, matrix.data.astype(np.float64))

    @pytest.mark.parametrize(
        ("new", "old"),
        [("scipy.sparse._coo", "scipy.sparse.coo"), ("numpy._core.multiarray", "numpy.core.multiarray")],
    )
    def test_old_module_paths(self, tmp_path, new, old):
        # protocol 2 names a class in plain text
        raw = pickle.dumps(sparse.coo_matrix(DENSE), protocol=2)
        assert new.encode() in raw
        path = tmp_path / "old.pkl"
        path.write_bytes(raw.replace(new.encode(), old.encode()))
        np.testing.assert_array_equal(load_sparse(path).toarray(), DENSE)

    def test_old_scipy_keeps_rows_and_columns_apart(self, tmp_path):
        matrix = sparse.coo_matrix(DENSE)
        row, col = matrix.__dict__.pop("coords")
        matrix.__dict__.update(row=row, col=col, maxprint=50)
        np.testing.assert_array_equal(load_sparse(dump(tmp_path, matrix, 3)).toarray(), DENSE)

    def test_shape_of_numpy_integers(self, tmp_path):
        matrix = sparse.coo_matrix(DENSE)
        matrix._shape = (np.int64(3), np.int32(4))
        assert load_sparse(dump(tmp_path, matrix)).shape == (3, 4)

    def test_spare_room_behind_the_last_entry(self, tmp_path):
        matrix = sparse.csr_matrix(DENSE)
        matrix.indices = np.append(matrix.indices, [99]).astype(np.int32)
        matrix.data = np.append(matrix.data, [7.0])
        np.testing.assert_array_equal(load_sparse(dump(tmp_path, matrix)).toarray(), DENSE)

    @settings(max_examples=50)
    @given(
        dense=hnp.arrays(np.int16, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.integers(0, 3)),
        kind=st.sampled_from(["coo_matrix", "csr_matrix", "csc_matrix"]),
        protocol=st.sampled_from(PROTOCOLS),
    )
    def test_round_trip(self, tmp_path_factory, dense, kind, protocol):
        path = dump(tmp_path_factory.mktemp("pickles"), getattr(sparse, kind)(dense), protocol)
        np.testing.assert_array_equal(load_sparse(path).toarray(), dense)


class TestMalicious:
    @pytest.mark.parametrize(
        ("function", "args", "named"),
        [
            (os.system, ("touch {ran}",), f"{os.system.__module__}.system"),
            (eval, ("open({ran!r}, 'w')",), "builtins.eval"),
            (exec, ("open({ran!r}, 'w')",), "builtins.exec"),
            (open, ("{ran}", "w"), "io.open"),
            (getattr, (os, "system"), "builtins.getattr"),
            (np.load, ("{ran}", None, True), "numpy.load"),
            (np.fromfile, ("{ran}",), "fromfile"),
            (sparse.load_npz, ("{ran}",), "load_npz"),
            (pickle.loads, (b"",), "pickle.loads"),
        ],
    )
    @pytest.mark.parametrize("protocol", [0, 2, 4])
    def test_nothing_runs_and_the_class_is_named(self, tmp_path, function, args, named, protocol):
        ran = tmp_path / "ran"
        args = tuple(arg.format(ran=str(ran)) if isinstance(arg, str) else arg for arg in args)
        args = tuple("os" if arg is os else arg for arg in args)
        path = dump(tmp_path, Calls(function, *args), protocol)
        with pytest.raises(UserError, match=r"refused and nothing of it was run") as caught:
            load_sparse(path)
        shown = str(caught.value).replace("__builtin__", "builtins")
        assert named in shown
        assert not ran.exists()

    @pytest.mark.parametrize("place", ["data", "row", "extra", "_shape"])
    def test_hidden_inside_an_honest_matrix(self, tmp_path, place):
        ran = tmp_path / "ran"
        matrix = sparse.coo_matrix(DENSE)
        row, col = matrix.__dict__.pop("coords")
        matrix.__dict__.update({"row": row, "col": col, place: Calls(os.system, f"touch {ran}")})
        with pytest.raises(UserError, match="system"):
            load_sparse(dump(tmp_path, matrix))
        assert not ran.exists()

    def test_the_module_named_is_not_imported(self, tmp_path):
        path = tmp_path / "matrix.pkl"
        path.write_bytes(b"cantigravity\nfly\n(tR.")
        with pytest.raises(UserError, match=r"antigravity\.fly"):
            load_sparse(path)
        assert "antigravity" not in sys.modules

    def test_a_dotted_name_under_an_allowed_module(self, tmp_path):
        raw = pickle.dumps(Calls(os.system, "true"), protocol=4)
        path = tmp_path / "matrix.pkl"
        name = b"\x8c\x05numpy\x8c\x0fndarray.tofile2\x93."
        path.write_bytes(b"\x80\x04" + name)
        assert raw
        with pytest.raises(UserError, match=r"numpy\.ndarray\.tofile2"):
            load_sparse(path)

    def test_object_arrays_are_refused(self, tmp_path):
        matrix = sparse.coo_matrix(DENSE)
        matrix.data = np.array([[1], [2], [3], [4]], dtype=object)[:, 0]
        with pytest.raises(UserError, match="not numeric"):
            load_sparse(dump(tmp_path, matrix))

    @pytest.mark.parametrize("attribute", [b"__setstate__", b"__new__", b"args"])
    def test_build_cannot_change_the_stand_ins(self, tmp_path, attribute):
        # GLOBAL ndarray, then BUILD with a slot state on the class itself
        name = bytes([len(attribute)]) + attribute
        raw = b"\x80\x04\x8c\x05numpy\x8c\x07ndarray\x93N}\x8c" + name + b"K\x01s\x86b."
        assert "BUILD" in [opcode.name for opcode, _, _ in pickletools.genops(raw)]
        path = tmp_path / "matrix.pkl"
        path.write_bytes(raw)
        before = dict(vars(Record))
        with pytest.raises(UserError):
            load_sparse(path)
        assert dict(vars(Record)) == before

    def test_a_memo_index_that_would_take_gigabytes(self, tmp_path):
        path = tmp_path / "matrix.pkl"
        path.write_bytes(b"\x80\x02Nr\xff\xff\xff\x7f.")
        with pytest.raises(UserError, match="memo index"):
            load_sparse(path)

    @settings(max_examples=300)
    @given(data=st.data())
    def test_a_byte_changed_anywhere_is_an_error_or_a_sound_matrix(self, tmp_path_factory, data):
        raw = bytearray(pickle.dumps(sparse.csr_matrix(DENSE), protocol=4))
        for _ in range(data.draw(st.integers(1, 3))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        path = tmp_path_factory.getbasetemp() / "fuzz.pkl"
        path.write_bytes(raw)
        try:
            matrix = load_sparse(path)
        except UserError:
            return
        assert np.isfinite(matrix.data).all()
        matrix.check() if hasattr(matrix, "check") else matrix.tocsr().check_format()


class TestBroken:
    @pytest.mark.parametrize("keep", [1, 2, 10, 60, -1])
    def test_cut_short(self, tmp_path, keep):
        path = dump(tmp_path, sparse.coo_matrix(DENSE))
        path.write_bytes(path.read_bytes()[:keep])
        with pytest.raises(UserError, match="cut short"):
            load_sparse(path)

    def test_empty_missing_or_text(self, tmp_path):
        path = tmp_path / "matrix.pkl"
        with pytest.raises(UserError, match="does not exist"):
            load_sparse(path)
        path.touch()
        with pytest.raises(UserError, match="empty file"):
            load_sparse(path)
        path.write_text("version https://git-lfs.github.com/spec/v1\n")
        with pytest.raises(UserError, match="no pickle of a sparse matrix"):
            load_sparse(path)

    @pytest.mark.parametrize(
        ("value", "word"), [(DENSE, "a dense array"), ([1, 2], "a list"), ({"a": 1}, "a dict"), (None, "a NoneType")]
    )
    def test_no_sparse_matrix(self, tmp_path, value, word):
        with pytest.raises(UserError, match=f"no scipy sparse matrix but {word}"):
            load_sparse(dump(tmp_path, value))

    @pytest.mark.parametrize("kind", ["lil_matrix", "dok_matrix"])
    def test_other_formats_are_named(self, tmp_path, kind):
        with pytest.raises(UserError, match=kind):
            load_sparse(dump(tmp_path, getattr(sparse, kind)(DENSE)))

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_values_that_are_not_finite(self, tmp_path, value):
        matrix = sparse.coo_matrix(DENSE)
        matrix.data[1] = value
        with pytest.raises(UserError, match=r"entry 1 \(user 0, item 3\)"):
            load_sparse(dump(tmp_path, matrix))

    @pytest.mark.parametrize("index", [-1, 4])
    def test_index_out_of_range(self, tmp_path, index):
        matrix = sparse.coo_matrix(DENSE)
        matrix.col[2] = index
        with pytest.raises(UserError, match=rf"entry 2 has column index {index}.*\(3, 4\)"):
            load_sparse(dump(tmp_path, matrix))

    def test_pointers_that_do_not_fit(self, tmp_path):
        matrix = sparse.csr_matrix(DENSE)
        matrix.indptr = np.array([0, 5, 1, 4], dtype=np.int32)
        with pytest.raises(UserError, match="indptr"):
            load_sparse(dump(tmp_path, matrix))
