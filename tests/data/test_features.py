from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from recbole_kd.data import matrix as matrix_module
from recbole_kd.data.features import find_modalities, load_features, normalise
from recbole_kd.data.matrix import finite_float32, open_matrix, row_blocks
from recbole_kd.foundation.errors import UserError

TOKENS = ["[PAD]", "a", "b", "c"]
FLOATS, LARGE = st.floats(-99, 99, width=32), st.floats(-(2.0**100), 2.0**100, width=32)
VALUES = np.array([[1, 2], [3, 4], [5, 9]], dtype=np.float32)


def write(folder: Path, array: np.ndarray = VALUES, ids: str | bytes = "a\nb\nc\n") -> tuple[Path, Path]:
    path, ids_path = folder / "toy.text.npy", folder / "toy.item_ids"
    np.save(path, array)
    ids_path.write_bytes(ids if isinstance(ids, bytes) else ids.encode())
    return path, ids_path


def load(folder: Path, tokens=TOKENS, **policies) -> np.ndarray:
    return load_features(folder / "toy.text.npy", folder / "toy.item_ids", tokens, "text", **policies)


def refused(folder: Path, *words: str, **policies) -> str:
    with pytest.raises(UserError) as caught:
        load(folder, **policies)
    message = str(caught.value)
    for word in words:
        assert word in message, message
    assert "\n" not in message
    return message


class TestAlignment:
    def test_rows_follow_internal_ids_and_padding_is_zero(self, tmp_path):
        write(tmp_path, ids="c\na\nb\n")
        out = load(tmp_path, feature_norm="none")
        assert out.dtype == np.float32
        assert out.flags.c_contiguous
        np.testing.assert_array_equal(out, [[0, 0], [3, 4], [5, 9], [1, 2]])

    def test_items_known_only_from_the_features_are_left_out(self, tmp_path):
        write(tmp_path, ids="a\nstranger\nc\n")
        np.testing.assert_array_equal(
            load(tmp_path, ["[PAD]", "c", "a"], feature_norm="none"), [[0, 0], [5, 9], [1, 2]]
        )

    def test_an_item_called_like_the_padding_is_not_the_padding(self, tmp_path):
        write(tmp_path, ids="[PAD]\na\nb\n")
        np.testing.assert_array_equal(load(tmp_path, TOKENS[:3], feature_norm="none"), [[0, 0], [3, 4], [5, 9]])

    @settings(max_examples=40)
    @given(
        data=st.data(),
        array=hnp.arrays(
            np.float32, st.tuples(st.integers(2, 12), st.integers(1, 4)), elements=st.floats(-99, 99, width=32)
        ),
    )
    def test_permuting_the_rows_with_their_ids_changes_nothing(self, tmp_path_factory, data, array):
        array[:, 0] += 100  # no all-zero matrix
        folder = tmp_path_factory.mktemp("features")
        ids = [f"item {n}" for n in range(len(array))]
        order = data.draw(st.permutations(range(len(array))))
        write(folder, array, "\n".join(ids))
        expected = load(folder, ["[PAD]", *ids])
        write(folder, array[order], "\r\n".join(ids[n] for n in order))
        np.testing.assert_array_equal(load(folder, ["[PAD]", *ids]), expected)

    def test_blocks_do_not_change_the_result(self, tmp_path, monkeypatch):
        generator = np.random.default_rng(0)
        write(tmp_path, generator.normal(size=(50, 7)), "\n".join(map(str, range(50))))
        tokens = ["[PAD]", *map(str, generator.permutation(50))]
        whole = load(tmp_path, tokens)
        monkeypatch.setattr(row_blocks, "__defaults__", (3 * 7 * 8,))
        np.testing.assert_allclose(load(tmp_path, tokens), whole, atol=1e-6)

    def test_fortran_order_and_big_endian(self, tmp_path):
        write(tmp_path, np.asfortranarray(VALUES.astype(">f8")))
        np.testing.assert_array_equal(load(tmp_path, feature_norm="none")[1:], VALUES)

    @pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int8, np.uint16, np.int64])
    def test_numbers_of_any_kind_become_float32(self, tmp_path, dtype):
        write(tmp_path, VALUES.astype(dtype))
        out = load(tmp_path, feature_norm="none")
        assert out.dtype == np.float32
        np.testing.assert_array_equal(out[1:], VALUES)

    def test_bool_is_a_multi_hot_matrix(self, tmp_path):
        write(tmp_path, np.array([[True, False], [False, True], [True, True]]))
        np.testing.assert_array_equal(load(tmp_path, feature_norm="none")[1:], [[1, 0], [0, 1], [1, 1]])

    def test_byte_order_mark_is_tolerated(self, tmp_path):
        write(tmp_path, ids=b"\xef\xbb\xbfa\nb\nc")
        np.testing.assert_array_equal(load(tmp_path, feature_norm="none")[1:], VALUES)


