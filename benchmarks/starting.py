"""What a command takes that has next to nothing to do; one JSON line of seconds, the fastest of the repeats.

    python benchmarks/starting.py [--repeats=5]

A model that does not exist, a key that does not exist, a data set that is not there, the help of ``train``, and a list
for one user from a trained checkpoint, each in a process of its own. Required: 0.5 s of what is refused, 2 s of the
list. ``ratio`` is the slowest refusal over 0.5.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REFUSED = {
    "no such model": ["train", "--model=LightGNC", "--dataset=ml-100k"],
    "no such key": ["train", "--model=BPR", "--dataset=ml-100k", "--learning_rat=0.1"],
    "no such data set": ["train", "--model=BPR", "--dataset=ml-10k"],
    "no number": ["train", "--model=BPR", "--dataset=ml-100k", "--learning_rate=fast"],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        run(["train", "--model=BPR", "--dataset=ml-100k", "--epochs=1", "--show_progress=false"], 0, folder)
        checkpoint = next(Path(folder, "saved").glob("*.pth"))
        commands = {name: (words, 2) for name, words in REFUSED.items()}
        commands["help"] = ["train", "--help"], 0
        commands["recommend"] = ["recommend", f"--checkpoint={checkpoint}", "--users=196"], 0
        found = {
            name: min((run(*one, folder) for _ in range(repeats)), key=lambda taken: taken[1])
            for name, one in commands.items()
        }
    seconds = {name: round(wall, 2) for name, (wall, _) in found.items()}
    processor = {name: round(cpu, 2) for name, (_, cpu) in found.items()}
    slowest = max(processor[name] for name in REFUSED)
    ratios = {"ratio": round(slowest / 0.5, 2), "recommend_ratio": round(processor["recommend"] / 2, 2)}
    print(json.dumps({"benchmark": "starting", "seconds": seconds, "cpu_seconds": processor, **ratios}))
    return 0


def run(words: list[str], status: int, folder: str) -> tuple[float, float]:
    """Seconds of the clock and of the processor."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "recbole_kd", *words]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)  # nosec B603
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != status:
        sys.exit(f"starting.py: {words} ended with {done.returncode}: {done.stderr}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    sys.exit(main())
