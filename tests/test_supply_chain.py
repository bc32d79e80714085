"""What is installed: every dependency has hashes, and an audit's answer is read right."""

import importlib.util
import json
import re
import runpy

import pytest
from packaging.requirements import Requirement

from tests.processes import ROOT

PYTHONS = ("3.11", "3.12", "3.13")
LOCK = (ROOT / "requirements.lock").read_text("utf-8")


def locked() -> dict[str, list[tuple[Requirement, int]]]:
    """By name: what is locked, and how many hashes it has."""
    found: dict[str, list[tuple[Requirement, int]]] = {}
    for entry in re.split(r"\n(?=[a-z0-9])", LOCK.partition("\n")[2]):
        text, *hashes = entry.replace("\\\n", "\n").split("\n")
        requirement = Requirement(text)
        found.setdefault(requirement.name, []).append((requirement, sum("--hash=sha256:" in line for line in hashes)))
    return found


@pytest.fixture
def asked_for(monkeypatch) -> list[Requirement]:
    """What setup.py asks for, with all that the tests need."""
    told: dict = {}
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("setuptools.setup", lambda **values: told.update(values))
    runpy.run_path("setup.py")
    return [Requirement(line) for line in {*told["install_requires"], *told["extras_require"]["test"]}]


@pytest.mark.parametrize("python", PYTHONS)
def test_every_dependency_is_locked_by_a_hash(asked_for, python):
    found = locked()
    environment = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    for requirement in asked_for:
        if requirement.name == "torch" or (requirement.marker and not requirement.marker.evaluate(environment)):
            continue
        entries = found[requirement.name.lower().replace("_", "-")]
        there = [(one, hashes) for one, hashes in entries if not one.marker or one.marker.evaluate(environment)]
        assert len(there) == 1, requirement
        ((one, hashes),) = there
        assert hashes
        (pinned,) = one.specifier
        assert pinned.operator == "=="
        assert requirement.specifier.contains(pinned.version), requirement
    assert "torch" not in found
    assert "ray" not in found


def test_versions_are_those_of_the_constraints():
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text("utf-8").split())
    for name, entries in locked().items():
        for one, _ in entries:
            assert name not in pinned or str(one.specifier) == f"=={pinned[name]}"


def test_the_lock_names_no_place():
    assert not re.search(r"://|file:|^--|/\w+/", LOCK, re.MULTILINE)


@pytest.fixture
def judge():
    spec = importlib.util.spec_from_file_location("audit", ROOT / "scripts" / "audit.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SOUND = {"name": "numpy", "version": "2.4.6", "vulns": []}
BROKEN = {"name": "jinja2", "version": "3.0.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.1.6"]}]}
SKIPPED = {"name": "torch", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("found", "status", "said"),
    [
        ([SOUND], 0, "1 packages have no known vulnerability"),
        ([SOUND, SKIPPED], 0, "not known there: torch"),
        ([SOUND, BROKEN, SKIPPED], 1, "jinja2 3.0.0: PYSEC-1, mended in 3.1.6"),
        ([SKIPPED], 0, "not audited: the service knows none of 1 packages"),
    ],
)
def test_an_audit_fails_on_findings_alone(judge, found, status, said):
    code, lines = judge.judge(1, json.dumps({"dependencies": found}), "")
    assert code == status
    assert said in "\n".join(lines)


def test_a_service_out_of_reach_is_said(judge):
    code, lines = judge.judge(1, "", "Traceback\nConnectionError: no route to host\n")
    assert (code, lines) == (
        0,
        ["not audited: pip-audit could not ask its service (ConnectionError: no route to host)"],
    )


def test_a_finding_that_is_explained(judge, monkeypatch):
    monkeypatch.setitem(judge.EXPLAINED, "PYSEC-1", "we never render what strangers wrote")
    assert judge.judge(1, json.dumps({"dependencies": [BROKEN]}), "")[0] == 0
    assert all(len(reason) > 20 for reason in judge.EXPLAINED.values())
