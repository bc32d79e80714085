import pytest

from recbole_kd.data.content.pictures import digest_of, find_pictures
from recbole_kd.data.content.report import Report
from recbole_kd.foundation.errors import UserError


def test_a_file_an_item(tmp_path):
    for name in ("7.jpg", "8.PNG", "a.b.webp", "7.png", "notes.txt", ".jpg"):
        (tmp_path / name).write_text(name)
    (tmp_path / "sub.jpg").mkdir()
    (tmp_path / "9.jpg").symlink_to(tmp_path / "7.jpg")
    report = Report()
    assert {token: path.name for token, path in find_pictures(tmp_path, report).items()} == {
        "7": "7.jpg",
        "8": "8.PNG",
        "a.b": "a.b.webp",
    }
    assert list(report.counts.values()) == [2, 1, 1, 1]
    said = "\n".join(report.lines())
    for name in ("notes.txt", "9.jpg", "sub.jpg", "7.png"):
        assert name in said


def test_no_picture(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match=r"has no picture; call them <item>\.jpg"):
        find_pictures(tmp_path, Report())
    with pytest.raises(UserError, match="there is no folder"):
        find_pictures(tmp_path / "gone", Report())
    (tmp_path / "a\nb.jpg").touch()
    with pytest.raises(UserError, match=r"file .* with a line break in it"):
        find_pictures(tmp_path, Report())


def test_another_content_is_another_digest(tmp_path):
    (tmp_path / "1.jpg").write_text("a")
    before = digest_of(find_pictures(tmp_path, Report()))
    assert digest_of(find_pictures(tmp_path, Report())) == before
    (tmp_path / "1.jpg").write_text("b")
    assert digest_of(find_pictures(tmp_path, Report())) != before
