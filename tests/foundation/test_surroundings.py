"""What a machine refuses, told in a sentence that names the file."""

import errno
import io
import os
import resource
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.files import replacing
from recbole_kd.foundation.surroundings import CannotWrite, check_file, check_folder, fault_of, sentence_of, writing


@contextmanager
def small_files():
    """No file may be larger than 4 kB, which fails as a full disk does, late and inside of libraries.

    Around what is tried alone: pytest's own output may go to a larger file.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


WRITERS = {
    "bytes": lambda stream: stream.write(bytes(100_000)),
    "numpy": lambda stream: np.save(stream, np.zeros(100_000)),
    "numpy archive": lambda stream: np.savez(stream, a=np.zeros(100_000)),
    "torch": lambda stream: torch.save({"a": torch.zeros(100_000)}, stream),
    "buffered to the end": lambda stream: [stream.write(bytes(1000)) for _ in range(6)],
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_file_that_cannot_be_written_whole_is_named_and_leaves_nothing(tmp_path, write):
    path = tmp_path / "x.pth"
    says = r"cannot write .*x\.pth: (file too large|no space left on device.*); \w+"
    with small_files(), pytest.raises(CannotWrite, match=says), replacing(path) as stream:
        write(stream)
    assert list(tmp_path.iterdir()) == []


def test_a_search_that_cannot_be_kept(tmp_path):
    path = tmp_path / "study.db"
    says = r"cannot write .*study\.db: .*disk"
    refused = pytest.raises(CannotWrite, match=says)
    with closing(sqlite3.connect(path)) as database, small_files(), refused, writing(path):
        database.execute("CREATE TABLE t AS SELECT ?", (bytes(50_000),))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a" * 300, "file name too long; give a shorter name"),
        ("there/x", "give another folder; a file is in the way"),
        ("folder", "is a directory; give the name of a file"),
    ],
)
def test_names_that_no_file_can_have(tmp_path, name, says):
    (tmp_path / "there").write_text("mine")
    (tmp_path / "folder").mkdir()
    with pytest.raises(CannotWrite) as raised, replacing(tmp_path / name) as stream:
        stream.write(b"x")
    assert says in str(raised.value)
    assert str(raised.value).startswith(f"cannot write {tmp_path / name}: ")
    assert isinstance(raised.value, OSError | UserError)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "there"]


def test_what_is_not_of_the_file_stays_as_it_is(tmp_path):
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "x"):
        Path("/nowhere/features.npy").read_bytes()
    with pytest.raises(KeyError), writing(tmp_path / "x"):
        raise KeyError
    with pytest.raises(UserError, match=r"^mine$"), writing(tmp_path / "x"):
        raise UserError("mine")


def test_sentences():
    full = OSError(errno.ENOSPC, "No space left on device", "/a/b")
    assert sentence_of(full) == "/a/b: no space left on device; free some space and repeat the command"
    assert sentence_of(OSError(errno.ENOSPC, "No space left on device")).startswith(
        "a file cannot be written: no space"
    )
    assert sentence_of(UserError("mine")) == "mine"
    assert sentence_of(KeyError("mine")) is None
    other = KeyError("a fault of ours")
    other.__context__ = FileNotFoundError(errno.ENOENT, "No such file or directory", "/nowhere")
    assert sentence_of(other) is None
    with pytest.raises(MemoryError) as raised:
        np.zeros(10**15)
    assert "memory ran out (7.11 PiB were asked for); lower train_batch_size" in sentence_of(raised.value)
    with pytest.raises(RuntimeError) as raised:
        torch.zeros(10**15)
    assert "memory ran out (4000000000000000 bytes were asked for)" in sentence_of(raised.value)
    assert sentence_of(UnicodeEncodeError("ascii", "电", 0, 1, "no")) is None
    assert fault_of(io.UnsupportedOperation("read")) is None


def test_a_folder_is_checked_before_anything_is_made(tmp_path):
    (tmp_path / "there").write_text("mine")
    check_folder(tmp_path / "new/er", "report_dir")
    check_file(tmp_path / "new/er/result.json", "result_file")
    for path, says in (
        (tmp_path / "there/x", "is no folder"),
        (tmp_path / ("a" * 300), "file name too long"),
        ("a\0b", "null"),
        ("/proc/x", "no right to write in /proc"),
    ):
        if path == "/proc/x" and os.access("/proc", os.W_OK):
            continue
        with pytest.raises(
            UserError, match=rf"(?s)report_dir=.* cannot be written: .*{says}.*; give another --report_dir"
        ):
            check_folder(path, "report_dir")
    with pytest.raises(UserError, match="is a folder; give the name of a file"):
        check_file(tmp_path, "result_file")
    with pytest.raises(UserError, match="file name too long"):
        check_file(tmp_path / ("a" * 250), "result_file")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_a_locale_that_knows_ascii_alone_is_named(monkeypatch):
    error = UnicodeEncodeError("ascii", "电", 0, 1, "ordinal not in range(128)")
    monkeypatch.setattr("sys.getfilesystemencoding", lambda: "ascii")
    assert "this locale has no name for some characters" in sentence_of(error)
    assert "set PYTHONUTF8=1" in sentence_of(error)
    assert sentence_of(KeyError("mine")) is None


def test_a_device_or_a_pipe_is_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for name in ("pipe", "link"):
        with pytest.raises(UserError, match="is a device or a pipe"):
            check_file(tmp_path / name, "result_file")
        with pytest.raises(UserError, match="is a device or a pipe"), replacing(tmp_path / name, "w") as stream:
            stream.write("x")
    assert (tmp_path / "pipe").is_fifo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe"]


@pytest.mark.parametrize("name", ["toy.inter", "m.yaml", "b.pth"])
def test_a_result_takes_the_place_of_nobodys_data(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(UserError, match="is there already, and looks like data or settings"):
        check_file(tmp_path / name, "result_file")


def test_no_file_takes_the_place_of_the_systems():
    with pytest.raises(UserError, match="is a device or a pipe"):
        check_file("/dev/stdout", "result_file")
