from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from recbole_kd.data.convert import convert
from recbole_kd.data.convert.citeulike import read as read_citeulike
from recbole_kd.data.convert.lightgcn import hold_out
from recbole_kd.data.convert.lightgcn import read as read_lightgcn
from recbole_kd.data.convert.mmrec import read as read_mmrec
from recbole_kd.data.convert.promptmm import read as read_promptmm
from recbole_kd.foundation.errors import UserError


def pairs(array: np.ndarray) -> set[tuple[int, int]]:
    return {(int(user), int(item)) for user, item in array}


class TestPromptMM:
    SPLITS = ([[1, 1, 0], [0, 1, 1]], [[0, 0, 1], [0, 0, 0]], [[0, 0, 0], [1, 0, 0]])

    @pytest.fixture(
        params=[
            ("trnMat.pkl", "valMat.pkl", "tstMat.pkl"),
            ("train_mat", "val_mat", "test_mat"),
            ("train_mat.pkl", "val_mat.pkl", "test_mat.pkl"),
        ]
    )
    def source(self, request, tmp_path):
        for name, dense in zip(request.param, self.SPLITS, strict=True):
            (tmp_path / name).write_bytes(pickle.dumps(sparse.csr_matrix(np.array(dense, dtype=np.float64))))
        np.save(tmp_path / "image_feat.npy", np.arange(6, dtype=np.float16).reshape(3, 2))
        self.names = request.param
        return tmp_path

    def test_splits_and_features(self, source):
        published = read_promptmm(source)
        assert pairs(published.splits["train"]) == {(0, 0), (0, 1), (1, 1), (1, 2)}
        assert pairs(published.splits["valid"]) == {(0, 2)}
        assert pairs(published.splits["test"]) == {(1, 0)}
        assert (published.users, published.items) == (2, 3)
        assert list(published.features) == ["image"]

    def test_stored_zeros_are_no_interactions(self, source):
        matrix = sparse.coo_matrix(([1.0, 0.0, 2.0], ([0, 0, 1], [0, 1, 2])), shape=(2, 3))
        (source / self.names[0]).write_bytes(pickle.dumps(matrix))
        assert pairs(read_promptmm(source).splits["train"]) == {(0, 0), (1, 2)}

    def test_shapes_must_agree(self, source):
        (source / self.names[2]).write_bytes(pickle.dumps(sparse.csr_matrix(np.eye(4))))
        with pytest.raises(UserError, match=r"\(4, 4\).*\(2, 3\)"):
            read_promptmm(source)

    def test_a_missing_split_names_what_was_tried(self, source):
        (source / self.names[1]).unlink()
        with pytest.raises(UserError, match=r"no valid matrix \(tried valMat\.pkl, .*val_mat\.pkl\)"):
            read_promptmm(source)

    def test_feature_rows_must_be_the_items(self, source):
        np.save(source / "image_feat.npy", np.ones((4, 2)))
        with pytest.raises(UserError, match="4 rows for 3 items"):
            convert("promptmm", source, "toy", source / "out")
        assert list((source / "out").iterdir()) == []

    def test_nan_in_features(self, source):
        np.save(source / "image_feat.npy", np.array([[1.0], [np.nan], [2]]))
        with pytest.raises(UserError, match=r"image.*NaN in row 1 \(item '1'\)"):
            convert("promptmm", source, "toy", source / "out")

    def test_no_folder(self, tmp_path):
        with pytest.raises(UserError, match="does not exist"):
            read_promptmm(tmp_path / "absent")