class TestNormalise:
    @settings(max_examples=60)
    @given(
        array=hnp.arrays(
            np.float32,
            st.tuples(st.integers(2, 30), st.integers(1, 5)),
            elements=st.floats(-(2.0**100), 2.0**100, width=32),
        ),
    )
    def test_columns_have_mean_0_and_variance_1_or_are_zero(self, array):
        full = np.vstack([np.zeros((1, array.shape[1]), np.float32), array])
        constant = array.min(axis=0) == array.max(axis=0)
        present = np.arange(len(full)) > 0
        out = normalise(full, present, "error", "standardise")[1:].astype(np.float64)
        assert np.isfinite(out).all()
        np.testing.assert_allclose(out.mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(out.var(axis=0)[~constant], 1, atol=1e-4)
        assert (out[:, constant] == 0).all()

    def test_a_constant_column_becomes_zero_exactly(self, tmp_path):
        # the mean of 0.1 thrice is not 0.1 in floating point
        write(tmp_path, np.array([[0.1, 1], [0.1, 2], [0.1, 4]]))
        assert (load(tmp_path)[:, 0] == 0).all()

    def test_float16_statistics_do_not_overflow(self, tmp_path):
        half = np.random.default_rng(1).uniform(1000, 60000, size=(300, 3)).astype(np.float16)
        tokens = ["[PAD]", *map(str, range(300))]
        write(tmp_path, half, "\n".join(tokens[1:]))
        out = load(tmp_path, tokens)
        write(tmp_path, half.astype(np.float32), "\n".join(tokens[1:]))
        np.testing.assert_array_equal(out, load(tmp_path, tokens))
        np.testing.assert_allclose(out[1:].std(axis=0), 1, atol=1e-5)

    def test_only_items_of_the_data_set_count(self, tmp_path):
        write(tmp_path, np.array([[1.0, 1], [3, 2], [1e9, 7]]))
        np.testing.assert_allclose(load(tmp_path, TOKENS[:3])[1:, 0], [-1, 1])

    def test_missing_rows_do_not_distort(self, tmp_path):
        write(tmp_path)
        tokens = [*TOKENS, "lost"]
        for policy in ("mean", "zero"):
            out = load(tmp_path, tokens, missing_features=policy)
            np.testing.assert_allclose(out[1:4], load(tmp_path)[1:4])
            assert (out[4] == 0).all()

    def test_missing_rows_without_normalisation(self, tmp_path):
        write(tmp_path)
        tokens = [*TOKENS, "lost"]
        np.testing.assert_allclose(load(tmp_path, tokens, missing_features="mean", feature_norm="none")[4], [3, 5])
        np.testing.assert_allclose(load(tmp_path, tokens, missing_features="zero", feature_norm="none")[4], [0, 0])

    def test_all_zero_rows_are_kept_and_counted_unless_they_count_as_missing(self, tmp_path, caplog):
        write(tmp_path, np.array([[1.0, 2], [0, 0], [5, 9]]))
        with caplog.at_level(logging.WARNING):
            kept = load(tmp_path, feature_norm="none")
        assert "1 all-zero rows are kept" in caplog.text
        assert "'b'" in caplog.text
        assert (kept[2] == 0).all()
        np.testing.assert_allclose(load(tmp_path, missing_features="mean", feature_norm="none")[2], [3, 5.5])
        np.testing.assert_allclose(load(tmp_path, missing_features="mean")[1:, 0], [-1, 0, 1])


class TestRefused:
    def test_missing_items(self, tmp_path):
        write(tmp_path)
        tokens = [*TOKENS, "d", "e", "f", "g"]
        with pytest.raises(UserError, match=r"4 of 7 items have no row.*'d', 'e', 'f' ….*missing_features"):
            load(tmp_path, tokens)

    @pytest.mark.parametrize("policy", ["error", "mean", "zero"])
    def test_no_item_at_all(self, tmp_path, policy):
        write(tmp_path, ids="x\ny\nz")
        refused(tmp_path, "none of the 3 items", "item_ids", missing_features=policy)

    def test_duplicate_token(self, tmp_path):
        write(tmp_path, ids="a\nb\na\n")
        refused(tmp_path, "'a' twice", "lines 1 and 3")

    def test_row_count(self, tmp_path):
        write(tmp_path, ids="a\nb\n")
        refused(tmp_path, "3 rows", "2 lines")

    @pytest.mark.parametrize(
        ("value", "word"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity"), (1e39, "infinity in float32")]
    )
    def test_not_finite(self, tmp_path, value, word):
        array = VALUES.astype(np.float64)
        array[2, 1] = value
        write(tmp_path, array)
        refused(tmp_path, word, "'text'", "row 2", "'c'", "column 1")

    def test_not_finite_in_a_row_that_no_item_uses(self, tmp_path):
        write(tmp_path, np.array([[1.0], [np.nan], [2]]), "a\nstranger\nb")
        refused(tmp_path, "NaN", "'stranger'")

    def test_object_array_is_not_unpickled(self, tmp_path):
        class Trap:
            def __reduce__(self):
                return (Path.touch, (tmp_path / "ran",))

        write(tmp_path)
        np.save(tmp_path / "toy.text.npy", np.array([[Trap()]], dtype=object), allow_pickle=True)
        refused(tmp_path, "Python objects", "text")
        assert not (tmp_path / "ran").exists()

    @pytest.mark.parametrize("dtype", ["U3", "S3", "complex64", "datetime64[s]", "f4,f4"])
    def test_wrong_dtype(self, tmp_path, dtype):
        write(tmp_path, np.zeros((3, 2), dtype=dtype))
        refused(tmp_path, "dtype", "float32")

    @pytest.mark.parametrize("shape", [(), (3,), (3, 2, 1)])
    def test_not_two_dimensional(self, tmp_path, shape):
        write(tmp_path, np.ones(shape))
        refused(tmp_path, str(shape), "2-D")

    @pytest.mark.parametrize(("shape", "word"), [((0, 4), "zero rows"), ((3, 0), "zero columns")])
    def test_no_rows_or_columns(self, tmp_path, shape, word):
        write(tmp_path, np.ones(shape))
        refused(tmp_path, word)

    def test_all_rows_zero(self, tmp_path):
        write(tmp_path, np.zeros((3, 2)))
        refused(tmp_path, "all rows are zero", missing_features="mean")

    def test_empty_file(self, tmp_path):
        path, _ = write(tmp_path)
        path.write_bytes(b"")
        refused(tmp_path, "empty file")

    @pytest.mark.parametrize("keep", [3, 6, 9, 40, 120, -1])
    def test_cut_short(self, tmp_path, keep):
        path, _ = write(tmp_path)
        path.write_bytes(path.read_bytes()[:keep])
        refused(tmp_path, "cut short", str(path))

    @pytest.mark.parametrize("content", [b"PK\x03\x04 a zip archive", b"1.0,2.0\n3.0,4.0\n", b"\x80\x04\x95pickle"])
    def test_not_npy(self, tmp_path, content):
        path, _ = write(tmp_path)
        path.write_bytes(content)
        refused(tmp_path, "not a .npy file", "numpy.save")

    def test_broken_header(self, tmp_path):
        path, _ = write(tmp_path)
        path.write_bytes(path.read_bytes().replace(b"descr", b"d\x00scr"))
        refused(tmp_path, "header")

    def test_item_ids_missing(self, tmp_path):
        _, ids = write(tmp_path)
        ids.unlink()
        refused(tmp_path, "item_ids does not exist")

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"", ["is empty"]),
            (b"\n\n", ["is empty"]),
            (b"a\n\xff\nc\n", ["not UTF-8", "line 2"]),
            (b"a\n\nc\n", ["blank line 2"]),
        ],
    )
    def test_item_ids_unreadable(self, tmp_path, content, words):
        write(tmp_path, ids=content)
        refused(tmp_path, *words)

    def test_features_missing(self, tmp_path):
        path, _ = write(tmp_path)
        path.unlink()
        refused(tmp_path, "does not exist")


def test_find_modalities(tmp_path):
    for name in (
        "toy.text.npy",
        "toy.my-image.npy",
        "toy.npy",
        "toy..npy",
        "other.text.npy",
        "toy.text.npz",
        "toy.inter",
    ):
        (tmp_path / name).touch()
    assert list(find_modalities(tmp_path, "toy")) == ["my-image", "text"]
    assert find_modalities(tmp_path / "absent", "toy") == {}


def test_the_matrix_stays_on_disk(tmp_path):
    path, _ = write(tmp_path)
    assert isinstance(open_matrix(path, "text"), np.memmap)


def test_blocks_are_small():
    wide = np.empty((1000, 4096), dtype=np.float16)
    assert all(8 * block.size <= matrix_module.BLOCK_BYTES for _, block in row_blocks(wide))
    assert len(finite_float32(wide[:0], 0, None, "text", "x")) == 0
