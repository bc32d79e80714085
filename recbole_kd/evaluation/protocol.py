"""How a run ranks, in words: metrics of sampled negatives are no metrics of the whole catalogue."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

_DRAWN = {"uni": "uniform negatives an interaction", "pop": "negatives an interaction, by popularity"}


class Protocol(NamedTuple):
    """What each user's held-out items are ranked among.

    Attributes:
        mode: RecBole's word for it: ``full``, ``uni100``, ``pop100`` or ``labeled``.
        words: the same for a reader.
    """

    mode: str
    words: str

    @property
    def heading(self) -> str:
        """What a metric's heading says besides its name; empty for a full ranking."""
        return "" if self.mode == "full" else f" ({self.mode})"


def protocol_of(config: Mapping[str, Any], part: Literal["valid", "test"] = "test") -> Protocol:
    """How one part is ranked.

    Args:
        config: of a finished run.
        part: of the split.
    """
    asked = config.get("eval_args") or {}
    modes = asked.get("mode", "full") if isinstance(asked, Mapping) else "full"
    mode = str(modes.get(part, "full") if isinstance(modes, Mapping) else modes)
    sampled = re.fullmatch(r"(uni|pop)(\d+)", mode)
    if sampled:
        return Protocol(mode, f"sampled: {int(sampled[2]):,} {_DRAWN[sampled[1]]}")
    if mode == "labeled":
        return Protocol(mode, "labelled rows alone: nothing is ranked")
    if config.get("histories"):
        return Protocol(mode, "full ranking after each history, nothing masked")
    masked = (
        "train + valid items" if part == "test" and config.get("eval_mask", "recbole") == "recbole" else "train items"
    )
    items = config.get("eval_items") or "all"
    of = "" if items == "all" else f", {items} targets alone"
    return Protocol(mode, f"full ranking, {masked} masked{of}")


def title_words(config: Mapping[str, Any]) -> str:
    """The end of a table's title: how test is ranked, and validation where that is another way."""
    test, valid = protocol_of(config), protocol_of(config, "valid")
    return f"test: {test.words}" + f"; validation: {valid.words}" * (valid.mode != test.mode)
