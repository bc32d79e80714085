from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_kd.atomic.table import AtomicFile, Layout
from recbole_kd.bridge.dataset_yaml import KEYS
from recbole_kd.data.convert import convert
from recbole_kd.data.convert.table import read
from recbole_kd.foundation.errors import UserError

# What a file of lines with tabs can hold as an id.
TOKENS = (
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t\n\r\0"), min_size=1, max_size=8)
    | st.sampled_from(["00012", "SKU-001", "NA", "null", '"', '"a', "1.0", "-", "#", "a,b", "nan", "user_id:token"])
).filter(str.strip)
RANDOM = {"split": {"RS": [0.8, 0.1, 0.1]}, "order": "RO", "group_by": "user"}
PAIRS = st.lists(st.tuples(TOKENS, TOKENS), min_size=1, max_size=12)


def table(folder: Path, text: str, name: str = "orders.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def pairs_of(found) -> list[tuple[str, str]]:
    return [
        (found.user_tokens[user], found.item_tokens[item])
        for user, item in zip(found.users.tolist(), found.items.tolist(), strict=True)
    ]


def write_pairs(path: Path, pairs: list[tuple[str, str]], separator: str) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter=separator)
        writer.writerows([("user", "item"), *pairs])


class TestRoundTrip:
    @given(pairs=PAIRS, separator=st.sampled_from(",;\t|"))
    def test_any_tokens_are_the_same_in_the_atomic_file(self, pairs, separator):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "orders.csv")
            write_pairs(path, pairs, separator)
            written = convert("table", path, "shop", folder) / "shop.inter"
            layout = Layout(ids=frozenset({"user_id", "item_id"}))
            found = AtomicFile(written, layout).read()
        assert list(zip(found["user_id"], found["item_id"], strict=True)) == list(dict.fromkeys(pairs))

    @given(pairs=PAIRS)
    @settings(max_examples=10)
    def test_any_tokens_are_the_same_in_recboles_data_set(self, pairs):
        from recbole_kd.registry import make_config
        from recbole_kd.training.run import open_data

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "orders.csv")
            write_pairs(path, pairs, ",")
            convert("table", path, "shop", folder)
            data = open_data(make_config("BPR", arguments=["--dataset=shop", f"--data_path={folder}", "--state=error"]))
            users = data.id2token("user_id", np.asarray(data.inter_feat["user_id"], dtype=int))
            items = data.id2token("item_id", np.asarray(data.inter_feat["item_id"], dtype=int))
        assert list(zip(users.tolist(), items.tolist(), strict=True)) == list(dict.fromkeys(pairs))


class TestColumns:
    @pytest.mark.parametrize("user", ["user", "user_id", "userId", "User ID", "customer_id", "Customer", "reviewerID"])
    @pytest.mark.parametrize("item", ["item", "product_id", "sku", "asin", "movieId"])
    def test_well_known_names(self, tmp_path, user, item):
        found = read(table(tmp_path, f"n,{item},{user}\n1,b,a\n"))
        assert pairs_of(found) == [("a", "b")]
        assert found.notes[0] == f"Of its columns {user!r} is the user and {item!r} the item."

    @pytest.mark.parametrize(
        ("header", "options", "message"),
        [
            ("a,b,c", {}, "no column known as user.*--user=COLUMN, one of a, b, c$"),
            ("user_id,customer,sku", {}, "2 columns that may be the user, user_id, customer;.*--user=COLUMN"),
            ("usr,Artikelnr,n", {"user": "usr", "item": "Artikelnr", "time": "Artikel"}, "has usr, Artikelnr, n$"),
            ("user:token,item:token,us", {"item": "use", "user": "user"}, "item:token, us; did you mean us"),
            ("user,item,n", {"user": "usr"}, "no column 'usr'; it has user, item, n; did you mean user"),
            ("user,item,n", {"time": "when"}, "no column 'when'; it has user, item, n"),
            ("196,242,3", {}, "no header"),
            (
                '"us\x1ber",item,n',
                {"user": "user"},
                r"no column 'user'; it has 'us\\x1ber', item, n(; did you mean item\?)?$",
            ),
            ("user,item,n", {"item": "user"}, "--user and --item both name the column 'user'"),
            ("user,item,item", {"item": "item"}, "2 columns called 'item'"),
        ],
    )
    def test_what_is_not_sure_is_refused(self, tmp_path, header, options, message):
        with pytest.raises(UserError, match=message):
            read(table(tmp_path, f"{header}\n1,2,3\n"), **options)

    def test_times_and_ratings_that_nobody_asked_for_are_told(self, tmp_path):
        notes = read(table(tmp_path, "user,item,rating,timestamp\na,b,4,9\n")).notes
        assert "The column 'timestamp' was not read; --time=timestamp takes it as the time." in notes
        assert "The column 'rating' was not read; --rating=rating takes it as the rating." in notes

    def test_an_atomic_file_is_a_table_too(self, tmp_path):
        found = read(table(tmp_path, "user_id:token\titem_id:token\ttimestamp:float\na\tb\t9\n"), time="timestamp")
        assert (pairs_of(found), found.times.tolist()) == ([("a", "b")], [9.0])


