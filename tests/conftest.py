from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from tests.trained_once import train

settings.register_profile("untimed", deadline=None)  # a busy machine is not a failure
settings.load_profile("untimed")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """What a test has printed and logged, as text that a worker can send: some have logged names that are no text."""
    report = yield
    report.sections = [(name, said.encode("utf-8", "backslashreplace").decode()) for name, said in report.sections]
    return report


@pytest.fixture
def shared_data() -> Path:
    """The published data sets, which lie beside the project and are never part of it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the published data sets are not at {folder}")
    return folder


@pytest.fixture
def checkerboard(tmp_path, monkeypatch) -> str:
    """A data set with a known right answer, in a working folder of its own: even users like even items.

    40 users, 24 items and two modalities, of which ``board`` tells the colour and ``noise`` nothing.
    """
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "dataset" / "board"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    liked = {user: random.permutation(np.arange(user % 2, 24, 2)) for user in range(40)}
    for part, columns in (("train", slice(0, 7)), ("valid", slice(7, 9)), ("test", slice(9, 12))):
        rows = [f"u{user}\ti{item}" for user, items in liked.items() for item in items[columns]]
        (folder / f"board.{part}.inter").write_text("user_id:token\titem_id:token\n" + "\n".join(rows) + "\n")
    (folder / "board.yaml").write_text(
        "benchmark_filename: [train, valid, test]\nload_col:\n    inter: [user_id, item_id]\n"
    )
    (folder / "board.item_ids").write_text("".join(f"i{item}\n" for item in range(24)))
    colour = np.arange(24) % 2 * 2.0 - 1
    np.save(folder / "board.board.npy", (colour[:, None] + 0.3 * random.normal(size=(24, 3))).astype(np.float32))
    np.save(folder / "board.noise.npy", random.normal(size=(24, 70)).astype(np.float32))
    return "board"


@pytest.fixture
def ring(tmp_path, monkeypatch) -> str:
    """Histories with a known right answer, in a working folder of its own: after each item comes the next of twelve.

    48 users walk 3 to 11 steps from an item of their own; one has two interactions, one a single one.
    """
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "dataset" / "ring"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    lengths = [2, 1, *random.integers(3, 12, 46).tolist()]
    rows = [
        f"u{user}\ti{(first + step) % 12}\t{10 * user + step}"
        for user, (first, length) in enumerate(zip(random.integers(0, 12, 48).tolist(), lengths, strict=True))
        for step in range(length)
    ]
    random.shuffle(rows)
    (folder / "ring.inter").write_text("user_id:token\titem_id:token\ttimestamp:float\n" + "\n".join(rows) + "\n")
    return "ring"


@pytest.fixture
def bpr(checkerboard, capsys) -> str:
    """The checkpoint of a BPR trained on the checkerboard."""
    path = train("BPR")
    capsys.readouterr()
    return path
