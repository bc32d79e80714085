"""Runs the benchmarks of ``cases.py``, prints one table, and writes the figures with the machine they come from.

    python benchmarks/run.py [--only=WORD] [--slow] [--kept] [--data_path=dataset] [--source=../shared/data]
        [--out=benchmarks/results.json] [--before=benchmarks/before.json]

Each case is a process of its own with one thread, one after another. A data set that is not in ``--data_path`` is made
there of the published files in ``--source``; a case that has neither is left out, and the table says so. One that fails
or misses its limit is said so too, and the exit status is then 1. ``--before`` is a file that this program wrote for an
earlier commit: what ours took then, and its ratio, stand in two columns.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
from cases import CASES, Case
from tabulate import tabulate
from tqdm import tqdm

from recbole_kd.foundation.files import write_json
from recbole_kd.foundation.versions import versions

HERE = Path(__file__).parent


# Words of recbole-kd convert, or a table of users, items and places in a user's order.
SOURCES = {
    "citeulike": ["citeulike", "citeulike-t"],
    "gowalla": ["lightgcn", "gowalla"],
    "lfm2k": ["mmrec", "lfm2k"],
    "tiktok": ["promptmm", "tiktok"],
    "office": ["", "office/interactions.csv"],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="cases whose title holds this word")
    parser.add_argument("--slow", action="store_true", help="those that take minutes too")
    parser.add_argument("--data_path", type=Path, default="dataset")
    parser.add_argument("--source", type=Path, default="../shared/data", help="folder of published files")
    parser.add_argument("--out", default=str(HERE / "results.json"))
    parser.add_argument("--before", default=str(HERE / "before.json"))
    parser.add_argument("--kept", action="store_true", help="measure nothing, and print what --out holds")
    parser.add_argument("--markdown", action="store_true", help="print the table as the documentation has it")
    given = parser.parse_args()
    cases = [case for case in CASES if given.only.lower() in case.what.lower() and (given.slow or not case.slow)]
    if not cases:
        parser.error(f"no case has {given.only!r} in its title")
    kept, before = _figures(Path(given.out)), _figures(Path(given.before))
    if given.kept:
        cases = [case for case in cases if case.what in kept]
    else:
        measure(cases, given, kept)
    rows = [row(case, kept[case.what], before.get(case.what, {})) for case in cases]
    headers = ["what", "before", "after", "peer", "limit", "ratio before", "ratio", ""]
    form = "github" if given.markdown else "simple"
    print(tabulate(rows, headers, form, disable_numparse=True, colalign=("left", *["right"] * 6, "left")))
    for why in sorted({found["left_out"] for found in (kept[case.what] for case in cases) if "left_out" in found}):
        print(f"left out: {why}")
    return int(any(one[-1] not in ("", "left out") for one in rows))


def measure(cases: list[Case], given: argparse.Namespace, kept: dict[str, Any]) -> None:
    """Measure one case after the other into ``kept``, and write that after each."""
    for name in sorted({case.needs for case in cases} & SOURCES.keys()):
        make_dataset(name, given.source, given.data_path)
    lines: dict[str, dict[str, Any]] = {}  # what a script has printed serves every case of the same words
    with tempfile.TemporaryDirectory() as caches:
        for case in (bar := tqdm(cases, disable=None)):
            bar.set_description(case.what)
            kept[case.what] = measured(case, given.data_path, Path(caches), lines)
            write_json(given.out, {**facts(), "figures": kept})


def make_dataset(name: str, source: Path, data: Path) -> None:
    """Make a data set of its published files, if they are there and it is not."""
    layout, place = SOURCES[name]
    if (data / name).is_dir() or not (source / place).exists():
        return
    if layout:
        ended = run(["-m", "recbole_kd", "convert", layout, str(source / place), name, f"--data_path={data}"])
        if ended.returncode:
            sys.exit(f"run.py: {ended.stderr.strip()}")
        return
    table = pd.read_csv(source / place)
    table.columns = ["user_id:token", "item_id:token", "timestamp:float"]
    (data / name).mkdir(parents=True)
    table.to_csv(data / name / f"{name}.inter", sep="\t", index=False)


def measured(case: Case, data: Path, caches: Path, lines: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The JSON line of a case, or ``{"left_out": why}`` or ``{"failed": why}``."""
    at_hand = case.needs in ("", "ml-100k") or (data / case.needs).is_dir()
    if not at_hand:
        return {"left_out": f"there is no data set {case.needs} in {data}"}
    cache = caches / sha256(case.teacher.encode()).hexdigest()
    places = {"data": shlex.quote(str(data)), "cache": shlex.quote(str(cache))}
    if case.words not in lines:
        if case.teacher and not cache.is_dir():
            folders = [f"--cache_dir={cache}", f"--checkpoint_dir={caches / 'saved'}", "--log_dir=null"]
            teacher = shlex.split(case.teacher.format(**places))
            ended = run(["-m", "recbole_kd", "teach", *teacher, *folders, "--show_progress=false"])
            if ended.returncode:
                return {"failed": ended.stderr.strip()[-300:]}
        script, *words = shlex.split(case.words.format(**places))
        ended = run([str(HERE / script), *words])
        if ended.returncode:
            return {"failed": ended.stderr.strip()[-300:]}
        lines[case.words] = json.loads(ended.stdout.strip().splitlines()[-1])
    return {**lines[case.words], "command": f"python benchmarks/{case.words}", "load": os.getloadavg()[0]}


def run(words: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    if not words[0].endswith(("busy.py", "knn_graph.py")):  # which are about all cores
        environment["OMP_NUM_THREADS"] = "1"
    return subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, check=False)  # nosec B603


def facts() -> dict[str, Any]:
    """When and where."""
    machine = {"system": f"{platform.system()} {platform.machine()}", "cores": os.cpu_count(), "threads": 1}
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "versions": versions(),
        "machine": machine,
    }


def row(case: Case, found: dict[str, Any], before: dict[str, Any]) -> list[str]:
    if case.ratio not in found:
        why = "left out" if "left_out" in found else f"failed: {found.get('failed', 'it gave no figure')}"
        return [case.what, *["–"] * 6, why]
    ratio = found[case.ratio]
    reached = ratio <= case.limit if case.at_most else ratio >= case.limit
    limit = f"{'≤' if case.at_most else '≥'} {case.limit:g}"
    fields = (before, case.ours), (found, case.ours), (found, case.peer)
    ratios = _number(before.get(case.ratio)), _number(ratio)
    values = [_number(one.get(field)) for one, field in fields]
    return [case.what, *values, limit, *ratios, "" if reached else "missed"]


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else "–"


def _figures(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))["figures"] if path.is_file() else {}


if __name__ == "__main__":
    sys.exit(main())
