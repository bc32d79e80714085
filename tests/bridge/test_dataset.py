"""RecBole's data set: its own values, and a sentence where a key and the files do not go together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from recbole.data.dataset import Dataset

from recbole_kd.bridge.dataset import SoundDataset
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.data.loaders import make_loaders
from recbole_kd.foundation.errors import UserError
from recbole_kd.registry import make_config

COLUMNS = ["user_id", "item_id", "rating", "timestamp"]


@pytest.fixture
def folder(tmp_path):
    """12 users with 6 of 8 items each, in an order of time."""
    folder = tmp_path / "toy"
    folder.mkdir()
    rows = [f"u{n % 12}\ti{(n % 12 + 5 * (n // 12)) % 8}\t{n % 5 + 1}\t{1000 + n}" for n in range(72)]
    head = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
    (folder / "toy.inter").write_text("\n".join([head, *rows]) + "\n")
    (folder / "toy.item").write_text("item_id:token\tname:token\n" + "".join(f"i{n}\tn{n}\n" for n in range(8)))
    return folder


def make(folder: Path, cls: type[Dataset] = MultiModalDataset, **values) -> MultiModalDataset:
    values = {"data_path": str(folder.parent), "load_col": {"inter": COLUMNS}, "normalize_all": False, **values}
    return cls(make_config(model="BPR", dataset="toy", config_dict=values))


def rewrite(folder: Path, change, name: str = "toy.inter") -> None:
    path = folder / name
    path.write_text(change(path.read_text()))


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"load_col": None},
        {"load_col": {"inter": "*", "item": ["item_id", "name"]}, "normalize_field": ["rating"]},
        {"user_inter_num_interval": "[2,inf)", "val_interval": {"rating": "(1,5]"}, "rm_dup_inter": "last"},
        {"load_col": None, "unload_col": {"inter": ["timestamp"]}, "threshold": {"rating": 3}},
        {"benchmark_filename": ["a", "b", "c"]},
    ],
    ids=["plain", "all columns", "normalised", "filtered", "labels", "benchmark"],
)
def test_it_holds_what_recboles_own_does(folder, values):
    for part in "abc":
        (folder / f"toy.{part}.inter").write_text((folder / "toy.inter").read_text())
    mine, theirs = make(folder, SoundDataset, **values), make(folder, Dataset, **values)
    assert dict(mine.field2type) == dict(theirs.field2type)
    assert dict(mine.field2source) == dict(theirs.field2source)
    assert dict(mine.field2seqlen) == dict(theirs.field2seqlen)
    assert mine.feat_name_list == theirs.feat_name_list
    for field, tokens in theirs.field2id_token.items():
        assert mine.field2id_token[field].tolist() == tokens.tolist()
    for name in theirs.feat_name_list:
        np.testing.assert_array_equal(getattr(mine, name).to_numpy(), getattr(theirs, name).to_numpy())


def test_two_ids_of_other_names_need_no_load_col(folder):
    rewrite(folder, lambda text: text.replace("user_id", "UserID").replace("item_id", "MovieID"))
    rewrite(folder, lambda text: text.replace("item_id", "MovieID"), "toy.item")
    found = make(folder, USER_ID_FIELD="UserID", ITEM_ID_FIELD="MovieID", load_col={"inter": ["user_id", "item_id"]})
    assert (found.user_num, found.item_num) == (13, 9)


BY_TIME = {"order": "TO", "split": {"LS": "valid_and_test"}}
WRONG = {
    "a column that is not there": (
        {"load_col": {"inter": ["user_id", "item_id", "raiting"]}},
        "'raiting' of inter.*did you mean rating",
    ),
    "a filter on what is not loaded": (
        {"load_col": {"inter": ["user_id", "item_id"]}, "val_interval": {"rating": "[4,inf)"}},
        "val_interval names the column 'rating', which is not loaded; add it to load_col",
    ),
    "a filter beside parts": (
        {"benchmark_filename": ["a", "b", "c"], "user_inter_num_interval": "[2,inf)"},
        r"user_inter_num_interval=\[2,inf\) does nothing beside benchmark_filename",
    ),
    "a file that is not there": (
        {"load_col": {"inter": COLUMNS, "user": ["user_id"]}},
        r"load_col asks for columns of .*toy\.user, and it is not there",
    ),
    "unloading what is not there": (
        {"load_col": None, "unload_col": {"inter": ["nope"]}},
        r"unload_col leaves out 'nope' of .*toy\.inter, which has only user_id",
    ),
    "not using an id": ({"unused_col": {"inter": ["user_id"]}}, "unused_col names 'user_id', without which"),
    "an interval of tokens": ({"val_interval": {"user_id": "[4,inf)"}}, "user_id is of type token; give it a list"),
    "a list of numbers": ({"val_interval": {"rating": [4, 5]}}, "rating is of type float; give it an interval"),
    "normalising nothing": ({"normalize_field": ["nope"]}, "normalize_field names the column 'nope'"),
    "normalising tokens": ({"normalize_field": ["user_id"]}, "normalize_field names 'user_id', which is of type token"),
    "an alias that is not there": ({"alias_of_item_id": ["nope"]}, "alias_of_item_id names the column 'nope'"),
    "a threshold of tokens": ({"threshold": {"user_id": 3}}, "threshold names 'user_id', which is of type token"),
    "time that is not there": (
        {"load_col": None, "TIME_FIELD": "when", "eval_args": BY_TIME},
        r"column 'when' is not loaded; add it to load_col, as in load_col=\{inter: \[user_id, item_id, when",
    ),
    "time that is no number": (
        {"TIME_FIELD": "user_id", "eval_args": BY_TIME},
        "'user_id' is of type token; write user_id:float",
    ),
    "a filter that leaves nothing": (
        {"user_inter_num_interval": "[100,inf)"},
        r"no interactions of the data set 'toy': .*user_inter_num_interval=\[100,inf\) drops 72",
    ),
    "an additional file that is not there": ({"additional_feat_suffix": ["emb"]}, r"toy\.emb"),
    "preload_weight of nothing": (
        {"preload_weight": {"item_id": "vector"}},
        "preload_weight names the column 'vector'",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_keys_that_do_not_fit_the_files_are_named(folder, name):
    values, sentence = WRONG[name]
    for part in values.get("benchmark_filename", ()):
        (folder / f"toy.{part}.inter").write_text((folder / "toy.inter").read_text())
    with pytest.raises(UserError, match=sentence):
        make(folder, **values)


def test_columns_of_other_names_are_listed(folder):
    rewrite(folder, lambda text: text.replace("user_id", "session_id"))
    with pytest.raises(UserError, match=r"no column 'user_id', only session_id, item_id, .*--USER_ID_FIELD=NAME"):
        make(folder)


def test_an_id_of_numbers_is_refused(folder):
    rewrite(folder, lambda text: text.replace("user_id:token", "user_id:float").replace("\nu", "\n"))
    with pytest.raises(UserError, match="'user_id' is of type float; write user_id:token"):
        make(folder)


def test_a_folder_without_interactions_tells_what_it_has(folder):
    (folder / "toy.inter").rename(folder / "ratings.inter")
    with pytest.raises(UserError, match=r"no file .*toy\.inter.*; the folder has ratings\.inter"):
        make(folder)


def test_a_file_without_rows_is_refused(folder):
    rewrite(folder, lambda text: text.split("\n")[0] + "\n")
    with pytest.raises(UserError, match="a header and no interactions"):
        make(folder)


def test_a_part_without_interactions_is_named(folder):
    rewrite(folder, lambda text: text.split("\n")[0] + "\n" + "".join(f"u{n}\ti{n % 8}\t1\t1\n" for n in range(20)))
    says = r"the validation part of 'toy' has no interactions.*no user has more than 1"
    data = make(folder)
    with pytest.raises(UserError, match=says):
        data.build()
    data = make(folder)
    with pytest.raises(UserError, match=says):
        make_loaders(data.config, data)


def test_a_user_with_every_item_is_named(folder):
    rewrite(folder, lambda text: text + "".join(f"u99\ti{n}\t1\t1\n" for n in range(8)))
    data = make(folder)
    with pytest.raises(UserError, match=r"u99 .* has interacted with each of the 8 items.*interval=\[0,7\]"):
        make_loaders(data.config, data)
    kept = make(folder, user_inter_num_interval="[0,7]")
    assert len(make_loaders(kept.config, kept).train_part) > 0


def test_what_the_filters_drop_is_counted(folder):
    found = make(folder, val_interval={"rating": "[2,inf)"}, item_inter_num_interval="[1,inf)")
    dropped = {key.split("=")[0]: count for key, count in found.dropped.items()}
    assert dropped["val_interval"] == sum(n % 5 == 0 for n in range(72))
    assert dropped["item_inter_num_interval"] == 0
    assert sum(dropped.values()) + len(found) == 72
