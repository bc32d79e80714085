"""Items that the data set does not have, ranked by a student's content path."""

import json
import re
from pathlib import Path

import pytest
import torch

from recbole_kd.cli import features, main
from recbole_kd.data.content.record import _Source as Source
from recbole_kd.data.content.report import Report
from recbole_kd.experiments.run import run
from recbole_kd.foundation.errors import UserError
from recbole_kd.serving import new_items
from recbole_kd.serving.new_items import NewSource
from recbole_kd.serving.recommend import recommend
from recbole_kd.serving.trained_model import open_trained
from tests.data.content.stubs import Stub, row_of

TABLE = "sku,title,about\nn1,item 3,about 3\nn2,,\ni5,old,old\n"


class Choice:
    def load(self, device, batch_size=None, long="truncate"):
        return Stub()


@pytest.fixture
def student(checkerboard, monkeypatch, capsys) -> str:
    """A student that learnt a path from texts of a stub."""
    for module in (features, new_items):
        monkeypatch.setattr(module, "chosen_encoder", lambda kind, name: Choice())
        monkeypatch.setattr(module, "need_libraries", lambda kind: None)
    lines = [f"i{item},item {item},about {item}" for item in range(24)]
    Path("items.csv").write_text("\n".join(["sku,title,about", *lines, ""]))
    words = ["--table=items.csv", "--columns=title,about", "--dataset=board", "--show_progress=false"]
    assert main(["features", "text", *words]) == 0
    Path("new.csv").write_text(TABLE)
    values = {"teacher": "VBPR", "student": "BPR", "kd_topk": 4, "kd_samples": 3, "student_content": "linear"}
    values |= {"topk": [3], "valid_metric": "Recall@3", "epochs": 4, "modalities": ["text"], "show_progress": False}
    values |= {"missing_features": "mean"}
    found = run("RCEKD", "board", config_dict=values).stages[-1].checkpoint
    capsys.readouterr()
    return found


def test_the_row_and_the_embedding_are_those_of_the_same_text_in_the_data_set(student):
    trained = open_trained(student)
    new = new_items.read_new_items(NewSource("new.csv"), trained.content, trained.config, untrained=True)
    assert new.tokens == ["n1", "n2"]
    expected = trained.content.embeddings(trained.train.features("text")[trained.train.token2id("item_id", "i3")][None])
    torch.testing.assert_close(new.embeddings[:1], expected)
    assert not torch.equal(new.embeddings[1], new.embeddings[0])
    assert [line.partition(" (first")[0] for line in new.told] == [
        "1 items with an empty text, which get no row",
        "1 new items that the data set has already, left to it",
    ]
    assert new.warnings == []


def test_an_item_of_which_nothing_is_known_is_left_out(student, capsys):
    trained = open_trained(student)
    new = new_items.read_new_items(NewSource("new.csv"), trained.content, trained.config)
    assert new.tokens == ["n1"]
    said = "1 new item has no text and is left out, the first is 'n2'; --untrained=true ranks it"
    assert new.told[-1] == said
    Path("broken.csv").write_text("sku,title,about\nn1,broken,\nn2,,\n")
    for untrained, expected in ((False, set()), (True, {"n1", "n2"})):
        lists = list(recommend(student, topk=23, seen=True, new_items="broken.csv", untrained=untrained))
        assert {item for found in lists for item, _ in found.items if item.startswith("n")} == expected
    words = ["recommend", f"--checkpoint={student}", "--users=u0", "--new_items=broken.csv"]
    assert main(words) == 0
    assert "2 new items have no text and are left out, the first is 'n1'; --untrained=true ranks them" in (
        capsys.readouterr().err
    )


