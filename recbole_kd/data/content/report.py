"""What became of rows and files that did not become features as they are: counted, and the first ones named."""

from __future__ import annotations

from collections.abc import Iterator

SHOWN = 3  # of each kind


class Report:
    """Counts by what is said of them, in the order in which it was first said."""

    def __init__(self) -> None:
        """Nothing is counted yet."""
        self.counts: dict[str, int] = {}
        self._first: dict[str, list[str]] = {}

    def add(self, what: str, which: str, times: int = 1) -> None:
        """Count one more.

        Args:
            what: is said of it, in the plural.
            which: it is; the first few are kept.
            times: how many there are, if this is the first of several.
        """
        self.counts[what] = self.counts.get(what, 0) + times
        first = self._first.setdefault(what, [])
        if len(first) < SHOWN:
            first.append(which)

    def add_all(self, what: str, which: list[str]) -> None:
        """:meth:`add` each."""
        for one in which:
            self.add(what, one)

    def lines(self) -> Iterator[str]:
        """A line a kind: how many, what, and the first ones."""
        for what, count in self.counts.items():
            first = self._first[what]
            more = " …" if count > len(first) else ""
            yield f"{count:,} {what} (first: {', '.join(map(_short, first))}{more})"


def _short(text: str, longest: int = 120) -> str:
    shown = repr(text)[1:-1]
    return shown if len(shown) <= longest else f"{shown[:longest]}…"
