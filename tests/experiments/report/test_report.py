"""The report of a whole comparison, on disk and in a real browser."""

import json
import os
from pathlib import Path

import pytest

from recbole_kd.cli import main
from recbole_kd.experiments.report.pictures import all_pictures
from tests.experiments.compare.conftest import OF_PAIR, PAIR, SHORT, compare
from tests.experiments.report.browser import address
from tests.experiments.report.test_page import read

OUT = Path("compare/board")
WORDS = [f"--models=BPR,MTS4MM,{PAIR}", "--seeds=2", "--kd_diagnostics=true", *OF_PAIR]
TRIALS = "trial,state,valid,rank_weight,emb_weight,reason\n0,complete,0.1,0.1,0.01,\n1,complete,0.2,1.0,0.1,\n"


def page() -> str:
    return (OUT / "report.html").read_text()


def sections() -> dict[str, str]:
    """The text of each picture's part of the page."""
    parts = page().split('<section id="')[1:]
    return {part.partition('"')[0]: read('<section id="' + part).text for part in parts}


@pytest.fixture
def groups_alone(monkeypatch):
    """A report with one picture, which is made of checkpoints."""
    monkeypatch.setattr("recbole_kd.experiments.report.page.all_pictures", lambda: {"groups": all_pictures()["groups"]})


def test_in_a_browser(quick, browser, capsys):
    from selenium.webdriver.common.by import By

    Path("tune/board-MTS4MM").mkdir(parents=True)
    Path("tune/board-MTS4MM/trials.csv").write_text(TRIALS)
    assert compare(*WORDS, report=True) == 0
    assert capsys.readouterr().out.strip().endswith(f"runs.jsonl\npictures: {OUT / 'report.html'}")
    names = list(all_pictures())
    assert sorted(path.stem for path in (OUT / "pictures").glob("*.png")) == sorted(names)
    os.rename(OUT / "report.html", "alone.html")  # nothing beside it is needed
    browser.get_log("performance")  # of its own empty page
    browser.get(address(Path("alone.html")))

    def script(code, *values):
        return browser.execute_script(f"return {code}", *values)

    assert (
        script("document.title")
        == "3 models on board, seeds 2020 to 2021, test: full ranking, train + valid items masked"
    )
    folded = [name for name, picture in all_pictures().items() if picture.folded]
    assert script("[...document.querySelectorAll('details')].map(d => d.closest('section').id)") == folded
    assert script("[...document.querySelectorAll('details')].every(d => !d.open && d.clientHeight < 60)")
    made = script("document.getElementById('made').innerText")
    for said in ("480", "density\n50.000%", "train 280, valid 80, test 120", "kd_diagnostics", "torch"):
        assert said in made
    assert "recbole-kd compare --dataset=board" in made
    for summary in browser.find_elements(By.CSS_SELECTOR, "summary"):
        summary.click()
    pictures = script(
        "[...document.images].map(i => [i.closest('section').id, i.complete, i.naturalWidth, i.naturalHeight,"
        " i.getBoundingClientRect().width, i.getBoundingClientRect().height, getComputedStyle(i).visibility])"
    )
    assert [name for name, *_ in pictures] == names
    for _, complete, *sizes, visibility in pictures:
        assert complete
        assert min(sizes) > 100
        assert visibility == "visible"
    captions = script("[...document.querySelectorAll('figcaption')].map(c => c.textContent)")
    assert len(captions) == len(names)
    assert all("seed" in caption.lower() for caption in captions)
    sorts(browser, script)
    readable_on_a_phone(browser, script)
    assert browser.get_log("browser") == []
    asked = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [one["params"]["request"]["url"] for one in asked if one["method"] == "Network.requestWillBeSent"]
    assert {url.partition(":")[0] for url in asked} <= {"file", "data"}
    assert sum(url.startswith("file:") for url in asked) == 1


def test_a_hostile_name_in_a_browser(quick, browser, groups_alone, capsys):
    """A data set's name is text wherever it stands; the page needs no script."""
    name = "a<img src=x onerror=alert(1)>$x$"
    for path in sorted(Path("dataset/board").iterdir()):
        path.rename(path.with_name(path.name.replace("board", name, 1)))
    Path("dataset/board").rename(f"dataset/{name}")
    assert main(["compare", f"--dataset={name}", "--models=BPR", *SHORT]) == 0
    browser.get(address(Path("compare") / name / "report.html"))
    assert name in browser.title
    assert name in browser.execute_script("return document.querySelector('h1').textContent")
    assert browser.execute_script("return document.images.length") == 1  # the picture, and no other
    assert browser.get_log("browser") == []
    assert "<img src=x" not in Path("compare", name, "report.html").read_text()
    assert not any(
        line.startswith(f"1 model on {name}") for line in Path("compare", name, "table.md").read_text().split("\n")
    )


