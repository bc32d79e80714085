"""One run in a process of its own, ``python -P -m`` this module, its task being the first line of stdin."""

from __future__ import annotations

import json
import logging
import math
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recbole_kd.experiments.results.users import write_users
from recbole_kd.experiments.run import run
from recbole_kd.foundation.bugs import bug_text, debugging, one_line
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.files import write_json
from recbole_kd.foundation.logs import Colourless
from recbole_kd.foundation.surroundings import sentence_of

_SECONDS_TO_TIDY_UP = 2.0
_ENDED = 143  # what a shell says of a process that SIGTERM has ended


def work(task: Mapping[str, Any]) -> dict[str, Any]:
    """Make a run; what is wrong with it is its result too, and no exception.

    Args:
        task: ``words`` and ``config_files`` of the run, ``users`` and ``histories`` its files, ``rows`` their labels.

    Returns:
        ``status`` and ``reason``, and of a run that ended well ``rows``, how it was ``made`` and whether it
        ``has_users``, a file of theirs.
    """
    try:
        result = run(config_file_list=task["config_files"], arguments=task["words"])
        kept = write_users(Path(task["users"]), result.data, result.stages)
        labels = task["rows"]
        write_json(task["histories"], {labels[stage.name]: stage.history for stage in result.stages})
    except UserError as error:
        return {"status": "failed", "reason": str(error), "rows": []}
    except Exception as error:  # one run's failure is a line of the table's notes, not the end of all
        told = sentence_of(error)
        if told is None or debugging():
            print(bug_text(error, task["words"]), file=sys.stderr)
        return {"status": "failed", "reason": told or one_line(error, 500), "rows": []}
    rows = [
        {"label": labels[stage.name], "role": stage.name, **stage.public(), "bytes": stage.bytes}
        | {"checkpoint": stage.checkpoint, "latency": None}
        for stage in result.stages
    ]
    return {"status": "done", "reason": None, "rows": rows, "has_users": kept, "made": result.made}


def main() -> int:
    """Do the task, write its result and return the exit status; end when the process that asked has ended."""
    leave = _Leave()
    signal.signal(signal.SIGTERM, leave)
    task = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(Colourless("%(asctime)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    try:
        result = work(task)
        if leave.asked:  # compiled code has turned the exception into one that looks like the run's own
            return _ENDED
        write_json(task["result"], result)
    except KeyboardInterrupt:
        return 130
    return 0


class _Leave:
    """On SIGTERM, leave by an exception, so that temporary files are removed.

    A signal right after another one is the same wish, and must not break off the tidying up. A later one means that the
    exception was lost, as those in destructors are.
    """

    def __init__(self) -> None:
        self._last = -math.inf

    @property
    def asked(self) -> bool:
        """Whether there was a signal."""
        return self._last > -math.inf

    def __call__(self, *_: Any) -> None:
        now = time.monotonic()
        if now - self._last >= _SECONDS_TO_TIDY_UP:
            self._last = now
            sys.exit(_ENDED)


def _end_with_parent() -> None:
    sys.stdin.read()  # to the end, which comes when the other side of the pipe is gone
    while True:
        signal.raise_signal(signal.SIGTERM)
        time.sleep(1.1 * _SECONDS_TO_TIDY_UP)


if __name__ == "__main__":
    sys.exit(main())
