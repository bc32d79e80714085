"""What became of rows and files that did not become features as they are: counted, and the first ones named."""

from __future__ import annotations

from collections.abc import Iterator

SHOWN, KEPT = 3, 100  # of each kind: on the screen, and in the record


class Report:
    """Counts by what is said of them, in the order in which it was first said."""

    def __init__(self) -> None:
        """Nothing is counted yet."""
        self.counts: dict[str, int] = {}
        self._first: dict[str, list[str]] = {}
        self._told: set[str] = set()

    def add(self, what: str, which: str, times: int = 1) -> None:
        """Count one more.

        Args:
            what: is said of it, in the plural.
            which: it is; the first hundred are kept.
            times: how many there are, if this is the first of several.
        """
        self.counts[what] = self.counts.get(what, 0) + times
        first = self._first.setdefault(what, [])
        if len(first) < KEPT:
            first.append(which)

    def add_all(self, what: str, which: list[str]) -> None:
        """:meth:`add` each."""
        for one in which:
            self.add(what, one)

    def record(self) -> dict[str, dict[str, int | list[str]]]:
        """By what is said: ``count``, and the ``first`` hundred."""
        return {what: {"count": count, "first": self._first[what]} for what, count in self.counts.items()}

    def lines(self) -> Iterator[str]:
        """A line a kind: how many, what, and the first ones; each kind once, so that more can be told later."""
        for what, count in self.counts.items():
            if what in self._told:
                continue
            self._told.add(what)
            first = self._first[what][:SHOWN]
            more = " …" if count > len(first) else ""
            yield f"{count:,} {what} (first: {', '.join(map(_short, first))}{more})"


def _short(text: str, longest: int = 120) -> str:
    shown = repr(text)[1:-1]
    return shown if len(shown) <= longest else f"{shown[:longest]}…"
