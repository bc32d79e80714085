"""The one reader of ``.npy`` headers: what numpy wrote, and what nobody should have."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbole_kd.foundation.npy import NpyError, open_array, read_header, write_header


def npy(text: bytes) -> bytes:
    """A file of version 1 with this header."""
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@given(
    shape=st.lists(st.integers(0, 5), max_size=3).map(tuple),
    dtype=st.sampled_from(["float16", "float32", "int64", "bool", ">f4"]),
    fortran=st.booleans(),
)
def test_says_what_numpy_wrote(tmp_path_factory, shape, dtype, fortran):
    path = tmp_path_factory.mktemp("npy") / "array.npy"
    array = np.zeros(shape, dtype, order="F" if fortran else "C")
    np.save(path, array)
    header = read_header(path)
    assert (header.shape, header.dtype) == (array.shape, array.dtype)
    assert header.file_size == path.stat().st_size


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_reads_every_version(tmp_path, version):
    path = tmp_path / "array.npy"
    with path.open("wb") as stream:
        np.lib.format.write_array(stream, np.ones((2, 3)), version=version)
    assert read_header(path).file_size == path.stat().st_size


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "does not exist"),
        (b"", "is an empty file; copy it again"),
        (b"\x93NU", "is cut short inside its header"),
        (b"PK\x03\x04 and more", r"is not a .npy file \(it starts with b'PK"),
        (b"\x93NUMPY\x01\x00v\x00{'descr': '<f4'", "is cut short inside its header"),
        (b"\x93NUMPY\x01\x00\x05\x00{1:2}", "has a broken .npy header"),
        (b"\x93NUMPY\x01\x00\x13\x00__import__('os').x\n", "has a broken .npy header"),
        (npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 3)}"), r"\(shape \(-1, 3\)\)"),
        (npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (True, 3)}"), r"\(shape \(True, 3\)\)"),
        (npy(b"{'descr': ('f4',), 'fortran_order': False, 'shape': (2, 3)}"), "has a broken .npy header"),
        (npy(b"-" * 9000 + b"1"), "has a broken .npy header"),
        (npy(b"(" * 9000), "is cut short inside its header"),
        (npy(b"'''"), "is cut short inside its header"),
        (b"\x93NUMPY\x04\x00" + npy(b"{}")[8:], "has a broken .npy header"),
    ],
)
def test_what_is_none_is_named(tmp_path, content, says):
    path = tmp_path / "array.npy"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NpyError, match=says) as caught:
        read_header(path)
    assert "\n" not in str(caught.value)


def test_an_object_array_is_described_and_never_unpickled(tmp_path):
    path = tmp_path / "array.npy"
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    assert read_header(path).dtype.hasobject
    with pytest.raises(ValueError, match="Python objects"):
        open_array(path)


def test_rows_written_after_a_header_are_an_array_that_a_reader_cannot_change(tmp_path):
    path, rows = tmp_path / "array.npy", np.arange(6, dtype=np.float32).reshape(2, 3)
    with path.open("wb") as stream:
        write_header(stream, rows.shape, "float32")
        stream.write(rows.data)
    mapped = open_array(path)
    mapped[0, 0] = 99
    assert np.array_equal(open_array(path, "r"), rows)
