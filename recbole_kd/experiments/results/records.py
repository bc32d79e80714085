"""``runs.jsonl``: one JSON object a line, a finished run each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.files import replacing
from recbole_kd.foundation.plain import finite_values

Record = dict[str, Any]
_KEYS = {"digest": str, "label": str, "seed": int, "status": str, "rows": list}


class Records:
    """The runs of a folder by their digests; every change is on disk at once, whole or not at all."""

    def __init__(self, path: Path) -> None:
        """Read ``path`` if it is there.

        Raises:
            UserError: a line of it is damaged.
        """
        self._path = path
        self._records: dict[str, Record] = {}
        try:
            text = path.read_text(encoding="utf-8") if path.exists() else ""
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"cannot read {path}: {error}; delete it, finished stages are not lost") from None
        lines = text.removesuffix("\n").split("\n") if text else []  # splitlines would also split texts in them
        for number, line in enumerate(lines, 1):
            record = _read(line)
            if record is None:
                raise UserError(
                    f"line {number} of {path} is damaged; delete the line, and its run is made again from the stages "
                    "that are in checkpoint_dir"
                )
            self._records[record["digest"]] = record

    def done(self, digest: str) -> Record | None:
        """The run with this digest, if it has ended well."""
        record = self._records.get(digest)
        return record if record and record["status"] == "done" else None

    def of(self, digests: Sequence[str]) -> list[Record]:
        """The runs with these digests that have ended, well or not; others stay out of the table."""
        return [self._records[digest] for digest in digests if digest in self._records]

    def put(self, record: Mapping[str, Any]) -> None:
        """Add a run, or replace the one with its digest."""
        self._records[record["digest"]] = dict(record)
        self.write()

    def write(self) -> None:
        """Write all lines."""
        with replacing(self._path, "w") as stream:
            for record in self._records.values():
                stream.write(json.dumps(finite_values(record), ensure_ascii=False, allow_nan=False) + "\n")


def _read(line: str) -> Record | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    whole = isinstance(record, dict) and all(isinstance(record.get(key), kind) for key, kind in _KEYS.items())
    return record if whole else None
