"""Runs in processes, some at a time, with a bar that says what runs and what is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tqdm import tqdm

from recbole_kd.experiments.compare.plan import Run
from recbole_kd.experiments.results.records import Record
from recbole_kd.foundation.files import open_log, own_folder

_SECONDS_TO_END = 20.0


def execute(runs: Sequence[Run], out: Path, jobs: int, ended: Callable[[Record], object], bar: tqdm[Any]) -> None:
    """Make runs, ``jobs`` at a time; whatever ends this function ends them too.

    Args:
        runs: in this order.
        out: folder of their files.
        jobs: at least 1; their threads share the processors unless ``OMP_NUM_THREADS`` is set.
        ended: gets each run's record when it has ended.
        bar: goes on by one a run.
    """
    waiting, running = list(runs), list[_Child]()
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(_Child(waiting.pop(0), out, jobs))
                _show(bar, running)
            over = [child for child in running if child.process.poll() is not None]
            for child in over:
                running.remove(child)
                ended(child.record())
                bar.update()
                _show(bar, running)
            if not over:
                time.sleep(0.1)
                _tick(bar)
    finally:
        for child in running:
            child.process.terminate()
        for child in running:
            child.close()


def _tick(bar: tqdm[Any]) -> None:
    """Let the clock of a bar on a terminal go on, once a second."""
    if not bar.disable and bar.fp.isatty() and time.time() - bar.last_print_t >= 1:
        bar.refresh()
        bar.last_print_t = time.time()


def _show(bar: tqdm[Any], running: Sequence[_Child]) -> None:
    bar.set_postfix_str(", ".join(f"{child.run.label} {child.run.seed}" for child in running))


class _Child:
    def __init__(self, run: Run, out: Path, jobs: int) -> None:
        self.run = run
        task = task_of(run, out)
        self._result, self._log = Path(task["result"]), Path(task["log"])
        self._started, self._clock = datetime.now(UTC), time.perf_counter()
        for path in map(Path, (task["users"], task["histories"], self._result)):
            own_folder(path.parent)
        self._result.unlink(missing_ok=True)
        environment = dict(os.environ)
        if jobs > 1:
            environment.setdefault("OMP_NUM_THREADS", str(max((os.cpu_count() or 1) // jobs, 1)))
        with open_log(self._log) as log:
            self.process = subprocess.Popen(  # fixed words  # nosec B603
                # -P: a module of the working folder is not taken for one of the standard library
                [sys.executable, "-P", "-m", "recbole_kd.experiments.compare.child"],
                stdin=subprocess.PIPE,  # held open: its end tells the child that nobody waits any more
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
            )
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended already, and its log says why
            self.process.stdin.write(json.dumps(task).encode() + b"\n")
            self.process.stdin.flush()

    def record(self) -> Record:
        """The run's record, once the process has ended."""
        self.close()
        try:
            result: dict[str, Any] = json.loads(self._result.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            result = {"status": "failed", "reason": _why(self.process.returncode), "rows": []}
        self._result.unlink(missing_ok=True)
        with suppress(OSError):
            self._result.parent.rmdir()
        if result["status"] == "failed":
            result["reason"] += f" (log: {self._log})"
        return record_of(self.run, result, self._started, time.perf_counter() - self._clock)

    def close(self) -> None:
        with suppress(BrokenPipeError):
            if self.process.stdin:
                self.process.stdin.close()
        try:
            self.process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def record_of(run: Run, result: dict[str, Any], started: datetime, seconds: float) -> Record:
    """The line of ``runs.jsonl``: the run, what the child's ``work`` returned, times and files."""
    times = {"started": started.isoformat(timespec="seconds"), "seconds": round(seconds, 3)}
    files = files_of(run, result.pop("has_users", False))
    return {**run.identity(), **result, **times, **files}


def files_of(run: Run, has_users: bool = True) -> dict[str, str | None]:
    """What a run leaves in the folder, by names within it."""
    name = run.name
    users = f"users/{name}.npz" if has_users else None
    return {"users": users, "histories": f"histories/{name}.json", "log": f"logs/{name}.log"}


def task_of(run: Run, out: Path) -> dict[str, Any]:
    """What :func:`recbole_kd.experiments.compare.child.work` gets, and the file for what it returns."""
    files = {key: str(out / name) for key, name in files_of(run).items() if name}
    files["result"] = str(out / "running" / f"{run.name}.json")
    return {"words": list(run.words), "config_files": list(run.config_files), "rows": run.rows, **files}


def _why(status: int) -> str:
    if status == -signal.SIGKILL:
        return "its process was killed, perhaps because memory ran out"
    return f"its process ended with {f'signal {-status}' if status < 0 else f'status {status}'}"