class TestRows:
    def test_ids_stay_texts(self, tmp_path):
        assert pairs_of(read(table(tmp_path, "user,item\n00012,SKU-001\n12,1.0\n"))) == [
            ("00012", "SKU-001"),
            ("12", "1.0"),
        ]

    def test_empty_cells_are_counted(self, tmp_path):
        found = read(
            table(tmp_path, "user,item,r,t\n,b,1,1\na, ,1,1\na,b,,1\na,b,1,nan\na,b,2,3\n,,,\n"), rating="r", time="t"
        )
        assert (found.rows, len(found), found.ratings.tolist()) == (6, 1, [2.0])
        for note in ("2 rows have no user", "1 rows have no item", "1 rows have no rating", "1 rows have no time"):
            assert any(said.startswith(note) for said in found.notes), note

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ("a,b,four", r"orders.csv, line 3: r is 'four', which is no finite number"),
            ("a,b,inf", "line 3: r is 'inf'"),
            ("a,b,1e39", "line 3: r is '1e39'"),
            ("a,b,1_0", "line 3: r is '1_0'"),
            ("a,b,-", "line 3: r is '-'"),
            ('a,b,"4,5"', "line 3: r is '4,5', .* 4.5 with a point, or say --decimal=,"),
            ('"a\tb",c,1', "line 3: user is .* with a tab in it, which RecBole's files cannot hold"),
            ("a,x\0y,1", "line 3: item is .* with a NUL character in it"),
            ("a,[PAD],1", r"line 3: item is '\[PAD\]'"),
            (f"a,{'x' * 501},1", "line 3: item is 'x+…', of 501 characters"),
        ],
    )
    def test_a_bad_value_names_its_row(self, tmp_path, row, message):
        with pytest.raises(UserError, match=message):
            read(table(tmp_path, f"user,item,r\na,a,1\n{row}\n"), rating="r")

    def test_decimal_commas(self, tmp_path):
        text = "user;item;r\na;b;717,24\na;c;-3\na;d;\na;e; 1,5 \n"
        assert read(table(tmp_path, text), rating="r", decimal=",").ratings.tolist() == [717.24, -3, 1.5]
        for bad, message in (
            ("1.234,5", "which has a point"),
            ("1,2,3", "which is no finite number"),
            ("4.5", "a point"),
        ):
            with pytest.raises(UserError, match=rf"line 2: r is '{bad}', .*{message}"):
                read(table(tmp_path, f"user;item;r\na;b;{bad}\n"), rating="r", decimal=",")

    def test_doubtful_ids_are_told(self, tmp_path):
        notes = " ".join(read(table(tmp_path, "user,item\nNULL,a\nb, c\n")).notes)
        assert "'user' holds NULL, taken as an id like others" in notes
        assert "1 ids of 'item' begin or end with a space, which is kept." in notes

    def test_ids_that_a_space_alone_parts_are_counted(self, tmp_path):
        notes = " ".join(read(table(tmp_path, "user,item\na,b\na,b \na, c\na, d\na,d \n")).notes)
        told = "4 ids of 'item' begin or end with a space, which is kept; 3 of them are another id but for the space."
        assert told in notes

    def test_whole_numbers_with_a_point_are_told(self, tmp_path):
        notes = " ".join(read(table(tmp_path, "user,item\n346.0,a\n7,1.5\n8.0,b\n")).notes)
        told = "2 ids of 'user' are numbers with a .0, which is kept (first: 346.0); write 346 if other tables do."
        assert told in notes
        assert "ids of 'item'" not in notes

    def test_nothing_left(self, tmp_path):
        with pytest.raises(UserError, match="none of its 2 rows has user and item"):
            read(table(tmp_path, "user,item\n,a\nb,\n"))
        with pytest.raises(UserError, match="a header and no rows"):
            read(table(tmp_path, "user,item\n"))


