"""The package as it is installed: what the wheel holds, what it asks for, and that it runs from an empty folder."""

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from recbole_kd.bridge import compat
from recbole_kd.foundation import requirements
from recbole_kd.foundation.errors import UserError
from tests.processes import ROOT, python
from tests.sources import copy_sources


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy of the sources."""
    copy = copy_sources(tmp_path_factory.mktemp("source"))
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(copy)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
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
        for file in (ROOT / "recbole_kd" / "experiments" / "report" / "template").iterdir():
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

    @pytest.mark.parametrize(("python", "asked"), [("3.11", True), ("3.12", False), ("3.13", False)])
    def test_recbole_is_asked_for_where_its_ray_has_a_wheel(self, metadata, python, asked):
        found = [Requirement(text) for text in metadata.requires or ()]
        (recbole,) = [requirement for requirement in found if requirement.name == "recbole"]
        assert recbole.marker.evaluate({"python_version": python}) is asked

    def test_what_recbole_imports_is_asked_for_on_every_python(self, metadata):
        found = [Requirement(text) for text in metadata.requires or ()]
        everywhere = {requirement.name for requirement in found if requirement.marker is None}
        needed = {Requirement(text).name for text in importlib.metadata.requires("recbole") if "extra ==" not in text}
        assert needed - everywhere == {"ray", "plotly"}  # for a search of its own that we do not start

    def test_all_that_is_asked_for_is_looked_for_before_a_command(self, metadata):
        asked = {Requirement(text).name for text in metadata.requires or () if "extra ==" not in text}
        of_module = {"yaml": "pyyaml", "sklearn": "scikit-learn"}
        assert {of_module.get(name, name) for name in requirements.MODULES} == asked

    def test_every_third_party_import_is_asked_for(self, metadata):
        asked = {canonicalize_name(Requirement(text).name) for text in metadata.requires or ()}
        of_module = {"yaml": "pyyaml", "sklearn": "scikit-learn", "PIL": "pillow"}
        imported = set()
        for file in (ROOT / "recbole_kd").rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    imported |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    imported.add(str(node.module).partition(".")[0])
        missing = {
            of_module.get(name, canonicalize_name(name))
            for name in imported - set(sys.stdlib_module_names) - {"recbole_kd"}
        } - asked
        assert missing == set()

    def test_console_script(self, metadata):
        (script,) = metadata.entry_points
        assert (script.group, script.name, script.value) == ("console_scripts", "recbole-kd", "recbole_kd.cli:main")


def test_the_installed_wheel_runs_from_an_empty_folder(wheel, tmp_path):
    """A fresh environment that sees this one's packages, so that PyTorch is not downloaded again."""
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    binary = environment / ("Scripts" if sys.platform == "win32" else "bin")
    (packages,) = [path for path in environment.rglob("site-packages") if path.is_dir()]
    command = ["pip", "--python", str(binary / "python"), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([sys.executable, "-m", *command], check=True, capture_output=True)
    (packages / "outer.pth").write_text(sysconfig.get_path("purelib") + "\n")
    folder = tmp_path / "empty"
    folder.mkdir()
    where = subprocess.run(
        [binary / "python", "-c", "import recbole_kd.bridge.properties as p; print(p.__file__); print(p.FOLDER)"],
        **{"cwd": folder, "env": variables, "capture_output": True, "text": True, "check": True},
    ).stdout.split()
    assert all(Path(path).is_relative_to(packages) for path in where)
    words = ["train", "--model=PromptMM", "--dataset=ml-100k", "--epochs=1", "--show_progress=false"]
    done = subprocess.run(
        [binary / "recbole-kd", *words, "--result_file=result.json"],
        **{"cwd": folder, "env": variables, "capture_output": True, "text": True, "check": False, "timeout": 600},
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


class TestMissing:
    """A module that is None in sys.modules is found nowhere, as one that is not installed."""

    @pytest.mark.parametrize("command", ["recbole-kd", "-m", "run_recbole_kd.py"])
    def test_a_command_is_one_sentence_with_what_to_do(self, command):
        code = f"""
import sys
sys.argv = ["/somewhere/{command}", "train"]
sys.modules["recbole"] = None
from recbole_kd.cli import main
sys.exit(main())
"""
        done = python("-c", code)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (
            "recbole-kd: recbole_kd cannot find recbole; "
            "install what is missing with: pip install --no-deps recbole==1.2.1\n"
        )

    @pytest.mark.parametrize("what", ["recbole_kd", "recbole_kd.models.lightgcn"])
    def test_it_is_said_at_import(self, what):
        code = f"""
import sys
sys.modules.update(recbole=None, colorlog=None, yaml=None)
try:
    import {what}
except ImportError as error:
    assert isinstance(error, ValueError)
    print(error)
"""
        assert python("-c", code).stdout == (
            "recbole_kd cannot find yaml, colorlog, recbole; install what is missing with: "
            "pip install pyyaml colorlog && pip install --no-deps recbole==1.2.1\n"
        )


def test_constraints_pin_what_the_ranges_allow(metadata):
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line)
    asked = [Requirement(text) for text in metadata.requires or ()]
    assert not [str(found) for found in asked if pins[canonicalize_name(found.name)] not in found.specifier]
    assert "ray" not in pins


class TestEnvironment:
    """``scripts/``, by which make installs: uv with pip's settings, RecBole without its ray."""

    def test_no_python_gets_recboles_ray(self):
        tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]
        (override,) = map(Requirement, tool["override-dependencies"])
        assert override.name == "ray"
        assert not any(override.marker.evaluate({"python_version": python}) for python in ("3.11", "3.12", "3.13"))

    def test_what_pip_was_told_is_handed_to_uv(self, tmp_path):
        told = tmp_path / "pip.conf"
        told.write_text(
            "[global]\nindex-url = https://a.example/simple\nfind-links = /overruled\n"
            "[install]\nfind-links = /one\n  /two\nextra-index-url = https://b.example https://c.example\n"
        )
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "SSL_"))}
        done = subprocess.run(
            [sys.executable, ROOT / "scripts" / "pip_settings.py"],
            env={**variables, "PIP_CONFIG_FILE": str(told), "PIP_CERT": "/a b.pem", "UV_INDEX": "kept"},
            **{"capture_output": True, "text": True, "check": True},
        )
        assert "export UV_DEFAULT_INDEX=https://a.example/simple\n" in done.stdout
        assert "export UV_FIND_LINKS=/one,/two\n" in done.stdout
        assert "export SSL_CERT_FILE='/a b.pem'\n" in done.stdout
        assert "UV_INDEX=" not in done.stdout

    def test_a_python_that_is_not_to_be_had_is_one_sentence(self, tmp_path):
        stub = tmp_path / "uv"
        stub.write_text('#!/bin/sh\n[ "$1" = --version ]\n')
        stub.chmod(0o755)
        script = ["sh", ROOT / "scripts" / "environment.sh", tmp_path / "environment", "python3.99"]
        path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            script, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 2
        assert done.stderr == (
            "there is no Python 3.99 here and uv could not bring one: "
            "install one and name it, as in: make test PYTHON=python3.13\n"
        )
