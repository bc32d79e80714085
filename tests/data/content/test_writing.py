import json

import numpy as np
import pytest

from recbole_kd.data.content import writing
from recbole_kd.data.content.writing import Target
from recbole_kd.data.features import load_features
from recbole_kd.foundation.errors import UserError

ROWS = np.arange(6, dtype=np.float32).reshape(3, 2)


def write(target, rows=ROWS, tokens=("a", "b", "c"), dtype="<f4"):
    target.write(np.array_split(rows, 2), list(tokens), 2, dtype, {"rows": 3})


@pytest.mark.parametrize("dtype", ["<f4", "<f2"])
def test_the_files(tmp_path, dtype):
    target = Target(tmp_path, "shop", "text")
    write(target, dtype=dtype)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shop.text.item_ids", "shop.text.json", "shop.text.npy"]
    assert np.load(target.matrix).dtype == np.dtype(dtype)
    assert json.loads(target.record.read_text()) == {"rows": 3}
    found = load_features(target.matrix, target.item_ids, ["[PAD]", "c", "a"], "text", feature_norm="none")
    np.testing.assert_array_equal(found[1:], ROWS[[2, 0]])


@pytest.mark.parametrize("name", ["", "a.b", "../x", "a b", "-a", "x" * 101])
def test_a_name_that_is_none(tmp_path, name):
    with pytest.raises(UserError, match="is not valid; use letters"):
        Target(tmp_path, "shop", name)


def test_what_is_there_is_kept(tmp_path):
    target = Target(tmp_path, "shop", "text")
    target.check("text", overwrite=False)
    write(target)
    with pytest.raises(UserError, match=r"is there already.*--overwrite, or name another --modality"):
        target.check("text", overwrite=False)
    target.check("text", overwrite=True)
    target.matrix.unlink()
    target.matrix.mkdir()
    with pytest.raises(UserError, match="is a folder where a file is to be written"):
        target.check("text", overwrite=True)


@pytest.mark.parametrize("step", ["replacing", "write_json"])
def test_no_matrix_stands_beside_item_ids_of_another(tmp_path, monkeypatch, step):
    """A kill at any step leaves the old whole, or no matrix."""
    target = Target(tmp_path, "shop", "text")
    write(target)
    old, done = target.matrix.read_bytes(), getattr(writing, step)

    def kill(path, *more):
        if path == target.item_ids or step == "write_json":
            raise KeyboardInterrupt
        return done(path, *more)

    monkeypatch.setattr(writing, step, kill)
    with pytest.raises(KeyboardInterrupt):
        write(target, ROWS[::-1], tokens=("x", "y", "z"))
    if target.matrix.exists():
        assert (target.matrix.read_bytes(), target.item_ids.read_text()) == (old, "a\nb\nc\n")
    assert not list(tmp_path.glob(".*.part"))


def test_numbers_that_halves_cannot_hold(tmp_path):
    target = Target(tmp_path, "shop", "text")
    with pytest.raises(UserError, match="float16 cannot hold; leave out --fp16"):
        write(target, ROWS + 70_000, dtype="<f2")
    assert list(tmp_path.iterdir()) == []


def test_rows_that_are_too_few(tmp_path):
    with pytest.raises(UserError, match="has changed meanwhile"):
        write(Target(tmp_path, "shop", "text"), ROWS[:2])