class TestRepeats:
    TEXT = "user,item,t\na,x,5\na,x,1\na,y,2\na,x,9\n"

    @pytest.mark.parametrize(("repeats", "times"), [("first", [1, 2]), ("last", [2, 9]), ("all", [5, 1, 2, 9])])
    def test_by_time(self, tmp_path, repeats, times):
        found = read(table(tmp_path, self.TEXT), time="t", repeats=repeats)
        assert found.times.tolist() == times
        assert any("2 rows repeat a pair" in note for note in found.notes) == (repeats != "all")

    @pytest.mark.parametrize(("repeats", "items"), [("first", ["x", "y"]), ("last", ["y", "x"])])
    def test_by_row(self, tmp_path, repeats, items):
        assert [item for _, item in pairs_of(read(table(tmp_path, self.TEXT), repeats=repeats))] == items


class TestCore:
    @given(
        pairs=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=30, unique=True),
        low=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    )
    def test_it_is_the_largest_part_where_both_hold(self, pairs, low):
        frame = pd.DataFrame(pairs, columns=["user", "item"])
        left = frame
        while True:  # one row at a time, to the same end
            few = (left.groupby("user")["item"].transform("size") < low[0]) | (
                left.groupby("item")["user"].transform("size") < low[1]
            )
            if not few.any():
                break
            left = left.drop(index=few.idxmax())
        with tempfile.TemporaryDirectory() as folder:
            frame.to_csv(path := Path(folder, "t.csv"), index=False)
            if left.empty:
                with pytest.raises(UserError, match="nothing is left with min_user"):
                    read(path, min_user=low[0], min_item=low[1])
                return
            found = read(path, min_user=low[0], min_item=low[1])
        assert pairs_of(found) == [(str(user), str(item)) for user, item in left.itertuples(index=False)]
        gone = [frame[column].nunique() - left[column].nunique() for column in frame]
        told = f"left out {gone[0]:,} users, {gone[1]:,} items and {len(frame) - len(left):,} rows"
        assert any(told in note for note in found.notes) == (len(left) < len(frame))


