"""Ask pip-audit for known vulnerabilities of what is installed here; exit status 1 if there are any.

Where its service is out of reach that is said, and is no failure: it says nothing about the packages.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

# Findings that do not concern us, by their id, each with the reason: {"PYSEC-2000-1": "we never call it"}.
EXPLAINED: dict[str, str] = {}


def judge(code: int, out: str, err: str) -> tuple[int, list[str]]:
    """What pip-audit's answer means: an exit status, and lines for a reader."""
    try:
        found: list[dict[str, Any]] = json.loads(out)["dependencies"]
    except (ValueError, KeyError, TypeError):
        reason = err.strip().splitlines()[-1] if err.strip() else f"exit status {code}"
        return 0, [f"not audited: pip-audit could not ask its service ({reason})"]
    known = [(one, flaw) for one in found for flaw in one.get("vulns", ()) if flaw["id"] not in EXPLAINED]
    lines = [
        f"{one['name']} {one['version']}: {flaw['id']}, mended in {', '.join(flaw.get('fix_versions', ())) or 'none'}"
        for one, flaw in known
    ]
    asked = [one for one in found if "skip_reason" not in one]
    left_out = [one["name"] for one in found if "skip_reason" in one]
    if known:
        return 1, lines
    if not asked:
        return 0, [f"not audited: the service knows none of {len(found)} packages, so it is no copy of the public one"]
    more = f"; not known there: {', '.join(left_out)}" if left_out else ""
    return 0, [f"{len(asked)} packages have no known vulnerability{more}"]


def main() -> int:
    """Audit this interpreter's packages."""
    command = [sys.executable, "-m", "pip_audit", "--format=json", "--progress-spinner=off", "--skip-editable"]
    try:
        # this interpreter and fixed words
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)  # nosec B603
    except subprocess.TimeoutExpired:
        print("not audited: the service does not answer")
        return 0
    status, lines = judge(done.returncode, done.stdout, done.stderr)
    print("\n".join(lines))
    return status


if __name__ == "__main__":
    sys.exit(main())