def test_a_row_of_either_modality_is_enough():
    texts, pictures = (new_items.Record.model_construct(source=Source(columns=names)) for names in (["title"], []))
    (said,) = new_items._left_out(["n1"], {"text": texts, "posters": pictures})
    assert (
        said == "1 new item has neither text nor picture and is left out, the first is 'n1'; --untrained=true ranks it"
    )
    assert new_items._left_out(["n1"], {"posters": pictures})[0].startswith("1 new item has no picture and")
    assert new_items._left_out([], {"text": texts}) == []


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("i5,a,b\n", r"old\.csv has no item that the data set lacks, so that no new item is ranked"),
        ("", r"old\.csv is empty, it has a header and no rows, so that no new item is ranked"),
    ],
)
def test_where_nothing_is_new_the_lists_are_the_ordinary_ones(student, capsys, caplog, rows, says):
    Path("old.csv").write_text(f"sku,title,about\n{rows}")
    assert list(recommend(student, topk=5, new_items="old.csv")) == list(recommend(student, topk=5))
    assert re.search(f"new_items: {says}", caplog.text)
    words = ["recommend", f"--checkpoint={student}", "--users=u0,u1", "--topk=5"]
    assert main(words) == 0
    plain = capsys.readouterr().out
    assert main([*words, "--new_items=old.csv"]) == 0
    said = capsys.readouterr()
    assert said.out == plain
    assert re.search(f"recbole-kd: warning: new_items: {says}", said.err)


def test_ids_that_are_nearly_those_of_known_items(student, caplog):
    known = {"9": None, "i5": None, "0": None}
    some = list(new_items._doubts(NewSource("new.csv"), ["x"], ["000009", " i5", "n1", "00"], known))
    assert some == [
        "new_items: 3 new ids are those of known items but for leading zeros or spaces around them, the first '000009' "
        "beside '9'; if they are the same items, write their ids as the data set does"
    ]
    Path("spaced.csv").write_text("sku,title,about\n i5,a,b\nn1,a,b\n")
    recommend(student, new_items="spaced.csv")
    assert "1 new id is that of a known item but for leading zeros or spaces around it, the first ' i5'" in caplog.text


def test_a_folder_without_pictures_is_no_mistake_of_a_night(student, tmp_path):
    record = new_items._record(open_trained(student).train, "text")
    pictures = record.model_copy(update={"source": record.source.model_copy(update={"columns": []})})
    (tmp_path / "none").mkdir()
    assert new_items._inputs(NewSource(None, str(tmp_path / "none")), pictures, (), Report()) == {}
    (said,) = new_items._doubts(NewSource(None, "none"), [], [], ())
    assert said == "new_pictures: none is empty, it has no picture, so that no new item is ranked"


def test_it_is_ranked_among_the_others(student):
    lists = list(recommend(student, topk=23, new_items=NewSource("new.csv"), seen=True))
    without = list(recommend(student, topk=23, seen=True))
    assert any(item == "n1" for found in lists for item, _ in found.items)
    for with_it, alone in zip(lists, without, strict=True):
        others = [listed for listed in with_it.items if listed.item not in ("n1", "n2")]
        assert others == list(alone.items)[: len(others)]
    trained = open_trained(student)
    users = trained.scores.embeddings()[0]
    new = new_items.read_new_items(NewSource("new.csv"), trained.content, trained.config)
    scores = {found.user: dict(found.items).get("n1") for found in lists}
    user = next(user for user, score in scores.items() if score is not None)
    own = users[trained.train.token2id("user_id", user)] @ new.embeddings[0]
    assert scores[user] == pytest.approx(own.item(), abs=1e-5)


def test_what_is_refused(student):
    ask = NewSource("new.csv")
    Path("odd.csv").write_text("sku,name\nn1,a\n")
    with pytest.raises(UserError, match="has no column 'title'"):
        recommend(student, new_items=NewSource("odd.csv"))
    record = Path("dataset/board/board.text.json")
    values = json.loads(record.read_text())
    record.write_text(json.dumps({**values, "source": {"id": "sku", "columns": ["title", "\x1b[31mred"]}}))
    with pytest.raises(UserError, match=r"has no column '\\x1b\[31mred'.*\(.* sku, title, '\\x1b\[31mred'\)$"):
        recommend(student, new_items=ask)
    record.write_text(json.dumps({**values, "encoder": {"name": "other", "weights_sha256": "0"}}))
    with pytest.raises(UserError, match=r"whose weights are not those of .*--text_encoder"):
        recommend(student, new_items=ask)
    for content in ("{", json.dumps({**values, "source": {"columns": "title"}}), "[" * 100_000):
        record.write_text(content)
        with pytest.raises(UserError, match="is damaged"):
            recommend(student, new_items=ask)
    record.unlink()
    with pytest.raises(UserError, match="was not made by recbole-kd features"):
        recommend(student, new_items=ask)


