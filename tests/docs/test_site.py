"""The documentation: the site builds with warnings as errors, and what it prints can be run."""

import ast
import importlib
import os
import re
import subprocess
import sys
from importlib.util import find_spec

import pytest

from recbole_kd.experiments.compare.labels import parse_label, split_labels
from recbole_kd.foundation.errors import UserError
from tests.docs.pages import PAGES, TOP, blocks, commands, spans, words_of
from tests.docs.programs import _PROGRAMS, Refused, check, is_option
from tests.processes import ROOT

TOOLS = ("mkdocs", "material", "mkdocstrings", "mkdocstrings_handlers", "latex2mathml")
COMMANDS, SPANS, PYTHON = commands(), spans(), blocks("python")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working folder that sees what the commands read of a checkout."""
    for name in ("benchmarks", "properties"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    missing = [name for name in TOOLS if find_spec(name) is None]
    if missing:
        pytest.skip(f"the site is not built: {', '.join(missing)} not installed (pip install 'recbole-kd[docs]')")
    out = tmp_path_factory.mktemp("site")
    words = ["mkdocs", "build", "--strict", "--config-file", ROOT / "mkdocs.yml", "--site-dir", out]
    built = subprocess.run(
        [sys.executable, "-m", *map(str, words)],
        **{"cwd": ROOT, "capture_output": True, "text": True, "check": False, "timeout": 600},
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return out


class TestSite:
    def test_every_page_is_there(self, site):
        for page in (ROOT / "docs").rglob("*.md"):
            assert (site / page.relative_to(ROOT / "docs")).with_suffix(".html").is_file()
        assert not list(site.rglob("*.py"))

    def test_needs_no_network(self, site):
        for page in site.rglob("*.html"):
            assert re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(?:https?:)?//[^"]+"', page.read_text()) == []

    def test_equations_are_drawn(self, site):
        text = (site / "methods" / "rcekd.html").read_text()
        assert text.count("<math") > 5
        assert "arithmatex" not in text
        assert "$$" not in text

    def test_the_reference_has_docstrings_with_their_roles_read(self, site):
        face = (site / "reference" / "index.html").read_text()
        assert "Train and evaluate a model, or a teacher and its student." in face
        for page in (site / "reference").glob("*.html"):
            assert re.findall(r":(?:class|func|meth|data):<code>", page.read_text()) == []


def test_there_is_much_to_check():
    assert len(COMMANDS) > 40
    assert len(SPANS) > 300
    assert len(PYTHON) > 8


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_commands_parse(command, folder):
    check(words_of(command.text))


@pytest.mark.parametrize("span", [span for span in SPANS if span.text.split()[0] in _PROGRAMS], ids=str)
def test_commands_within_sentences_parse(span, folder):
    words = words_of(span.text)
    if len(words) == 1:
        return  # the name of a program
    name = words[:3] if words[1] == "-m" else words[:2]  # of a command
    if words == name or ("…" in span.text and "convert" not in name):
        words = name if words[0] in ("make", "pip") or name[1].startswith("benchmarks/") else [*name, "--help"]
    check(words)


@pytest.mark.parametrize("span", [span for span in SPANS if re.match(r"--\w", span.text)], ids=str)
def test_flags_within_sentences_exist(span):
    for word in words_of(span.text):
        key, _, value = word.removeprefix("--").partition("=")
        declared = f"    {key}: " in span.page.read_text("utf-8")  # in the page's own example
        assert key.isupper() or key in ("key", "value") or declared or is_option(key), key
        if key == "models":
            for label in split_labels(value.removesuffix("…")):
                parse_label(label)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("make coffee", "no coffee"),
        ("cargo build", "nobody knows"),
        ("recbole-kd brew --model=BPR", "no command"),
        ("recbole-kd train --model=BPR --dataset=ml-100k --epoch=3", "'epoch' is not a key"),
        ("recbole-kd train --model=BPRR --dataset=ml-100k", "no model called"),
        ("recbole-kd train --model=RCEKD --dataset=ml-100k --kd_users=-1", "not valid"),
        ("recbole-kd tune --model=BPR --dataset=ml-100k --trials=0", "not valid"),
        ("recbole-kd compare --models='BPR,RCEKD[kd_user=3]' --dataset=ml-100k", "'kd_user' is not a key"),
        ("recbole-kd compare --models=BPR --dataset=ml-100k --reference=LightGCN", "no row"),
        ("recbole-kd recommend --checkpoint=a.pth --users=1 --topk=0", "not valid"),
        ("recbole-kd recommend --checkpoint=a.pth --users=1 --top=5", "--top is no key"),
        ("recbole-kd convert mmrek a b", "no layout"),
        ("python benchmarks/stock_epoch.py --user=3", "has no --user"),
        ("pip install 'recbole-kd[tea]'", "no extra tea"),
        ("torchrun --nproc-per-node=2 -m recbole_kd train --model=BPR", "only teach"),
        ("make demo | tee log", "not checked"),
    ],
)
def test_a_command_that_cannot_run_is_refused(command, why, folder):
    with pytest.raises((Refused, UserError), match=re.escape(why)):
        check(words_of(command))


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python_compiles_and_its_names_exist(block):
    tree = ast.parse(block.text)
    compile(tree, str(block.page), "exec")
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] == "recbole_kd":
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                assert hasattr(module, alias.name), alias.name
        elif isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "recbole_kd":
            assert hasattr(importlib.import_module("recbole_kd"), node.attr), node.attr


@pytest.mark.parametrize("name", TOP)
def test_links_lead_somewhere(name):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (ROOT / name).read_text("utf-8")):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_readme_is_short():
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    assert 100 <= len(lines) <= 130
    first = "\n".join(lines[:50])
    for wanted in (
        "make demo",
        "make test",
        "pip install",
        "import recbole_kd",
        "97 %",
        "191.8 s",
        "docs/compare-ml-100k.png",
    ):
        assert wanted in first


def test_no_page_names_what_is_gone():
    for page in PAGES:
        if page.name != "CHANGELOG.md":
            assert "benchmarks/study.py" not in page.read_text("utf-8")
