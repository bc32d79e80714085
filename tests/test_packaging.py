"""The package as it is installed: what the wheel holds, what it asks for, and that it runs from an empty folder."""

import ast
import importlib.metadata
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

from recbole_kd import compat
from recbole_kd.errors import UserError
from tests.processes import ROOT, python

SOURCES = ("setup.py", "pyproject.toml", "README.md", "LICENSE", "recbole_kd", "properties")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy, so that no build folder is left in the checkout."""
    copy = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)
    out = tmp_path_factory.mktemp("wheel")
    here = find_spec("setuptools") is not None and find_spec("build") is not None
    command = (
        ["build", "--wheel", "--no-isolation", "--outdir", out] if here else ["pip", "wheel", "--no-deps", "-w", out]
    )
    built = subprocess.run(
        [sys.executable, "-m", *map(str, command), str(copy)], capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (file,) = out.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def metadata(wheel) -> importlib.metadata.PathDistribution:
    with zipfile.ZipFile(wheel) as archive:
        files = [name for name in archive.namelist() if ".dist-info/" in name]
        archive.extractall(wheel.parent / "metadata", files)
    return importlib.metadata.PathDistribution(next((wheel.parent / "metadata").glob("*.dist-info")))


class TestWheel:
    def test_holds_all_properties_and_no_tests(self, wheel):
        names = set(zipfile.ZipFile(wheel).namelist())
        for file in (ROOT / "properties").rglob("*.yaml"):
            assert f"recbole_kd/_properties/{file.relative_to(ROOT / 'properties')}" in names
        for file in (ROOT / "recbole_kd").rglob("*.py"):
            assert str(file.relative_to(ROOT)) in names
        assert "recbole_kd/py.typed" in names
        for file in (ROOT / "recbole_kd" / "report" / "template").iterdir():
            assert str(file.relative_to(ROOT)) in names
        assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "properties/", "build/"))]
        assert not [name for name in names if "test" in Path(name).name]

    def test_requirements_are_ranges(self, metadata):
        asked = [text for text in metadata.requires or () if "extra ==" not in text]
        ranges = {
            re.match(r"[A-Za-z0-9_.-]+", text)[0].lower(): set(re.findall(r"[<>=!~]=?[0-9.]+", text)) for text in asked
        }
        assert not [text for text in asked if "==" in text or "@" in text]
        assert ranges["torch"] == {">=2.2"}
        assert ranges["recbole"] == {">=1.2.1", "<1.3"}
        assert "<3" in ranges["pandas"]
        assert "ray" not in ranges
        assert metadata.metadata["Requires-Python"] == ">=3.11"
        assert metadata.metadata["License"] == "MIT" or metadata.metadata["License-Expression"] == "MIT"

    def test_every_third_party_import_is_asked_for(self, metadata):
        asked = {re.match(r"[A-Za-z0-9_.-]+", text)[0].lower() for text in metadata.requires or ()}
        of_module = {"yaml": "pyyaml", "sklearn": "scikit-learn"}
        imported = set()
        for file in (ROOT / "recbole_kd").rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    imported |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    imported.add(str(node.module).partition(".")[0])
        missing = {
            of_module.get(name, name) for name in imported - set(sys.stdlib_module_names) - {"recbole_kd"}
        } - asked
        assert missing == set()

    def test_console_script(self, metadata):
        (script,) = metadata.entry_points
        assert (script.group, script.name, script.value) == ("console_scripts", "recbole-kd", "recbole_kd.cli:main")


def test_the_installed_wheel_runs_from_an_empty_folder(wheel, tmp_path):
    """A fresh environment that sees this one's packages, so that PyTorch is not downloaded again."""
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    binary = environment / ("Scripts" if sys.platform == "win32" else "bin")
    (packages,) = [path for path in environment.rglob("site-packages") if path.is_dir()]
    command = ["pip", "--python", str(binary / "python"), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([sys.executable, "-m", *command], check=True, capture_output=True)
    (packages / "outer.pth").write_text(sysconfig.get_path("purelib") + "\n")
    folder = tmp_path / "empty"
    folder.mkdir()
    where = subprocess.run(
        [binary / "python", "-c", "import recbole_kd.properties as p; print(p.__file__); print(p.FOLDER)"],
        **{"cwd": folder, "capture_output": True, "text": True, "check": True},
    ).stdout.split()
    assert all(Path(path).is_relative_to(packages) for path in where)
    words = ["train", "--model=PromptMM", "--dataset=ml-100k", "--epochs=1", "--show_progress=false"]
    done = subprocess.run(
        [binary / "recbole-kd", *words, "--result_file=result.json"],
        **{"cwd": folder, "capture_output": True, "text": True, "check": False, "timeout": 600},
    )
    assert done.returncode == 0, done.stderr
    assert "distilled student" in done.stdout
    assert (folder / "result.json").is_file()
    assert len(list((folder / "saved").glob("ml-100k-*.pth"))) == 2


def test_runs_where_ray_cannot_be_imported(checkerboard):
    code = """
import sys
class NoRay:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "ray":
            raise ImportError("ray is blocked")
sys.meta_path.insert(0, NoRay())
try:
    import ray
except ImportError:
    from recbole_kd.cli import main
    words = ["--model=PromptMM", "--dataset=board", "--epochs=1", "--topk=[3]", "--valid_metric=NDCG@3"]
    status = main(["train", *words, "--show_progress=false", "--state=error"])
    assert not [name for name in sys.modules if name.split(".")[0] == "ray"]
    sys.exit(status)
"""
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
    assert "distilled student" in done.stdout


@pytest.mark.parametrize("version", ["3.0.0", "3.1.0rc1", "10.2"])
def test_pandas_3_is_one_sentence(monkeypatch, version):
    monkeypatch.setattr(pd, "__version__", version)
    with pytest.raises(UserError, match=f"pandas {re.escape(version)} makes RecBole corrupt .*pip install 'pandas<3'"):
        compat.check_versions()


def test_constraints_pin_what_the_ranges_allow():
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line)
    assert pins["recbole"] == "1.2.1"
    assert int(pins["pandas"].split(".")[0]) < 3
