"""Runs Python in a process of its own, with this checkout importable."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def python(*words: str, timeout: float = 300, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``python *words`` in the current folder; one thread, so that a run repeats to the bit."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, *map(str, words)]
    return subprocess.run(
        command, env={**variables, **environment}, capture_output=True, text=True, timeout=timeout, check=False
    )
