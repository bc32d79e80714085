"""Strangers' pickles, read without running anything that they name.

Every class and function that a pickle names, be it NumPy's or PyTorch's own, becomes a :class:`Record` of what it was
called with; nothing is imported. What a reader wants is then built from the records, with sizes checked, so that no
state of another library is ever set by a file.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

from recbole_kd.foundation.pickle_bounds import check_bounds


class Refused(Exception):
    """The pickle names something that its reader does not admit; the message is that name."""


class Sealed(type):
    """A class whose attributes a pickle cannot change (the BUILD opcode sets attributes of whatever it is given)."""

    def __setattr__(cls, name: str, value: object) -> None:
        raise TypeError(f"{cls.__name__} is sealed")


class Record(metaclass=Sealed):
    """Stands for an object of the class, or a result of the function, at ``place``; keeps what it was made with."""

    __slots__ = ("args", "entries", "state")
    place = ""
    args: tuple[Any, ...]
    entries: dict[Any, Any]
    state: Any

    def __new__(cls, *args: Any, **_: Any) -> Record:
        """Keep the arguments; nothing else is done with them."""
        self = object.__new__(cls)
        self.args, self.entries, self.state = args, {}, None
        return self

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.entries[key] = value

    def append(self, value: Any) -> None:
        """Of a subclass of list; its values are of no use here."""


class Stored(Record):
    """What a pickle keeps outside of itself: a persistent id, in PyTorch's files a tensor's bytes."""

    __slots__ = ()


def read_pickle(raw: bytes, admits: Callable[[str], bool] = lambda place: True, encoding: str = "ASCII") -> Any:
    """Read a pickle of plain values and :class:`Record` s.

    Args:
        raw: the whole pickle.
        admits: gets each place that is named, as ``numpy.dtype``, and says whether it may be.
        encoding: of Python 2's byte strings.

    Raises:
        Refused: a place is not admitted.
        ValueError: it would take too long or too much; see :mod:`recbole_kd.foundation.pickle_bounds`.
        Exception: whatever else a damaged pickle makes Python raise.
    """
    check_bounds(raw)
    return _Unpickler(raw, admits, encoding).load()


class _Unpickler(pickle.Unpickler):
    def __init__(self, raw: bytes, admits: Callable[[str], bool], encoding: str) -> None:
        super().__init__(io.BytesIO(raw), encoding=encoding)
        self._admits = admits
        self._classes: dict[str, type[Record]] = {}

    def find_class(self, module: str, name: str) -> type[Record]:
        place = f"{module}.{name}"
        if not place.isprintable():
            raise ValueError("a name that no terminal should show")
        if not self._admits(place):
            raise Refused(place)
        if place not in self._classes:
            made: Any = Sealed("Record", (Record,), {"__slots__": (), "place": place})
            self._classes[place] = made
        return self._classes[place]

    def persistent_load(self, pid: Any) -> Record:
        return Stored(*pid)


def place_of(value: Any) -> str:
    """The place that a record, or a class in a record's arguments, stands for; ``""`` for anything else."""
    place: str = getattr(value, "place", "") if isinstance(value, Record | Sealed) else ""
    return place


def bytes_of(content: Any) -> bytes:
    """Bytes, also as old protocols write them: ``bytes()`` if empty, else ``_codecs.encode(text, "latin1")``.

    Raises:
        ValueError: it is something else.
    """
    if place_of(content) in ("builtins.bytes", "__builtin__.bytes") and not content.args:
        return b""
    if place_of(content) == "_codecs.encode":
        if content.args[1:] not in (("latin1",), ("latin-1",)):
            raise ValueError("bytes in another encoding")
        content = content.args[0]
    if isinstance(content, str):
        return content.encode("latin1")
    if isinstance(content, bytes | bytearray):
        return bytes(content)
    raise ValueError("no bytes")


def dtype_of(record: Any) -> np.dtype[Any]:
    """A number's dtype of one letter and one digit, ``f8`` or ``b1``: never an object or a structure.

    Raises:
        ValueError: it is something else.
    """
    if place_of(record) != "numpy.dtype" or not record.args:
        raise ValueError("no dtype")
    name = record.args[0] if isinstance(record.args[0], str) else bytes_of(record.args[0]).decode("latin1")
    if len(name) != 2 or name[0] not in "fiub" or not name[1].isdigit():
        raise ValueError(f"dtype {name!r} is not numeric")
    order = record.state[1] if isinstance(record.state, tuple) and len(record.state) > 1 else "="
    return np.dtype(f"{order}{name}" if order in ("<", ">") else name)


def number_of(record: Record) -> int | float | bool:
    """The value of a NumPy scalar.

    Raises:
        ValueError: the record is none.
    """
    if place_of(record) not in ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"):
        raise ValueError("no number")
    kind, content = record.args
    found: int | float | bool = np.frombuffer(bytes_of(content), dtype=dtype_of(kind))[0].item()
    return found