def sorts(browser, script):
    """By click and by key; numbers by their value, and what is unknown last both ways."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    def column(place):
        return script("[...document.querySelectorAll('tbody tr')].map(r => r.cells[arguments[0]].textContent)", place)

    def order():
        return script("[...document.querySelectorAll('thead th')].map(h => h.getAttribute('aria-sort'))")

    buttons = browser.find_elements(By.CSS_SELECTOR, "thead button")
    headings = [button.text for button in buttons]
    labels = column(0)
    assert labels == ["BPR", "MTS4MM alone", "MTS4MM", f"{PAIR} teacher", f"{PAIR} alone", PAIR]
    assert set(order()) == {"none"}
    place = next(place for place, heading in enumerate(headings) if heading.startswith("parameters"))
    numbers = [int(text.replace(",", "")) for text in column(place)]
    script("document.querySelectorAll('thead button')[arguments[0]].scrollIntoView({inline: 'center'})", place)
    buttons[place].click()
    assert [int(text.replace(",", "")) for text in column(place)] == sorted(numbers, reverse=True)
    assert order()[place] == "descending"
    buttons[place].send_keys(Keys.ENTER)
    assert [int(text.replace(",", "")) for text in column(place)] == sorted(numbers)
    assert (order()[place], order().count("none")) == ("ascending", len(headings) - 1)
    place = next(place for place, heading in enumerate(headings) if heading.startswith("p (t)"))
    for _ in range(2):
        buttons[place].send_keys(Keys.SPACE)
        assert column(place)[-1] == "–"
        assert column(0)[-1] == "BPR"
    buttons[0].send_keys(Keys.ENTER)
    assert column(0) == sorted(labels, key=str.lower)
    assert script("document.activeElement === arguments[0]", buttons[0])


def readable_on_a_phone(browser, script):
    """The page itself never scrolls sideways; the table and wide pictures do within it."""
    size = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    assert script("document.documentElement.scrollWidth") <= 360
    widths = script("[...document.images].map(i => i.getBoundingClientRect().width)")
    assert min(widths) >= 300
    assert script("[...document.querySelectorAll('.wide')].every(w => w.clientWidth <= 360)")


def test_what_is_missing_is_said_in_a_sentence(quick, capsys):
    assert compare(f"--models=BPR,{PAIR}", *OF_PAIR) == 0
    (teacher,) = Path("saved").glob("board-VBPR-teacher-*.pth")
    teacher.unlink()
    next((OUT / "histories").glob("BPR-*.json")).unlink()
    assert compare(f"--models=BPR,{PAIR}", *OF_PAIR, report=True) == 0
    assert len(quick) == 2
    found = sections()
    assert f"Not drawn: there is no checkpoint at {teacher}." in found["ranks"]
    assert f"{PAIR} teacher is left out: there is no checkpoint at {teacher}." in found["groups"]
    assert "BPR is left out: " in found["losses"]
    assert "is missing or damaged; delete its line in runs.jsonl" in found["losses"]
    assert "such as --models=MTS4MM" in found["modalities"]
    assert "it needs the trials of recbole-kd tune" in found["sensitivity"]
    assert "Traceback" not in page() + capsys.readouterr().err


def test_computed_once_and_left_out_on_demand(quick, groups_alone, monkeypatch):
    assert compare("--models=BPR") == 0
    assert not (OUT / "report.html").exists()
    assert compare("--models=BPR", report=True) == 0
    first = sections()
    monkeypatch.setattr("recbole_kd.experiments.report.compared.open_quietly", None)
    assert compare("--models=BPR", report=True) == 0
    assert sections() == first
    assert "Seed 2020." in first["groups"]


def test_a_tested_cutoff_that_is_not_printed(quick, groups_alone):
    assert compare("--models=BPR", "--test_metric=MRR@4", report=True) == 0
    assert "tested metricmrr@4" in "".join(read(page()).text.split("\n"))
    assert "Not drawn" not in sections()["groups"]


def test_a_moved_data_set(quick, groups_alone):
    command = ["compare", "--dataset=board", "--models=BPR", *SHORT]
    assert main(command) == 0
    for path in (OUT / "pictures" / "numbers").iterdir():
        path.unlink()
    Path("dataset").rename("moved")
    assert main([*command, "--data_path=moved"]) == 0
    assert "Not drawn" not in sections()["groups"]


@pytest.mark.parametrize("value", ["perhaps", "7"])
def test_a_wrong_value(quick, capsys, value):
    assert compare("--models=BPR", f"--report={value}", report=True) == 2
    assert "report" in capsys.readouterr().err
