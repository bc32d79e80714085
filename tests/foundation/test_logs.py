"""Records on their way to a file and a screen that may fail them."""

import logging
import resource

import pytest

from recbole_kd.foundation.logs import SHOWN, LogFile, Screen, level_of
from recbole_kd.foundation.names import cut, file_name


@pytest.fixture
def root():
    logger = logging.getLogger()
    before, level = list(logger.handlers), logger.level
    logger.setLevel(logging.INFO)
    yield logger
    logger.setLevel(level)
    for handler in [one for one in logger.handlers if one not in before]:
        logger.removeHandler(handler)


def test_a_file_is_utf8_whatever_is_written_and_never_another_ones(tmp_path, root):
    path = tmp_path / "new" / "run.log"
    for text in ("\x1b[1;34m电影\x1b[0m", "\udc80"):
        handler = LogFile(path, logging.INFO)
        root.addHandler(handler)
        root.info(text)
        root.removeHandler(handler)
        handler.close()
    assert path.read_text(encoding="utf-8").endswith("INFO  电影\n")
    assert (tmp_path / "new" / "run-2.log").read_text(encoding="utf-8").endswith("\\udc80\n")


def test_a_full_disk_ends_the_file_and_not_the_run(tmp_path, root, capsys):
    handler = LogFile(tmp_path / "run.log", logging.INFO)
    root.addHandler(handler)
    root.addHandler(Screen(logging.INFO))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        for _ in range(5):
            root.info("x" * 400)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    error = capsys.readouterr().err
    assert error == f"recbole-kd: warning: the log {tmp_path / 'run.log'} ends here: file too large\n"
    assert handler not in root.handlers


def test_the_screen_shows_what_is_meant_for_people(root, capsys):
    root.addHandler(Screen(logging.INFO))
    root.info("110 lines of settings")
    SHOWN.info("stage 1 of 2")
    root.warning("mind the gap")
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition("  ")[2] or line for line in lines] == ["stage 1 of 2", "recbole-kd: warning: mind the gap"]


@pytest.mark.parametrize(
    ("state", "level"), [("INFO", 20), ("debug", 10), ("Error", 40), (None, 20), ("nonsense", 20), (7, 20)]
)
def test_levels(state, level):
    assert level_of(state) == level


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ml-100k", "ml-100k"),
        ("a<img src=x onerror=alert(1)>$x$", "a_img_src=x_onerror=alert_1_x"),
        ("../../etc", "etc"),
        ("电影", "电影"),
        ("?#%", "_"),
        ("", "_"),
        ("x" * 300, "x" * 100),
        ("影" * 300, "影" * 33),
    ],
)
def test_names_of_files(text, name):
    assert file_name(text) == name


def test_a_name_that_fits_is_left_alone():
    assert cut("a?b#c", 5) == "a?b#c"
    assert cut("影影", 5) == "影"
