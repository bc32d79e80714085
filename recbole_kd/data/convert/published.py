"""What every layout is read into, before it is written as RecBole benchmark files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from recbole_kd.data.convert.tables.interactions import Interactions
from recbole_kd.foundation.errors import UserError

SPLITS = ("train", "valid", "test")
MAX_ID = 2**31 - 1


@dataclass
class Published:
    """A data set as its publisher split it.

    Attributes:
        splits: ``{"train" | "valid" | "test": int64 (n, 2)}``, pairs of user id and item id, both from 0.
        users: number of user ids.
        items: number of item ids; every feature matrix has so many rows.
        features: ``{modality: matrix}`` or ``{modality: path of a .npy file}``.
        notes: sentences that the user should read, and that go into the yaml file.
    """

    splits: dict[str, np.ndarray]
    users: int
    items: int
    features: dict[str, np.ndarray | Path] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Option:
    """A setting of one layout.

    Attributes:
        name: keyword of ``convert`` and, with dashes before it, the command line's flag.
        default: its type is the option's type.
        help: one line.
        choices: the valid values, where they are few.
        low: the smallest valid number.
        high: the number that values must stay below or, for integers, reach at most.
    """

    name: str
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None

    def check(self, value: Any) -> Any:
        """Return ``value`` in the option's type; raise UserError where it is out of range."""
        kind = type(self.default)
        if isinstance(value, bool) or (kind is int and not isinstance(value, int)):
            raise UserError(f"{self.name} is {value!r}; it must be {kind.__name__}")
        try:
            value = kind(value)
        except (TypeError, ValueError) as error:
            raise UserError(f"{self.name} is {value!r}; it must be {kind.__name__}") from error
        if self.choices and value not in self.choices:
            raise UserError(f"{self.name} is {value!r}; it must be one of {', '.join(self.choices)}")
        # written so that NaN fails too
        if (self.low is not None and not value >= self.low) or (self.high is not None and not value <= self.high):
            bounds = f"at least {self.low}" if self.high is None else f"between {self.low} and {self.high}"
            raise UserError(f"{self.name} is {value!r}; it must be {bounds}")
        return value


@dataclass(frozen=True)
class Layout:
    """One published layout.

    Attributes:
        name: as the user types it.
        summary: one line for the help text.
        read: called with the source path and the options; it returns parts as published, or interactions that RecBole
            splits.
        options: what ``read`` takes beside the path.
    """

    name: str
    summary: str
    read: Callable[..., Published | Interactions]
    options: tuple[Option, ...] = ()


def need_folder(source: Path) -> Path:
    """Return ``source`` if it is a folder, else raise UserError."""
    if not source.is_dir():
        hint = "it is a file; give the folder that holds it" if source.exists() else "check the path"
        raise UserError(f"source folder {source} does not exist; {hint}")
    return source


def need_file(folder: Path, names: Iterable[str], what: str) -> Path:
    """Return the first of ``names`` that is a file in ``folder``, else raise UserError with the names tried."""
    names = list(names)
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise UserError(f"{folder} holds no {what} (tried {', '.join(names)}); is this the layout's folder?")


def feature_files(folder: Path) -> dict[str, np.ndarray | Path]:
    """Return ``{modality: path}`` of every ``<modality>_feat.npy``."""
    suffix = "_feat.npy"
    return {path.name.removesuffix(suffix): path for path in sorted(folder.glob(f"?*{suffix}"))}
