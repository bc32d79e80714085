import numpy as np
import pytest

from recbole_kd.data.content.blocks import encoded, forget
from tests.data.content.stubs import Stub, row_of

INPUTS = [(f"i{number}", "broken" if number == 4 else f"text {number}") for number in range(10)]


def run(folder, encoder, work="a"):
    return list(encoded(INPUTS, encoder, 3, folder, work))


def test_each_block_is_encoded_once(tmp_path):
    first, second = Stub(), Stub()
    blocks = run(tmp_path, first)
    again = run(tmp_path, second)
    assert [len(call) for call in first.calls] == [3, 3, 3, 1]
    assert second.calls == []
    for one, other in zip(blocks, again, strict=True):
        np.testing.assert_array_equal(one.rows, other.rows)
        np.testing.assert_array_equal(one.kept, other.kept)
        assert one.notes == other.notes
    assert [list(block.kept) for block in blocks][1] == [True, False, True]
    assert blocks[1].notes == {"broken ones": ["i4"]}
    np.testing.assert_array_equal(blocks[3].rows, [row_of("text 9")])


def test_a_kill_loses_the_block_that_was_begun_alone(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Stub(stop_at=3))
    after = Stub()
    run(tmp_path, after)
    assert after.calls == [["i6", "i7", "i8"], ["i9"]]


def test_blocks_of_other_work_are_not_believed(tmp_path):
    run(tmp_path, Stub(), "a")
    other = Stub()
    run(tmp_path, other, "b")
    assert len(other.calls) == 4


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-40]),
        lambda path: path.write_bytes(path.read_bytes().replace(b"i4", b"i5")),
        lambda path: np.savez(path, **{**np.load(path), "rows": np.zeros((3, 3), np.float32)}),
        lambda path: np.savez(path, **{**np.load(path), "rows": np.full((2, 3), np.nan, np.float32)}),
        lambda path: np.savez(path, **{**np.load(path), "notes": np.frombuffer(b"[1]", np.uint8)}),
        lambda path: np.savez(path, work=np.load(path)["work"]),
    ],
)
def test_a_damaged_block_is_made_again(tmp_path, damage):
    blocks = run(tmp_path, Stub())
    damage(tmp_path / "000001.npz")
    again = Stub()
    repaired = run(tmp_path, again)
    assert again.calls == [["i3", "i4", "i5"]]
    np.testing.assert_array_equal(repaired[1].rows, blocks[1].rows)


def test_a_link_is_no_block(tmp_path):
    run(tmp_path / "a", Stub()) if (tmp_path / "a").mkdir() else None
    folder = tmp_path / "b"
    folder.mkdir()
    run(folder, Stub())
    (folder / "000000.npz").rename(tmp_path / "elsewhere.npz")
    (folder / "000000.npz").symlink_to(tmp_path / "elsewhere.npz")
    before = (tmp_path / "elsewhere.npz").read_bytes()
    again = Stub()
    run(folder, again)
    assert again.calls == [["i0", "i1", "i2"]]
    assert (tmp_path / "elsewhere.npz").read_bytes() == before


def test_what_is_not_ours_stays(tmp_path):
    folder = tmp_path / "blocks"
    folder.mkdir()
    run(folder, Stub())
    (folder / "notes.txt").touch()
    forget(folder)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    (folder / "notes.txt").unlink()
    forget(folder)
    assert not folder.exists()