class TestSplits:
    TEXT = "user,item,t,r\na,x,30,1\na,y,10,2\nb,x,20,2.5\n"

    def keys(self, tmp_path, **options) -> dict:
        folder = convert("table", table(tmp_path, self.TEXT), "shop", tmp_path, overwrite=True, **options)
        self.written = (folder / "shop.inter").read_text()
        keys = yaml.safe_load((folder / "shop.yaml").read_text())
        assert set(keys) - KEYS <= {"split"}
        return keys

    def test_random_without_times(self, tmp_path):
        keys = self.keys(tmp_path)
        assert keys["eval_args"] == RANDOM
        assert keys["load_col"] == {"inter": ["user_id", "item_id"]}
        assert self.written == "user_id:token\titem_id:token\na\tx\na\ty\nb\tx\n"

    def test_leave_one_out_with_times(self, tmp_path):
        keys = self.keys(tmp_path, time="t", rating="r")
        assert keys["eval_args"] == {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user"}
        assert keys["load_col"] == {"inter": ["user_id", "item_id", "timestamp"]}
        assert (keys["TIME_FIELD"], keys["RATING_FIELD"]) == ("timestamp", "rating")
        header = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
        assert self.written == header + "a\tx\t1.0\t30\na\ty\t2.0\t10\nb\tx\t2.5\t20\n"

    def test_leave_one_out_by_the_order_of_rows(self, tmp_path):
        self.keys(tmp_path, split="leave-one-out")
        assert self.written == "user_id:token\titem_id:token\ttimestamp:float\na\tx\t0\na\ty\t1\nb\tx\t2\n"
        assert "the order of the rows is that of time" in (tmp_path / "shop" / "shop.yaml").read_text()

    def test_time(self, tmp_path):
        keys = self.keys(tmp_path, time="t", split="time")
        assert keys["eval_args"] == {"split": {"RS": [0.8, 0.1, 0.1]}, "order": "TO", "group_by": "none"}

    def test_cold_items(self, tmp_path):
        keys = self.keys(tmp_path, split="cold_items=0.1")
        assert (keys["split"], keys["eval_args"]) == ("cold_items=0.1", RANDOM)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"split": "time"}, "split=time needs times.*--time=COLUMN"),
            ({"split": "leave_one_out"}, "must be one of random, leave-one-out, time.*did you mean leave-one-out"),
            ({"split": "cold_items"}, "must be one of"),
            ({"split": "cold_items=1"}, "a share of the items between 0 and 1"),
            ({"split": "cold_items=nan"}, "a share of the items between 0 and 1"),
            ({"time_format": "%Y"}, "time_format is given without time"),
            ({"min_user": 0}, "at least 1"),
            ({"repeats": "none"}, "first, last, all"),
        ],
    )
    def test_options_are_checked_before_anything_is_read(self, tmp_path, options, message):
        with pytest.raises(UserError, match=message):
            convert("table", tmp_path / "absent.csv", "shop", tmp_path, **options)

    def test_rows_that_float32_would_mix_are_written_by_time(self, tmp_path):
        text = "user,item,t\n" + "".join(f"a,{item},{1_700_000_000 - item}\n" for item in range(5))
        assert [item for _, item in pairs_of(read(table(tmp_path, text), time="t"))] == ["4", "3", "2", "1", "0"]


class TestWritten:
    def test_a_strangers_column_cannot_end_the_comment(self, tmp_path):
        text = '"user\nseed: 3\x1b[31m",item\na,b\n'
        folder = convert("table", table(tmp_path, text), "shop", tmp_path, user="user\nseed: 3\x1b[31m")
        assert "seed" not in yaml.safe_load((folder / "shop.yaml").read_text())

    def test_features_that_go_with_an_old_data_set_are_told(self, tmp_path):
        from recbole_kd.data.convert import read_and_write

        source = table(tmp_path, "user,item\na,b\n")
        folder = convert("table", source, "shop", tmp_path)
        np.save(folder / "shop.text.npy", np.ones((1, 2)))
        _, found = read_and_write("table", source, "shop", tmp_path, True, {})
        assert found.notes[-1] == "Features of the data set that was replaced are gone: shop.text.npy."


class TestRealData:
    def test_office(self, shared_data, tmp_path):
        source = shared_data / "office" / "interactions.csv"
        folder = convert("table", source, "office", tmp_path, time="position", split="random")
        written = pd.read_csv(folder / "office.inter", sep="\t")
        given = pd.read_csv(source)
        assert list(written) == ["user_id:token", "item_id:token", "timestamp:float"]
        np.testing.assert_array_equal(written.to_numpy(), given.to_numpy())
        assert (written.iloc[:, 0].nunique(), written.iloc[:, 1].nunique()) == (3231, 3317)