class TestMMRec:
    HEADER = "userID\titemID\trating\tx_label\n"
    ROWS = "0\t0\t1\t0\n0\t1\t1\t1\n1\t2\t1\t0\n1\t0\t1\t2\n"

    def write(self, folder: Path, text: str, rows: int | None = 3) -> Path:
        path = folder / "toy.inter"
        path.write_text(text)
        if rows:
            np.save(folder / "text_feat.npy", np.ones((rows, 2), np.float32))
        return path

    @pytest.mark.parametrize("header", [HEADER, "user_id:token\titem_id:token\trating:float\tx_label:float\n"])
    @pytest.mark.parametrize("as_file", [True, False])
    def test_splits(self, tmp_path, header, as_file):
        path = self.write(tmp_path, header + self.ROWS)
        published = read_mmrec(path if as_file else tmp_path)
        assert {split: pairs(array) for split, array in published.splits.items()} == {
            "train": {(0, 0), (1, 2)},
            "valid": {(0, 1)},
            "test": {(1, 0)},
        }
        assert (published.users, published.items, list(published.features)) == (2, 3, ["text"])

    def test_labels_written_as_floats(self, tmp_path):
        self.write(tmp_path, self.HEADER + self.ROWS.replace("\t2\n", "\t2.0\n"))
        assert len(read_mmrec(tmp_path).splits["test"]) == 1

    def test_without_features_the_items_are_counted(self, tmp_path):
        self.write(tmp_path, self.HEADER + self.ROWS, rows=None)
        assert read_mmrec(tmp_path).items == 3

    @pytest.mark.parametrize(
        ("bad", "message"),
        [
            ("2\t3\t1\t0\n", "line 6: itemID 3 is out of range; the last of the feature rows is 2"),
            ("2\tx\t1\t0\n", "line 6: itemID is 'x', not a number"),
            ("2\t-1\t1\t0\n", "line 6: itemID is '-1'"),
            ("2\t1.5\t1\t0\n", "line 6: itemID is '1.5'"),
            ("2\t\t1\t0\n", "line 6: itemID is ''"),
            ("2\t1\t1\t3\n", "line 6: x_label 3 is out of range"),
            ("99999999999\t1\t1\t0\n", "line 6: userID is '99999999999'"),
        ],
    )
    def test_bad_rows_name_their_line(self, tmp_path, bad, message):
        self.write(tmp_path, self.HEADER + self.ROWS + bad)
        with pytest.raises(UserError) as caught:
            read_mmrec(tmp_path)
        assert message in str(caught.value)

    @pytest.mark.parametrize(
        ("header", "word"),
        [("userID\titemID\trating\tlabel\n", "x_label"), ("a\titemID\tr\tx_label\n", "user….*--user_field")],
    )
    def test_a_missing_column(self, tmp_path, header, word):
        self.write(tmp_path, header + self.ROWS)
        with pytest.raises(UserError, match=word):
            read_mmrec(tmp_path)

    def test_columns_can_be_named(self, tmp_path):
        self.write(tmp_path, "who\twhat\trating\tx_label\n" + self.ROWS)
        assert read_mmrec(tmp_path, user_field="who", item_field="what").users == 2

    def test_no_or_several_inter_files(self, tmp_path):
        with pytest.raises(UserError, match=r"no \.inter"):
            read_mmrec(tmp_path)
        (tmp_path / "a.inter").touch()
        with pytest.raises(UserError, match="empty file"):
            read_mmrec(tmp_path)
        (tmp_path / "b.inter").touch()
        with pytest.raises(UserError, match=r"several.*a\.inter, b\.inter"):
            read_mmrec(tmp_path)
        with pytest.raises(UserError, match="does not exist"):
            read_mmrec(tmp_path / "absent")


class TestLightGCN:
    def write(self, folder: Path, train: str = "0 0 1 2 3\n1 2 3\n", test: str = "0 4\n1 \n", **more: str) -> Path:
        for name, text in {"train": train, "test": test, **more}.items():
            (folder / f"{name}.txt").write_text(text)
        return folder

    def test_validation_comes_from_train_and_test_is_untouched(self, tmp_path):
        published = read_lightgcn(self.write(tmp_path))
        train, valid = pairs(published.splits["train"]), pairs(published.splits["valid"])
        assert pairs(published.splits["test"]) == {(0, 4)}
        assert train | valid == {(0, 0), (0, 1), (0, 2), (0, 3), (1, 2), (1, 3)}
        assert not train & valid
        assert sorted(user for user, _ in valid) == [0, 1]
        assert (published.users, published.items) == (2, 5)

    def test_the_seed_decides(self, tmp_path):
        self.write(tmp_path, "".join(f"{u} " + " ".join(map(str, range(30))) + "\n" for u in range(20)), "0 30\n")
        first, same, other = (read_lightgcn(tmp_path, seed=seed).splits["valid"] for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, same)
        assert pairs(first) != pairs(other)
        assert len(first) == 20 * 3

    def test_a_published_validation_is_kept(self, tmp_path):
        published = read_lightgcn(self.write(tmp_path, valid="1 0\n"))
        assert pairs(published.splits["valid"]) == {(1, 0)}
        assert len(published.splits["train"]) == 6

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("1 x", "line 2: 'x' is not a number"),
            ("1 -4", "line 2: '-4' is not a number"),
            ("1 1_0", "line 2: '1_0' is not a number"),
            ("1 2.0", "line 2: '2.0' is not a number"),
            ("1 99999999999", "line 2: '99999999999' is out of range"),
            ("1 " + "9" * 5000, "is out of range"),
            ("1 ٣", "is not a number"),
        ],
    )
    def test_bad_tokens_name_their_line(self, tmp_path, line, message):
        self.write(tmp_path, f"0 1 2\n{line}\n")
        with pytest.raises(UserError) as caught:
            read_lightgcn(tmp_path)
        assert message in str(caught.value)
        assert "train.txt" in str(caught.value)

    def test_a_missing_file(self, tmp_path):
        self.write(tmp_path)
        (tmp_path / "test.txt").unlink()
        with pytest.raises(UserError, match="no test file"):
            read_lightgcn(tmp_path)
        with pytest.raises(UserError, match="give the folder"):
            read_lightgcn(tmp_path / "train.txt")

    @settings(max_examples=60)
    @given(
        counts=st.lists(st.integers(1, 40), min_size=1, max_size=12),
        ratio=st.floats(0.01, 0.9),
        seed=st.integers(0, 99),
    )
    def test_hold_out_takes_the_share_of_each_user(self, counts, ratio, seed):
        array = np.array([(user, item) for user, count in enumerate(counts) for item in range(count)])
        rest, held = hold_out(array, ratio, seed)
        assert pairs(rest) | pairs(held) == pairs(array)
        assert len(rest) + len(held) == len(array)
        for user, count in enumerate(counts):
            expected = max(1, int(count * ratio)) if count > 1 else 0
            assert (held[:, 0] == user).sum() == expected


