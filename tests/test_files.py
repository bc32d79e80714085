"""A file is whole or absent, whatever ends the process."""

import json
import os
import signal
import stat
from pathlib import Path

import pytest

from recbole_kd.files import replacing, write_json
from tests.processes import python


@pytest.mark.parametrize(("mode", "content"), [("w", "ü\nend\n"), ("wb", b"\x00\xff")])
def test_writes_and_makes_the_folder(tmp_path, mode, content):
    path = tmp_path / "a" / "b" / "file.txt"
    with replacing(path, mode) as stream:
        stream.write(content)
        assert not path.exists()
    assert path.read_bytes() == (content if isinstance(content, bytes) else content.encode("utf-8"))
    assert [entry.name for entry in path.parent.iterdir()] == ["file.txt"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_exception_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def write_half():
        with replacing(path, "w") as stream:
            stream.write("half")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.txt"]


def test_a_kill_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    code = f"""
import os, signal
from recbole_kd.files import replacing, write_json
with replacing({str(path)!r}, "w") as stream:
    stream.write("half" * 100000)
    stream.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert python("-c", code).returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir() if not entry.name.startswith(".")] == ["file.txt"]
    with replacing(path, "w") as stream:
        stream.write("new")
    assert path.read_text() == "new"


def test_two_writers_at_once_do_not_mix(tmp_path):
    path = tmp_path / "file.txt"
    with replacing(path, "w") as first, replacing(path, "w") as second:
        first.write("first")
        second.write("second")
    assert path.read_text() == "first"


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_are_those_of_any_new_file(tmp_path, mask):
    before = os.umask(mask)
    try:
        with replacing(tmp_path / "ours", "w") as stream:
            stream.write("x")
        Path(tmp_path / "plain").write_text("x")
    finally:
        os.umask(before)
    ours, plain = (stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ours", "plain"))
    assert oct(ours) == oct(plain)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError), replacing(tmp_path / "file"):
        pass


def test_json_has_null_where_a_number_is_none(tmp_path):
    write_json(tmp_path / "a.json", {"a": [float("nan"), 1.5], "b": {"c": float("inf")}})
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail) == {"a": [None, 1.5], "b": {"c": None}}
