"""A file is whole or absent, whatever ends the process."""

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.files import locked, open_log, own_folder, replacing, write_json
from tests.processes import ROOT, python


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
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.files import locked, open_log, own_folder, replacing, write_json
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


class TestLock:
    def test_one_at_a_time(self, tmp_path):
        path = tmp_path / "a" / ".lock"
        with locked(path):
            assert path.exists()
            with pytest.raises(BlockingIOError), locked(path, wait=False):
                raise AssertionError("both are in")
        assert not path.exists()
        with locked(path, wait=False):
            assert path.exists()

    def test_processes_take_turns(self, tmp_path):
        """Each adds one to a number by reading and writing it; without the lock some would be lost."""
        (tmp_path / "number").write_text("0")
        program = (
            "import sys, time\nfrom recbole_kd.foundation.files import locked\n"
            "for _ in range(30):\n"
            "    with locked('lock'):\n"
            "        number = int(open('number').read())\n"
            "        time.sleep(0.001)\n"
            "        open('number', 'w').write(str(number + 1))\n"
        )
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", program]
        running = [subprocess.Popen(command, cwd=tmp_path, env=environment) for _ in range(3)]
        assert [process.wait(timeout=60) for process in running] == [0, 0, 0]
        assert (tmp_path / "number").read_text() == "90"

    def test_a_lock_ends_with_its_process(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        program = "import os, signal\nfrom recbole_kd.foundation.files import locked\n"
        done = python("-c", program + "with locked('lock'): os.kill(os.getpid(), signal.SIGKILL)")
        assert done.returncode == -signal.SIGKILL
        assert Path("lock").exists()
        with locked("lock", wait=False):
            pass
        assert not Path("lock").exists()


def leave_part(folder: Path, name: str) -> Path:
    part = folder / f".{name}.0123abcd.part"
    part.write_text("half")
    return part


class TestLeftovers:
    def test_those_of_the_same_file_are_removed(self, tmp_path):
        left, other = leave_part(tmp_path, "file.txt"), leave_part(tmp_path, "another.txt")
        for name in (".file.txt.part", ".file.txt.XYZ12345.part", "file.txt.0123abcd.part", ".file.txt.0123abcd.part2"):
            (tmp_path / name).write_text("not ours")
        before = {path.name for path in tmp_path.iterdir()}
        with replacing(tmp_path / "file.txt", "w") as stream:
            stream.write("whole")
        assert {path.name for path in tmp_path.iterdir()} == before - {left.name} | {"file.txt"}
        assert other.exists()

    def test_those_that_another_process_writes_are_not(self, tmp_path):
        path = tmp_path / "file.txt"
        with replacing(path, "w") as first:
            first.write("first")
            with replacing(path, "w") as second:
                second.write("second")
            assert path.read_text() == "second"
        assert path.read_text() == "first"

    def test_links_and_folders_are_not_ours(self, tmp_path):
        precious = tmp_path / "precious"
        precious.write_text("precious")
        (tmp_path / ".file.txt.0123abcd.part").symlink_to(precious)
        (tmp_path / ".file.txt.0123abce.part").mkdir()
        with replacing(tmp_path / "file.txt", "w") as stream:
            stream.write("whole")
        assert precious.read_text() == "precious"
        assert (tmp_path / ".file.txt.0123abce.part").is_dir()

    def test_of_a_kill(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        program = "import os, signal\nfrom recbole_kd.foundation.files import replacing\n"
        done = python("-c", program + "with replacing('file') as stream: os.kill(os.getpid(), signal.SIGKILL)")
        assert done.returncode == -signal.SIGKILL
        assert len(list(tmp_path.iterdir())) == 1
        with replacing("file") as stream:
            stream.write(b"whole")
        assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


class TestLinks:
    """What lies in the way of a file that we write is never written to."""

    def precious(self, folder: Path) -> Path:
        path = folder / "precious"
        path.write_text("precious")
        return path

    @pytest.mark.parametrize("link", [os.symlink, os.link])
    def test_a_file(self, tmp_path, link):
        precious = self.precious(tmp_path)
        link(precious, tmp_path / "file")
        with replacing(tmp_path / "file", "w") as stream:
            stream.write("new")
        assert precious.read_text() == "precious"
        assert (tmp_path / "file").read_text() == "new"

    @pytest.mark.parametrize(
        "make",
        [
            lambda place, precious: place.symlink_to(precious),
            lambda place, precious: place.symlink_to(place.parent / "nowhere"),
            lambda place, precious: os.link(precious, place),
            lambda place, precious: os.mkfifo(place),
            lambda place, precious: place.mkdir(),
            lambda place, precious: place.write_text("somebody's"),
        ],
    )
    def test_a_lock(self, tmp_path, make):
        precious, lock = self.precious(tmp_path), tmp_path / ".lock"
        make(lock, precious)
        with pytest.raises(UserError, match=r"\.lock is no lock of recbole-kd but a link, a folder or another file"):
            locked(lock, wait=False).__enter__()
        assert precious.read_text() == "precious"
        assert os.path.lexists(lock)
        assert not (tmp_path / "nowhere").exists()

    @pytest.mark.parametrize("link", [os.symlink, os.link])
    def test_a_log(self, tmp_path, link):
        precious, log = self.precious(tmp_path), tmp_path / "logs" / "a.log"
        log.parent.mkdir()
        link(precious, log)
        with open_log(log) as stream:
            stream.write(b"new")
        assert (precious.read_text(), log.read_text()) == ("precious", "new")

    def test_a_folder(self, tmp_path):
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "logs").symlink_to("elsewhere")
        with pytest.raises(UserError, match="logs is a link, which is not followed where files are written; remove it"):
            open_log(tmp_path / "logs" / "a.log")
        (tmp_path / "users").write_text("a file")
        with pytest.raises(UserError, match="users is a file where a folder is needed; remove it"):
            own_folder(tmp_path / "users")
        assert list((tmp_path / "elsewhere").iterdir()) == []
