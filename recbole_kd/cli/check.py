"""The command ``recbole-kd check``: reads a data set as a run would, and prints what the run would train on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from tabulate import tabulate

from recbole_kd.cli.words import split_config_files, wants_help
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.plain import finite_values
from recbole_kd.registry import make_config

if TYPE_CHECKING:
    from recbole_kd.data.overview import Overview

_BAR = 40  # characters of the longest bar

HELP = """\
usage: recbole-kd check NAME [--json] [--data_path=FOLDER] [--config_files="a.yaml b.yaml"] [--any_key=value ...]

Read the files of a data set as every command does, say the first thing that is wrong with them (file, line, column),
or print what a run with these keys would train on: users, items, interactions of each part of the split, density, rows
that each filter drops, ids that only validation or test have, how many items each modality covers, and how many
interactions users and items have.

  --json                 the same for programs
  --any_key=value        as for train: filters, columns, split, modalities, --time_format=%Y-%m-%d
"""


def main(words: Sequence[str]) -> int:
    """Check, print and return the exit status.

    Raises:
        UserError: what a run would be refused with.
    """
    if wants_help(words):
        print(HELP)
        return 0
    as_json = "--json" in words
    rest, files = split_config_files([word for word in words if word != "--json"])
    if rest and not rest[0].startswith("-"):
        rest[0] = f"--dataset={rest[0]}"
    model = None if any(word.startswith("--model=") for word in rest) else "BPR"
    config = make_config(model, config_file_list=files, arguments=rest)
    from recbole_kd.data.loaders import check_evaluation  # slow to import, and not for a command that is refused
    from recbole_kd.data.overview import overview_of
    from recbole_kd.training.run import open_data

    data = open_data(config)
    found = overview_of(data)
    check_evaluation(config, data)
    print(json.dumps(finite_values(asdict(found)), indent=1) if as_json else "\n".join(_text(found)))
    if found.faults:
        raise UserError(found.faults[0])
    return 0


def _text(found: Overview) -> Iterator[str]:
    yield f"{found.dataset}, read from {found.folder}"
    rows = [("users", f"{found.users:,}"), ("items", f"{found.items:,}")]
    rows += [("interactions", f"{found.interactions:,} (density {found.density:.4%})")]
    rows += [("read", f"{name}, {count:,} rows") for name, count in found.rows_read.items()]
    rows += [("filter", f"{key} drops {count:,}") for key, count in found.dropped.items()]
    if found.repeated:
        rows += [("repeated", f"{found.repeated:,} interactions are of a pair that is there already (rm_dup_inter)")]
    if found.times:
        rows += [("times", f"{found.times[0]} to {found.times[1]}")]
    rows += [(f"unused {key}", f"{count:,} have features and no interaction") for key, count in _some(found.unused)]
    rows += [("split", found.split)]
    yield tabulate(rows, tablefmt="plain", disable_numparse=True)
    parts = [(name, *(f"{count:,}" for count in part.values())) for name, part in found.parts.items()]
    yield "\n" + tabulate(parts, ("part", "interactions", "users", "items"), disable_numparse=True, stralign="right")
    unseen = " and ".join(f"{count:,} {key}" for key, count in _some(found.unseen))
    yield f"only in valid or test: {unseen or 'nobody and nothing'}"
    for name, values in found.modalities.items():
        spare = f", {values['rows']:,} rows of no item" if values["rows"] else ""
        yield f"modality {name}: {values['width']:,} wide, {values['items']:,} of {found.items:,} items{spare}"
    for name in found.unfinished:
        yield (
            f"unfinished {name}: recbole-kd features was cut off or is at work; the same command goes on, or remove "
            f"the folder .{found.dataset}.{name}.blocks"
        )
    yield from _bars("users", found.per_user)
    yield from _bars("items", found.per_item)


def _some(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return [(key, count) for key, count in counts.items() if count]


def _bars(what: str, histogram: Mapping[int, int]) -> Iterator[str]:
    yield f"\n{what} by their number of interactions"
    longest, low = max(histogram.values()), 1
    for high, count in histogram.items():
        span = f"{high:,}" if high <= low else f"{low:,} to {high:,}"
        yield f"{span:>20} {count:>9,} {'#' * round(_BAR * count / longest)}".rstrip()
        low = high + 1