def test_a_record_that_is_a_link_is_none(student, tmp_path):
    record = Path("dataset/board/board.text.json")
    record.rename(tmp_path / "elsewhere.json")
    record.symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(UserError, match="was not made by recbole-kd features"):
        recommend(student, new_items=NewSource("new.csv"))


def test_a_student_without_a_path_is_refused(student):
    (plain,) = Path(student).parent.glob("*-teacher-*.pth")
    with pytest.raises(UserError, match="lies no content path, which alone can tell"):
        recommend(plain, new_items=NewSource("new.csv"))
    for path in Path(student).parent.glob("*.content.pth"):
        path.unlink()
    with pytest.raises(UserError, match=rf"with a content path, .*; copy {Path(student).stem}\.content\.pth there"):
        recommend(student, new_items=NewSource("new.csv"))


def test_missing_content_follows_the_setting(student):
    content, config = (found := open_trained(student)).content, found.config
    train = content.train
    rows = {"a": row_of("item 3. about 3")}
    with pytest.raises(UserError, match=r"1 new items have no text \(first: 'b'\)"):
        new_items._aligned(train, "text", rows, ["a", "b"], "error")
    found = new_items._aligned(train, "text", rows, ["a", "b"], "mean")
    torch.testing.assert_close(found[0], train.features("text")[train.token2id("item_id", "i3")])
    assert not found[1].any()  # standardised means are zero
    assert config["feature_norm"] == "standardise"


def test_command(student, capsys):
    words = ["recommend", f"--checkpoint={student}", "--users=u0", "--topk=3", "--new_items=new.csv"]
    assert main(words) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["user"] == "u0"
    assert "1 new item is ranked by the content path, the first is 'n1'" in said.err
    assert main([*words[:-1], "--new_items=gone.csv"]) == 2
    assert "new_items: there is no file gone.csv" in capsys.readouterr().err


def test_what_only_pictures_name_is_no_item_of_a_table(student):
    trained = open_trained(student)
    with pytest.raises(UserError, match="reads no pictures, its modality 'text' was made of texts; leave"):
        new_items.read_new_items(NewSource("new.csv", "."), trained.content, trained.config)
    record = new_items._record(trained.train, "text")
    pictures = record.model_copy(update={"source": record.source.model_copy(update={"columns": []})})
    records = {"text": record, "posters": pictures}
    found = {"text": {"n1": "a"}, "posters": {"logo": Path("logo.jpg"), "n2": Path("n2.jpg")}}
    assert list(new_items._named(NewSource("new.csv", "."), records, found)) == ["n1", "n2", "i5"]
    assert list(new_items._named(NewSource(None, "."), records, {**found, "text": {}})) == ["logo", "n2"]
    with pytest.raises(
        UserError, match="new_items: the student reads no texts, its modality 'text' was made of pictures"
    ):
        new_items._check_kinds(NewSource("new.csv"), {"text": pictures})
    with pytest.raises(UserError, match="its modalities 'a', 'b' were made of pictures"):
        new_items._check_kinds(NewSource("new.csv"), {"a": pictures, "b": pictures})


def test_known_items_are_not_encoded(student, monkeypatch):
    stub = Stub()
    monkeypatch.setattr(Choice, "load", lambda *_, **__: stub)
    trained = open_trained(student)
    new_items.read_new_items(NewSource("new.csv"), trained.content, trained.config)
    assert stub.calls == [["n1"]]


def test_a_table_in_another_encoding(student):
    Path("latin.csv").write_bytes("sku,title,about\nn1,caf\xe9,b\n".encode("latin-1"))
    with pytest.raises(UserError, match="--new_items_encoding"):
        recommend(student, new_items="latin.csv")
    assert list(recommend(student, ["u0"], topk=25, new_items=NewSource("latin.csv", encoding="latin-1")))


def test_all_that_a_user_has_can_be_hidden(student):
    trained = open_trained(student)
    own = []
    for part in (trained.train, *trained.held_out):
        items = part.inter_feat["item_id"][part.inter_feat["user_id"] == 1]
        own.append(set(map(str, part.id2token("item_id", items))))
    user = str(trained.train.id2token("user_id", 1))
    some, fewer = (
        {item for item, _ in next(recommend(student, [user], topk=24, hide=hide)).items} for hide in ("training", "all")
    )
    assert not some & own[0]
    assert some - fewer == own[1] | own[2] != set()
