"""``runs.jsonl``: one JSON object a line, a finished run each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.files import replacing
from recbole_kd.foundation.kept import Kept, checked
from recbole_kd.foundation.plain import finite_values

Record = dict[str, Any]
_Count = Annotated[int, Field(ge=0)]


class _Open(Kept):
    """What later releases add is no damage."""

    model_config = ConfigDict(extra="allow")


class _Stage(_Open):
    """A row of a run."""

    label: str
    role: str
    model: str
    test: dict[str, float | None]
    checkpoint: str
    valid: dict[str, float | None] = Field(default_factory=dict)
    epochs: _Count | None = None
    parameters: _Count | None = None
    inference_parameters: _Count | None = None
    bytes: _Count | None = None
    peak_memory: _Count | None = None
    seconds_per_epoch: float | None = None
    latency: dict[str, float] | None = None
    apart: dict[str, dict[str, float | None]] = Field(default_factory=dict)


def _file(folder: str, ending: str) -> Any:
    """A file within the folder of the comparison: no other name becomes a path."""
    return Annotated[str | None, Field(pattern=rf"^{folder}/[A-Za-z0-9.-]+\.{ending}$")]


class _Unseen(_Open):
    interactions: _Count
    items: _Count
    of: _Count


class _Data(_Open):
    unseen: _Unseen | None = None


class _Made(_Open):
    data: _Data | None = None


class _Line(_Open):
    digest: str
    label: str
    seed: _Count
    status: Literal["done", "failed"]
    rows: list[_Stage]
    reason: str | None = None
    made: _Made | None = None
    users: _file("users", "npz") = None  # type: ignore[valid-type]
    histories: _file("histories", "json") = None  # type: ignore[valid-type]
    log: _file("logs", "log") = None  # type: ignore[valid-type]


class Records:
    """The runs of a folder by their digests; every change is on disk at once, whole or not at all."""

    def __init__(self, path: Path) -> None:
        """Read ``path`` if it is there.

        Raises:
            UserError: a line of it is damaged.
        """
        self._path = path
        self._records: dict[str, Record] = {}
        if path.exists() and not path.is_file():
            raise UserError(f"{path} is no file; delete it, finished stages are not lost")
        try:
            text = path.read_text(encoding="utf-8") if path.exists() else ""
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"cannot read {path}: {error}; delete it, finished stages are not lost") from None
        lines = text.removesuffix("\n").split("\n") if text else []  # splitlines would also split texts in them
        for number, line in enumerate(lines, 1):
            record = _read(line, f"line {number} of {path}")
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


def _read(line: str, place: str) -> Record:
    what_to_do = "delete the line, and its run is made again from the stages that are in checkpoint_dir"
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        raise UserError(f"{place} is damaged; {what_to_do}") from None
    checked(_Line, record, place, what_to_do)
    found: Record = record
    return found