class TestCiteULike:
    def write(self, folder: Path, users: str | None = None, words: str | None = None) -> Path:
        folder.mkdir(exist_ok=True)
        lists = [list(range(user % 3, 20)) for user in range(6)] + [[1, 2]]
        default = "\n".join(f"{len(row)} {' '.join(map(str, row))}" for row in lists)
        (folder / "users.dat").write_text(default if users is None else users)
        bags = "".join(f"2 {item % 7}:1 {7 + item % 5}:2\n" for item in range(21))
        (folder / "mult.dat").write_text(bags if words is None else words)
        (folder / "vocabulary.dat").write_text("".join(f"w{n}\n" for n in range(12)))
        return folder

    def test_random_split_is_seeded_and_8_1_1(self, tmp_path):
        source = self.write(tmp_path)
        first, same, other = (read_citeulike(source, seed=seed, text_dim=4) for seed in (1, 1, 2))
        for split, size in {"train": 16, "valid": 2, "test": 2}.items():
            of_user = first.splits[split][:, 0] == 0
            assert of_user.sum() == size
            np.testing.assert_array_equal(first.splits[split], same.splits[split])
        assert pairs(first.splits["test"]) != pairs(other.splits["test"])
        every = [pairs(array) for array in first.splits.values()]
        assert sum(map(len, every)) == len(set.union(*every)) == 20 + 19 + 18 + 20 + 19 + 18

    def test_published_split_takes_the_last_ids_and_warns(self, tmp_path):
        published = read_citeulike(self.write(tmp_path), split="published", text_dim=4)
        assert {item for user, item in pairs(published.splits["test"]) if user == 0} == {18, 19}
        assert any("leaks id order: 100.0%" in note for note in published.notes)

    def test_users_below_the_minimum_are_left_out(self, tmp_path):
        users = {user for user, _ in pairs(read_citeulike(self.write(tmp_path), text_dim=4).splits["train"])}
        assert users == set(range(6))
        with pytest.raises(UserError, match="no user with 99"):
            read_citeulike(tmp_path, min_interactions=99)

    def test_text_features(self, tmp_path):
        text = read_citeulike(self.write(tmp_path), text_dim=4).features["text"]
        assert text.shape == (21, 4)
        assert text.dtype == np.float32
        # items 0 and 35 would share both words; 0 and 7 share one, 0 and 1 none
        unit = text / np.linalg.norm(text, axis=1, keepdims=True)
        assert unit[0] @ unit[7] > unit[0] @ unit[1]

    def test_an_item_without_words_gets_a_note(self, tmp_path):
        words = "0\n" + "".join(f"2 {item % 7}:1 {7 + item % 5}:2\n" for item in range(20))
        published = read_citeulike(self.write(tmp_path, words=words), text_dim=4)
        assert any(note.startswith("1 items have no words") for note in published.notes)
        assert not published.features["text"][0].any()

    @pytest.mark.parametrize(
        ("files", "message"),
        [
            ({"users": "5 0 1 2 3 4\n3 1 2\n"}, "users.dat, line 2: announces 3 items but holds 2"),
            ({"users": "5 0 1 2 3 21\n"}, "users.dat, line 1: item 21 is out of range; the last is 20"),
            ({"users": "1 a\n"}, "users.dat, line 1: 'a' is not a number"),
            ({"words": "1 0:1\n2 0:1\n"}, "mult.dat, line 2: announces 2 words"),
            ({"words": "1 12:1\n"}, "mult.dat, line 1: word 12 is out of range; the last is 11"),
            ({"words": "1 0:x\n"}, "mult.dat, line 1: 'x' is not a number"),
            ({"words": ""}, "mult.dat holds no words"),
        ],
    )
    def test_bad_lines_are_named(self, tmp_path, files, message):
        with pytest.raises(UserError) as caught:
            read_citeulike(self.write(tmp_path, **files))
        assert message in str(caught.value)
