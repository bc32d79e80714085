"""Every command ends with its own status, with one sentence, or with the path of a log for us."""

import errno
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from recbole_kd.cli import COMMANDS, main
from tests.cli.test_commands import only_line
from tests.processes import ROOT

WORDS = ["train", "--model=BPR", "--dataset=board"]


@pytest.fixture
def failing(checkerboard, monkeypatch):
    """Let ``train`` raise what is given."""

    def fails(error):
        def raises(*_, **__):
            raise error

        monkeypatch.setattr("recbole_kd.training.run.train_and_test", raises)

    return fails


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (KeyboardInterrupt(), 130, "interrupted; the same command goes on"),
        (OSError(errno.ENOSPC, "No space left on device", "saved/x.pth"), 2, "saved/x.pth: no space left on device"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "x"), 2, "x: disk quota exceeded; free some space"),
        (PermissionError(errno.EACCES, "Permission denied", "x"), 2, "x: permission denied; give a folder"),
        (MemoryError("Unable to allocate 7.45 GiB for an array"), 2, "memory ran out (7.45 GiB were asked for); lower"),
    ],
)
def test_what_others_can_mend_is_a_sentence(failing, capsys, error, status, says):
    failing(error)
    assert main(WORDS) == status
    assert says in only_line(capsys.readouterr().err)
    assert not Path("log").exists()


def test_sigterm_ends_by_an_exception(checkerboard, capsys, monkeypatch):
    def killed(*_, **__):
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            Path("tidied").touch()

    monkeypatch.setattr("recbole_kd.training.run.train_and_test", killed)
    assert main(WORDS) == 143
    assert "ended by SIGTERM; the same command goes on" in only_line(capsys.readouterr().err)
    assert Path("tidied").exists()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("error", [KeyError("lost"), RecursionError("too deep"), ZeroDivisionError()])
def test_a_fault_of_ours_is_one_line_and_a_log(failing, capsys, error):
    failing(error)
    assert main([*WORDS, "--epochs=7"]) == 70
    line = only_line(capsys.readouterr().err)
    assert f"a fault of recbole_kd itself ({type(error).__name__}" in line
    assert "CONTRIBUTING.md says where to report it" in line
    (log,) = Path("log").glob("recbole-kd-bug-*.log")
    assert str(log) in line
    text = log.read_text(encoding="utf-8")
    for words in (
        "Traceback (most recent call last)",
        "recbole-kd 0.1.0",
        "torch ",
        "python 3",
        "platform ",
        "epochs=7",
    ):
        assert words in text


def test_the_settings_are_in_the_log(checkerboard, capsys, monkeypatch):
    monkeypatch.setattr("recbole_kd.training.run.open_data", lambda config: 1 // 0)
    assert main([*WORDS, "--learning_rate=0.125"]) == 70
    (log,) = Path("log").glob("recbole-kd-bug-*.log")
    assert "  learning_rate: 0.125\n" in log.read_text(encoding="utf-8")


def test_where_no_log_can_be_written_the_temporary_folder_has_it(failing, capsys, monkeypatch, tmp_path):
    Path("log").write_text("mine")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    failing(KeyError("lost"))
    assert main(WORDS) == 70
    assert f"{tmp_path / 'temporary'}/recbole-kd-bug-" in only_line(capsys.readouterr().err)
    assert Path("log").read_text() == "mine"


@pytest.mark.parametrize("by", ["flag", "environment"])
def test_debug_shows_the_traceback_at_once(failing, capsys, monkeypatch, by):
    failing(KeyError("lost"))
    if by == "environment":
        monkeypatch.setenv("RECBOLE_KD_DEBUG", "1")
    assert main([*WORDS, *["--debug"] * (by == "flag")]) == 70
    text = capsys.readouterr().err
    assert "Traceback (most recent call last)" in text
    assert "KeyError: 'lost'" in text
    assert os.environ.get("RECBOLE_KD_DEBUG") == ("1" if by == "environment" else None)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_debug(command, capsys):
    with suppress(SystemExit):
        assert main([command, "--help", "--debug"]) == 0
    assert "usage: recbole-kd" in capsys.readouterr().out


KD = f"{sys.executable} -m recbole_kd"


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("$KD --help | true", "0|141"),
        ("$KD --help >&-", "0"),
        ("$KD --help >/dev/full", "2"),
        ("$KD --help >/dev/full 2>&-", "2"),
        ("$KD trian 2>/dev/full", "2"),
        ("$KD trian 2>&-", "2"),
        ("$KD trian 2>&1 >/dev/null | true", "2"),
    ],
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_streams_that_are_closed_full_or_not_read(tmp_path, line, status, unbuffered):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KD": KD, "PYTHONUNBUFFERED": unbuffered}
    script = f"{line}\nexit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=100, check=False
    )
    assert str(done.returncode) in status.split("|")
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert all(text.startswith("recbole-kd: ") for text in done.stderr.splitlines())


def test_a_terminal_that_knows_ascii_alone_gets_the_rest_escaped(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [*KD.split(), "电影"], capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=100, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("recbole-kd: there is no command '")
    assert "\\u" in done.stderr
