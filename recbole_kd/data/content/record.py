"""What ``recbole-kd features`` recorded of a modality, as far as more items of it need that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field

from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.kept import Kept, checked

_LARGEST = 10_000_000  # bytes of a record


class _Open(Kept):
    model_config = ConfigDict(extra="allow")  # what else is recorded is for people


class _Encoder(_Open):
    name: str
    weights_sha256: str


class _Settings(_Open):
    long: Literal["truncate", "mean"] = "truncate"


class _Source(_Open):
    table: str | None = None
    folder: str | None = None
    id: str = ""
    columns: list[str] = Field(default_factory=list)


class Record(_Open):
    """How a modality was made. ``source.columns`` are those of a table of texts; of pictures there are none."""

    encoder: _Encoder
    settings: _Settings
    source: _Source

    @property
    def of_texts(self) -> bool:
        """Whether it is of texts, and not of pictures."""
        return bool(self.source.columns)


def is_record(path: Path) -> bool:
    """Whether there is a record at ``path``, or where a link leads to; a file that is none may be called so too."""
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            return False
        values: Any = json.loads(path.read_text(encoding="utf-8"))
        checked(Record, values, path, "")
    except (OSError, ValueError, RecursionError, UserError):
        return False
    return True


def read_record(path: Path) -> Record | None:
    """The record at ``path``; None where there is none.

    Raises:
        UserError: it is damaged.
    """
    if path.is_symlink() or not path.is_file():
        return None
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError("it is too large")
        values: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise UserError(f"{path} is damaged; make the modality again with recbole-kd features --overwrite") from None
    return checked(Record, values, path, "make the modality again with recbole-kd features --overwrite")
