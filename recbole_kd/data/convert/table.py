"""A shop's own table of interactions: CSV, JSON lines or Parquet, a row each, with raw ids, times and ratings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from recbole_kd.bridge.evaluation_keys import held_out_share
from recbole_kd.data.convert.published import Layout, Option
from recbole_kd.data.convert.tables.interactions import Interactions, Split, core, in_order, without_repeats
from recbole_kd.data.convert.tables.times import Times
from recbole_kd.data.convert.tables.values import Tokens, numbers
from recbole_kd.data.tables.blocks import Table
from recbole_kd.data.tables.columns import column, known, listed
from recbole_kd.data.tables.ids import looks_fractional
from recbole_kd.data.tables.opening import open_table
from recbole_kd.foundation.errors import UserError, did_you_mean

_RANDOM = "{split: {RS: [0.8, 0.1, 0.1]}, order: RO, group_by: user}"
_SPLITS = {
    "random": Split("random 8:1:1 of each user's interactions", _RANDOM),
    "leave-one-out": Split(
        "each user's last interaction is test, the one before it valid",
        "{split: {LS: valid_and_test}, order: TO, group_by: user}",
        by_time=True,
    ),
    "time": Split(
        "the latest tenth of all interactions is test, the tenth before it valid",
        "{split: {RS: [0.8, 0.1, 0.1]}, order: TO, group_by: none}",
        by_time=True,
    ),
}
_OPTIONS = (
    Option("user", "", "column of the users (default: the one with a well-known name, such as user_id)"),
    Option("item", "", "column of the items (default: likewise, such as product_id or sku)"),
    Option("time", "", "column of the times: seconds, milli- or microseconds, or dates (default: none)"),
    Option(
        "time_format", "", "how dates are written, such as %d/%m/%Y; or s, ms, us, ns (default: told by the values)"
    ),
    Option("rating", "", "column of the ratings (default: none)"),
    Option("decimal", ".", "sign before the decimals of ratings: . or , as in 4,5", (".", ",")),
    Option(
        "split",
        "",
        "random, leave-one-out, time or cold_items=0.1 (default: leave-one-out with --time, else random)",
    ),
    Option("min_user", 1, "users with fewer interactions are left out, in turns with min_item until both hold", low=1),
    Option("min_item", 1, "items with fewer interactions are left out", low=1),
    Option("repeats", "first", "which row of a pair that is there again is kept", ("first", "last", "all")),
    Option("encoding", "", "of text (default: UTF-8, or what its first bytes say)"),
)


def read(
    source: Path,
    user: str = "",
    item: str = "",
    time: str = "",
    time_format: str = "",
    rating: str = "",
    split: str = "",
    min_user: int = 1,
    min_item: int = 1,
    repeats: str = "first",
    encoding: str = "",
    decimal: str = ".",
) -> Interactions:
    """Read a table of interactions, a row each; ids stay the texts that they are (``00012``).

    Args:
        source: CSV (commas, semicolons, tabs or bars), JSON lines, both also as ``.gz``, or Parquet.
        user: column of the users; ``""`` takes the only one with a well-known name.
        item: column of the items, likewise.
        time: column of the times, seconds since 1970, milli- or microseconds, or dates; ``""`` for none.
        time_format: how dates are written, as ``strptime`` has it; or a unit, ``s``, ``ms``, ``us`` or ``ns``.
        rating: column of the ratings; ``""`` for none.
        split: ``random``, ``leave-one-out``, ``time`` or ``cold_items=SHARE``; ``""`` for ``leave-one-out`` where there
            are times, else ``random``.
        min_user: users with fewer interactions are left out, and items with fewer than ``min_item``, until none is.
        min_item: see there.
        repeats: which row of a pair of user and item that is there again is kept: ``first``, ``last`` or ``all``.
        encoding: of text; ``""`` for UTF-8, or what a byte order mark says.
        decimal: sign before the decimals of ratings, ``.`` or ``,``.

    Returns:
        The interactions, in the order of the table, or of their times where RecBole could not tell these apart.

    Raises:
        UserError: the file cannot be read, a column is missing or cannot be told, a value is none of its column (row
            named), or nothing is left.
    """
    chosen = _split(split, bool(time))
    if time_format and not time:
        raise UserError("time_format is given without time; name the column with --time=COLUMN")
    table = open_table(source, encoding)
    asked = {"user": user, "item": item, "time": time, "rating": rating}
    names: dict[str, str] = {}
    for flag, given in asked.items():
        if given or flag in ("user", "item"):
            names[flag] = column(source, table.names, given, flag, taken=[*names.values(), *asked.values()])
    _check_different(source, table, names)
    notes = [f"Of its columns {names['user']!r} is the user and {names['item']!r} the item."]
    for flag in ("time", "rating"):
        if flag not in names and (spare := [name for name in known(table.names, flag) if name not in names.values()]):
            notes.append(f"The column {spare[0]!r} was not read; --{flag}={listed(spare[:1])} takes it as the {flag}.")
    found = _read_rows(source, table, names, time_format, decimal, chosen, notes)
    found = in_order(_cleaned(source, found, repeats, min_user, min_item))
    if chosen.by_time and found.times is None:
        found.times = np.arange(len(found), dtype=np.float64)
        found.notes.append("No column of times is given, so the order of the rows is that of time, numbered from 0.")
    return found


def _split(text: str, timed: bool) -> Split:
    name = text or ("leave-one-out" if timed else "random")
    if name.startswith("cold_items="):
        try:
            share = held_out_share(name)
        except ValueError:
            problem = f"split is {text!r}; cold_items takes a share of the items between 0 and 1, such as 0.1"
            raise UserError(problem) from None
        what = f"{share:g} of the items are kept out of training; random 8:1:1 of each user's other interactions"
        return Split(what, _RANDOM, key=f"cold_items={share:g}")
    if name not in _SPLITS:
        choices = [*_SPLITS, "cold_items=0.1"]
        raise UserError(f"split is {text!r}; it must be one of {', '.join(choices)}{did_you_mean(text, choices)}")
    if name == "time" and not timed:
        raise UserError("split=time needs times; name their column with --time=COLUMN")
    return _SPLITS[name]


def _check_different(source: Path, table: Table, names: dict[str, str]) -> None:
    taken: dict[str, str] = {}
    for flag, name in names.items():
        if name in taken:
            raise UserError(
                f"{source}: --{taken[name]} and --{flag} both name the column {name!r}; it has {listed(table.names)}"
            )
        if table.names.count(name) > 1:
            raise UserError(f"{source} has {table.names.count(name)} columns called {name!r}; rename all but one")
        taken[name] = flag


def _read_rows(
    source: Path, table: Table, names: dict[str, str], time_format: str, decimal: str, split: Split, notes: list[str]
) -> Interactions:
    """All rows that have a user, an item, and what else is asked for."""
    users, items = Tokens(names["user"]), Tokens(names["item"])
    times = Times(names.get("time", ""), time_format)
    order = list(names)
    parts: dict[str, list[np.ndarray]] = {
        flag: [np.zeros(0, np.int32 if flag in ("user", "item") else float)] for flag in order
    }
    missing, rows = dict.fromkeys(order, 0), 0
    for block in table.blocks([names[flag] for flag in order]):
        values = {"user": users.numbers(block, 0), "item": items.numbers(block, 1)}
        if "time" in order:
            values["time"] = times.read(block, order.index("time"))
        if "rating" in order:
            values["rating"] = numbers(block, order.index("rating"), names["rating"], decimal)
        rows += len(values["user"])
        kept = np.ones(len(values["user"]), dtype=bool)
        for flag in order:
            empty = np.isnan(values[flag]) if flag in ("time", "rating") else values[flag] < 0
            missing[flag] += int((empty & kept).sum())
            kept &= ~empty
        for flag in order:
            parts[flag].append(values[flag][kept])
    if not rows:
        raise UserError(f"{source} has a header and no rows; copy or export it again")
    notes += [f"{count:,} rows have no {flag} and were left out." for flag, count in missing.items() if count]
    columns = {flag: np.concatenate(parts.pop(flag)) for flag in order}
    if not len(columns["user"]):
        raise UserError(f"{source}: none of its {rows:,} rows has {' and '.join(order)}; are these the right columns?")
    if "time" in columns:
        columns["time"] = times.seconds(source, columns["time"])
        notes.append(f"The column {names['time']!r} was read as {times.said}.")
    notes += list(_doubts(users, items))
    return Interactions(
        columns["user"],
        columns["item"],
        users.tokens,
        items.tokens,
        columns.get("rating"),
        columns.get("time"),
        split,
        rows,
        notes,
    )


def _doubts(*ids: Tokens) -> Iterator[str]:
    for tokens in ids:
        if tokens.doubtful:
            yield (
                f"The column {tokens.what!r} holds {listed(tokens.doubtful)}, taken as an id like others; remove these "
                "rows if it means none."
            )
        if spaced := [token for token in tokens.tokens if token[0].isspace() or token[-1].isspace()]:
            bare = Counter(map(str.strip, tokens.tokens))
            twice = sum(bare[token.strip()] > 1 for token in spaced)
            more = f"; {twice:,} of them are another id but for the space" if twice else ""
            yield f"{len(spaced):,} ids of {tokens.what!r} begin or end with a space, which is kept{more}."
        if dotted := [token for token in tokens.tokens if looks_fractional(token)]:
            whole = dotted[0].split(".")[0]
            yield (
                f"{len(dotted):,} ids of {tokens.what!r} are numbers with a .0, which is kept (first: {dotted[0]}); "
                f"write {whole} if other tables do."
            )


def _cleaned(source: Path, found: Interactions, repeats: str, min_user: int, min_item: int) -> Interactions:
    once = found if repeats == "all" else without_repeats(found, repeats)
    if len(once) < len(found):
        once.notes.append(
            f"{len(found) - len(once):,} rows repeat a pair of user and item, whose {repeats} row alone was kept."
        )
    left = core(once, min_user, min_item)
    if not len(left):
        most = [int(np.bincount(ids).max()) for ids in (once.users, once.items)]
        raise UserError(
            f"{source}: nothing is left with min_user={min_user} and min_item={min_item}, the most that a user has is "
            f"{most[0]:,} and an item {most[1]:,}; lower them"
        )
    if len(left) < len(once):
        gone = _differences(once.counts(), left.counts())
        left.notes.append(
            f"min_user={min_user} and min_item={min_item} left out {gone[0]:,} users, {gone[1]:,} items and "
            f"{len(once) - len(left):,} rows."
        )
    return left


def _differences(before: Sequence[int], after: Sequence[int]) -> list[int]:
    return [one - other for one, other in zip(before, after, strict=True)]


LAYOUT = Layout(
    "table", "a table of your own: CSV, JSON lines (or .gz of these) or Parquet, a row an interaction", read, _OPTIONS
)
