"""Things by name: those that lie in a folder of ours, those registered in this process, those of other packages.

The names of ours are read from the files, and a file is imported when its thing is asked for: a command that is given a
wrong name has imported nothing, and one that serves a single model no other.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Generic, TypeVar

from recbole_kd.foundation.errors import UserError

Thing = TypeVar("Thing")


@dataclass
class Registry(Generic[Thing]):
    """One kind of thing that others may add to, by a file in our folder or by an entry point of their package.

    Attributes:
        kind: as a message calls it, ``distiller``.
        package: whose modules may each hold one, in a line of their own that begins as the kind, ``DISTILLER = ``.
        accepts: whether something is of this kind.
        expected: what it should be, for the message where it is not.
        name_of: a thing's name, from the name of its module and the word after ``DISTILLER = ``, or the text that its
            brackets begin with.
    """

    kind: str
    package: str
    accepts: Callable[[Any], bool]
    expected: str
    name_of: Callable[[str, str], str]
    _registered: dict[str, Thing] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """The entry-point group in which other packages name theirs: ``recbole_kd.distillers``."""
        return f"recbole_kd.{self.kind}s"

    def register(self, name: str, thing: Thing) -> None:
        """Make ``name`` mean ``thing`` in this process; a package does so for good with an entry point.

        Raises:
            UserError: it is of another kind, or one of ours has this name.
        """
        if not self.accepts(thing):
            raise UserError(f"{thing!r} cannot be registered as the {self.kind} {name!r}: it is no {self.expected}")
        if name in self._own:
            raise UserError(f"the {self.kind} {name!r} is one of ours; register yours under another name")
        self._registered[name] = thing

    def names(self) -> set[str]:
        """All names that :meth:`find` knows."""
        return {*self._own, *self._registered, *self._offered()}

    def is_ours(self, name: str) -> bool:
        """Whether it lies in a folder of ours."""
        return name in self._own

    def module_of(self, name: str) -> str:
        """The module of one of ours, by its dotted name."""
        return self._own[name]

    def have_others(self) -> bool:
        """Whether there are any but those in a folder of ours."""
        return bool(self._registered or self._offered())

    def __contains__(self, name: object) -> bool:
        return name in self.names()

    def find(self, name: str) -> Thing:
        """The thing called ``name``; ours win over registered ones, and those over entry points.

        Raises:
            UserError: another package's entry point cannot be loaded, or is of another kind.
            KeyError: there is none.
        """
        if name in self._own:
            ours: Thing = getattr(import_module(self._own[name]), self.kind.upper())
            return ours
        if name in self._registered:
            return self._registered[name]
        entry = self._offered()[name]
        try:
            found: Thing = entry.load()
        except (Exception, SystemExit) as error:  # whatever another package does wrong
            raise UserError(f"the {self.kind} {name!r} of {entry.value} cannot be loaded: {error}") from error
        if not self.accepts(found):
            raise UserError(f"the {self.kind} {name!r} of {entry.value} is no {self.expected}")
        return found

    def all(self) -> dict[str, Thing]:
        """Everything by its name."""
        return {name: self.find(name) for name in sorted(self.names())}

    @cached_property
    def _own(self) -> dict[str, str]:
        """The module of each of ours, by its name."""
        spec = find_spec(self.package)
        assert spec is not None
        assert spec.submodule_search_locations is not None
        line = re.compile(rf'^{self.kind.upper()} = (\w+)(?:\(\s*"([^"]+)")?', re.MULTILINE)
        found: dict[str, str] = {}
        for folder in map(Path, spec.submodule_search_locations):
            for file in sorted(folder.rglob("*.py")):
                written = line.search(file.read_text(encoding="utf-8"))
                if written:
                    module = ".".join([self.package, *file.relative_to(folder).with_suffix("").parts])
                    found[self.name_of(file.stem, written[2] or written[1])] = module
        return found

    def _offered(self) -> dict[str, EntryPoint]:
        return {entry.name: entry for entry in entry_points(group=self.group)}
