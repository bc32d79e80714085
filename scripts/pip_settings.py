"""Print, as a shell's exports, what pip has been told of indexes and certificates: uv reads none of it.

``eval "$(python scripts/pip_settings.py)"`` hands it over. A variable that is set already stays as it is.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys

# pip's option: uv's variable, and what stands there between several values.
OPTIONS = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "no-index": ("UV_NO_INDEX", " "),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "cert": ("SSL_CERT_FILE", " "),
    "proxy": ("ALL_PROXY", " "),
}
SECTIONS = ("global", "install", ":env:")  # a later one is stronger


def exports(listed: str) -> dict[str, str]:
    """Return uv's variables for what ``pip config list`` has printed."""
    found: dict[str, str] = {}
    lines = [re.fullmatch(r"(.+?)\.([a-z-]+)=(.+)", line) for line in listed.splitlines()]
    for section in SECTIONS:
        for line in lines:
            if line and line[1] == section and line[2] in OPTIONS:
                variable, between = OPTIONS[line[2]]
                found[variable] = between.join(str(ast.literal_eval(line[3])).split())
    if "UV_INDEX" in found:
        found["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # the newest release of all indexes, as pip takes it
    return found


if __name__ == "__main__":
    command = [sys.executable, "-m", "pip", "config", "list"]  # this interpreter and fixed words
    asked = subprocess.run(command, capture_output=True, text=True, check=False)  # nosec B603
    for variable, value in exports(asked.stdout).items():
        if variable not in os.environ:
            print(f"export {variable}={shlex.quote(value)}")
