"""Things by name: by lying in a folder, registered, or offered by another package."""

import sys
from importlib.metadata import EntryPoint

import pytest

from recbole_kd.data.convert import LAYOUTS
from recbole_kd.experiments.report.pictures import PICTURES
from recbole_kd.foundation import registry
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.registry import Registry
from recbole_kd.registry import DISTILLERS, MODELS, find_model, own_names


@pytest.fixture
def numbers(tmp_path, monkeypatch) -> Registry[int]:
    """A folder with the numbers one and two, and a file that holds none."""
    package = tmp_path / "numbers_of_ours"
    (package / "deep").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "deep" / "__init__.py").write_text("")
    (package / "one.py").write_text("NUMBER = 1\n")
    (package / "deep" / "two.py").write_text("NUMBER = 2\n")
    (package / "nothing.py").write_text("OTHER = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield Registry("number", "numbers_of_ours", lambda found: type(found) is int, "whole number", lambda name, _: name)
    for name in [name for name in sys.modules if name.startswith("numbers_of_ours")]:
        del sys.modules[name]


def offer(monkeypatch, *entries: tuple[str, str]) -> None:
    offered = [EntryPoint(name, value, "recbole_kd.numbers") for name, value in entries]
    monkeypatch.setattr(registry, "entry_points", lambda group: offered if group == "recbole_kd.numbers" else [])


def test_a_file_in_the_folder_is_enough(numbers):
    assert numbers.all() == {"one": 1, "two": 2}
    assert "one" in numbers
    assert "nothing" not in numbers
    with pytest.raises(KeyError):
        numbers.find("three")


def test_a_name_is_read_from_the_file_and_nothing_is_imported(numbers, tmp_path):
    package = tmp_path / "numbers_of_ours"
    (package / "three.py").write_text('NUMBER = int(\n    "3"\n)\n')
    (package / "four.py").write_text("# NUMBER = 4\nraise ImportError\nNUMBER = four\n")
    named = Registry(
        "number", "numbers_of_ours", numbers.accepts, "whole number", lambda module, word: f"{module}:{word}"
    )
    assert named.names() == {"one:1", "two:2", "three:3", "four:four"}
    assert not [name for name in sys.modules if name.startswith("numbers_of_ours.")]
    assert named.find("three:3") == 3
    with pytest.raises(ImportError):
        named.find("four:four")


def test_ours_win_over_registered_ones_and_those_over_other_packages(numbers, monkeypatch):
    offer(monkeypatch, ("one", "sys:maxsize"), ("four", "sys:maxsize"), ("five", "sys:maxsize"))
    numbers.register("four", 4)
    assert (numbers.find("one"), numbers.find("four"), numbers.find("five")) == (1, 4, sys.maxsize)
    assert numbers.names() == {"one", "two", "four", "five"}


def test_one_that_ends_the_process_is_one_sentence_too(numbers, monkeypatch):
    class Ends(EntryPoint):
        def load(self):
            raise SystemExit(7)

    entry = Ends("six", "a:b", "recbole_kd.numbers")
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry])
    with pytest.raises(UserError, match="the number 'six' of a:b cannot be loaded: 7"):
        numbers.find("six")


def test_no_other_package_changes_a_model_of_recboles(monkeypatch):
    for found in (MODELS, DISTILLERS):
        monkeypatch.setattr(found, "_registered", {"DMF": object, "NeuMF": object})
    assert find_model("DMF").__module__ == "recbole.model.general_recommender.dmf"
    assert find_model("LightGCN").__module__ == "recbole_kd.models.lightgcn"  # ours is RecBole's, but faster
    assert "DMF" not in own_names()


def test_what_cannot_be_registered_is_one_sentence(numbers):
    with pytest.raises(UserError, match="the number 'one' is one of ours; register yours under another name"):
        numbers.register("one", 100)
    with pytest.raises(UserError, match="'x' cannot be registered as the number 'six': it is no whole number"):
        numbers.register("six", "x")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("sys:version", "is no whole number"),
        ("absent_package:x", "cannot be loaded: No module named"),
        ("sys:no", "load"),
    ],
)
def test_what_another_package_does_wrong_is_one_sentence(numbers, monkeypatch, value, says):
    offer(monkeypatch, ("six", value))
    with pytest.raises(UserError, match=says) as caught:
        numbers.find("six")
    assert "the number 'six' of" in str(caught.value)


@pytest.mark.parametrize(
    ("found", "names"),
    [
        (MODELS, {"BM3", "FREEDOM", "GRCN", "LATTICE", "LightGCN", "MGCN", "MMGCN", "MTS4MMStudent", "VBPR"}),
        (DISTILLERS, {"MTS4MM", "PromptMM", "RCEKD"}),
        (LAYOUTS, {"promptmm", "mmrec", "lightgcn", "citeulike"}),
        (PICTURES, {"pareto", "metrics", "losses", "overlap", "ranks", "tsne", "groups", "modalities", "sensitivity"}),
    ],
    ids=lambda found: getattr(found, "kind", ""),
)
def test_all_four_kinds_are_found(found, names):
    assert names <= found.names()
    assert all(found.accepts(thing) for thing in found.all().values())
    assert all(getattr(thing, "name", name) == name for name, thing in found.all().items())
    assert all(
        getattr(thing, "__name__", name).removesuffix("Distiller") == name for name, thing in found.all().items()
    )
    assert found.group == f"recbole_kd.{found.kind}s"
