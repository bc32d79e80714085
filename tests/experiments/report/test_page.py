"""The page: what it says, and that it is one file that nothing can be smuggled into."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from tqdm import tqdm

from recbole_kd.experiments.report import page
from recbole_kd.experiments.report.page import Shown, render, write_page
from recbole_kd.experiments.report.pictures import Drawn, Picture, all_pictures
from recbole_kd.experiments.report.text import Cell, Part, Text
from recbole_kd.foundation.errors import UserError

EVIL = """<script>alert(1)</script> "quoted" 'single' & {{ 7 * 7 }} </style>"""


class Reader(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text = ""

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    return reader


def text(label: str = "BPR") -> Text:
    line = [Cell(label), Cell("0.2 ± 0.1", 0.2, best=True), Cell("–")]
    return Text(label, {"data set": label}, ["", "ndcg@20", label], [line], [label])


def test_what_it_says():
    html = render(text(), [Shown("some", "A picture", "How to read it.", b"png", 5.0), Shown("none", "Other", "Not.")])
    reader = read(html)
    (image,) = [attributes for tag, attributes in reader.tags if tag == "img"]
    assert image["src"] == "data:image/png;base64,cG5n"
    assert image["alt"] == "A picture. How to read it."
    assert [attributes["id"] for tag, attributes in reader.tags if tag == "section"] == ["table", "some", "none"]
    cells = [attributes for tag, attributes in reader.tags if tag == "td"]
    assert cells == [{"class": "best", "data-value": "0.2"}, {}]
    assert [attributes for tag, attributes in reader.tags if tag == "th"][-1] == {"scope": "row"}
    for said in ("0.2 ± 0.1", "A picture", "How to read it.", "Not."):
        assert said in reader.text


def test_how_it_was_made_and_what_is_folded():
    parts = [Part("Data", {"users": "40", "density": "29.2%"}), Part("How", {"command": "recbole-kd compare"})]
    html = render(replace(text(), parts=parts), [Shown("some", "A", "B", b"png", 1.0, folded=True)])
    reader = read(html)
    assert [attributes["id"] for tag, attributes in reader.tags if tag == "section"] == ["table", "made", "some"]
    tags = [tag for tag, _ in reader.tags]
    assert tags.count("details") == tags.count("summary") == 1
    assert "open" not in dict(reader.tags)["details"]  # on demand, by the browser itself and without a script
    for said in ("users", "29.2%", "recbole-kd compare"):
        assert said in reader.text
    assert "details" not in [tag for tag, _ in read(render(text(), [Shown("some", "A", "B", b"", 1.0)])).tags]


def test_labels_are_harmless():
    plain, evil = (
        read(render(replace(text(label), parts=[Part(label, {label: label})]), [Shown("some", label, label, b"", 1.0)]))
        for label in ("BPR", EVIL)
    )
    assert [tag for tag, _ in evil.tags] == [tag for tag, _ in plain.tags]
    assert [sorted(attributes) for _, attributes in evil.tags] == [sorted(attributes) for _, attributes in plain.tags]
    assert evil.text.count(EVIL) == plain.text.count("BPR")


def test_nothing_is_fetched():
    html = render(text(), [Shown("some", "A", "B", b"png", 1.0)])
    for _, attributes in read(html).tags:
        for key in ("src", "href", "srcset", "data", "action"):
            assert re.match(r"(data:|#)", attributes.get(key, "#"))
    assert not re.search(r"https?://|file:|url\(|@import", html)


def test_every_picture_has_its_own_place_and_one_sentence_of_reading():
    pictures = all_pictures()
    assert {"pareto", "metrics", "losses", "ranks", "overlap", "modalities", "tsne", "sensitivity", "groups"} <= {
        *pictures
    }
    assert len({picture.place for picture in pictures.values()}) == len(pictures)
    for picture in pictures.values():
        assert picture.reading.endswith(".")
        assert ". " not in picture.reading
        assert len(picture.reading) < 330


def test_pictures_that_fail(compared, tmp_path, monkeypatch, capsys):
    def unavailable(compared):
        raise UserError(f"{EVIL}\nis not there")

    def broken(compared):
        raise ZeroDivisionError("no\nway")

    def works(compared):
        from matplotlib.figure import Figure

        return Drawn(Figure(figsize=(2, 1)), "Seed 7.")

    made = {name: Picture(0, name, "Read.", draw) for name, draw in locals().items() if callable(draw)}
    monkeypatch.setattr(page, "all_pictures", lambda: made)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "broken.png").write_bytes(b"of an earlier report")
    write_page(tmp_path / "report.html", text(), compared, tqdm(disable=True))
    said = read((tmp_path / "report.html").read_text()).text
    assert f"Not drawn: {EVIL} is not there." in said
    assert "Not drawn: ZeroDivisionError: no way." in said
    assert "Traceback" not in said
    assert "Read. Seed 7." in said
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["works.png"]


@pytest.mark.parametrize("name", list(all_pictures()))
def test_a_comparison_of_which_nothing_is_left_is_one_sentence_each(compared, name, tmp_path):
    for row in compared.rows:
        row.histories = dict.fromkeys(row.stages, tmp_path / "gone.json")
        for stage in row.stages.values():
            stage |= {"latency": None, "inference_parameters": None}
    with pytest.raises(UserError) as caught:
        all_pictures()[name].draw(compared)
    assert str(caught.value)
    assert "\n" not in str(caught.value)
