"""The one exception that a user is meant to read."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Something the user can mend: one sentence with what is wrong, where, and what to do.

    The command line prints the message without a traceback and ends with status 2.
    """


def did_you_mean(name: str, valid: Iterable[str], count: int = 3) -> str:
    """Return ``"; did you mean A, B?"`` for the names nearest to ``name``, or ``""`` where none is near."""
    by_lower = {candidate.lower(): candidate for candidate in sorted(valid)}
    near = difflib.get_close_matches(name.lower(), by_lower, n=count, cutoff=0.5)
    return f"; did you mean {', '.join(by_lower[match] for match in near)}?" if near else ""
