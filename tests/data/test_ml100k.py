from __future__ import annotations

import os

import numpy as np
import pytest

from recbole_kd.data import ml100k
from recbole_kd.data.ml100k import ensure_features, genre_matrix
from recbole_kd.foundation.errors import UserError

FILES = ("ml-100k.text.npy", "ml-100k.genre.npy", "ml-100k.item_ids")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return ensure_features(tmp_path_factory.mktemp("ml") / "new" / "folder")


@pytest.fixture
def folder(whole, tmp_path):
    for name in FILES:
        (tmp_path / name).write_bytes((whole / name).read_bytes())
    return tmp_path


def test_what_is_written(whole):
    assert sorted(path.name for path in whole.iterdir()) == sorted(FILES)
    text, genre = np.load(whole / FILES[0]), np.load(whole / FILES[1])
    assert text.dtype == genre.dtype == np.float32
    assert text.shape == (1682, 64)
    assert genre.shape[0] == 1682
    assert np.isfinite(text).all()
    assert len((whole / FILES[2]).read_text().splitlines()) == 1682


def test_titles_that_share_words_are_near(whole):
    text = np.load(whole / FILES[0])
    text /= np.linalg.norm(text, axis=1, keepdims=True)
    rows = [line.split("\t") for line in (ml100k.wheel_folder() / "ml-100k.item").read_text("utf-8").splitlines()[1:]]
    trek = [n for n, row in enumerate(rows) if row[1].startswith("Star Trek")]
    assert (text[trek] @ text[trek].T).mean() > 5 * abs((text[trek] @ text.T).mean())


def test_a_second_call_writes_nothing(folder):
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    ensure_features(folder)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


@pytest.mark.parametrize("damaged", FILES)
@pytest.mark.parametrize("keep", [None, 0, 100])
def test_a_damaged_or_missing_file_is_made_again(whole, folder, damaged, keep):
    if damaged.endswith("item_ids") and keep == 100:
        pytest.skip("another order of items is the user's own")
    content = (folder / damaged).read_bytes()
    (folder / damaged).unlink()
    if keep is not None:
        (folder / damaged).write_bytes(content[:keep])
    ensure_features(folder)
    if damaged.endswith(".npy"):
        np.testing.assert_allclose(np.load(folder / damaged), np.load(whole / damaged), atol=1e-4)
    else:
        assert (folder / damaged).read_bytes() == content


@pytest.mark.parametrize("own", ["ml-100k.image.npy", "ml-100k.item_ids"])
def test_a_users_own_features_are_left_alone(tmp_path, own):
    (tmp_path / own).write_text("7\n3\n")
    ensure_features(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [own]
    assert (tmp_path / own).read_text() == "7\n3\n"


def test_modalities_with_item_ids_of_their_own_disturb_nobody(whole, tmp_path):
    for name in ("image", "text"):
        (tmp_path / f"ml-100k.{name}.npy").write_text("a user's own")
        (tmp_path / f"ml-100k.{name}.item_ids").write_text("7\n3\n")
    ensure_features(tmp_path)
    assert (tmp_path / "ml-100k.text.npy").read_text() == "a user's own"
    assert (tmp_path / "ml-100k.item_ids").read_bytes() == (whole / "ml-100k.item_ids").read_bytes()
    assert (tmp_path / "ml-100k.genre.npy").is_file()


def test_a_kill_while_writing_leaves_no_broken_file(tmp_path, monkeypatch):
    monkeypatch.setattr(ml100k, "titles_to_text", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        ensure_features(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["ml-100k.genre.npy"]
    monkeypatch.undo()
    ensure_features(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="features_path"):
        ensure_features(tmp_path / "file" / "below")


def test_titles_missing(tmp_path):
    with pytest.raises(UserError, match=r"ml-100k\.item does not exist"):
        ensure_features(tmp_path, source=tmp_path)


def test_genres_and_years():
    rows = [["1", "A", "1990", "Action War"], ["2", "B", "1999", ""], ["3", "C", "2000", "War"], ["4", "D", "V", "War"]]
    expected = [[1, 1, 0, 1, 0], [0, 0, 0.9, 1, 0], [0, 1, 1, 0, 1], [0, 1, 0.9, 0, 0]]
    np.testing.assert_allclose(genre_matrix(rows), expected)


def test_the_wheel_is_not_touched(whole):
    assert not [name for name in os.listdir(ml100k.wheel_folder()) if name.endswith((".npy", ".item_ids"))]
