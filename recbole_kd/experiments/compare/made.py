"""How the runs of a comparison were made, as the report tells it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from recbole_kd.evaluation.unseen import Unseen, note_of
from recbole_kd.experiments.compare.plan import Run
from recbole_kd.experiments.report.text import Part
from recbole_kd.experiments.results.records import Record
from recbole_kd.training.made import changed_settings

_BY_LABEL = ("teacher", "assistant", "student", "baseline")  # which the label of a row tells
_NOT_RECORDED = "not recorded: these runs were made by an older release"


def parts_of(runs: Sequence[Run], records: Mapping[str, Record], command: str) -> list[Part]:
    """Data, settings and circumstances; what runs of older releases have not recorded is said to be so.

    Args:
        runs: in the order of the table.
        records: by the digest of their run.
        command: of the comparison.
    """
    ended = [record for run in runs if (record := records.get(run.digest)) and record["status"] == "done"]
    made = [found for record in ended if isinstance(found := record.get("made"), dict)]
    data = _data([found["data"] for found in made]) or {"sizes": _NOT_RECORDED}
    machine = _machine([found["machine"] for found in made]) or {"machine": _NOT_RECORDED}
    versions = _merged([found["versions"] for found in made])
    started = sorted({str(record["started"])[:10] for record in ended if record.get("started")})
    days = {"made on": f"{started[0]} to {started[-1]}" if len(started) > 1 else "".join(started)} if started else {}
    return [
        Part("Data", data),
        Part("Settings that are no defaults", _settings(runs, records) or {"all": "defaults"}),
        Part("How it was made", {"command": command, **days, **machine, **versions}),
    ]


def unseen_note(records: Mapping[str, Record], warm_only: bool) -> str:
    """What to say of test interactions that few models can find; empty where there are none, or they do not count."""
    ended = [record for record in records.values() if record["status"] == "done"]
    found = [((record.get("made") or {}).get("data") or {}).get("unseen") for record in ended]
    counts = [Unseen(one["interactions"], one["items"], one["of"]) for one in found if one]
    return "" if warm_only else note_of(counts)


def _data(found: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    texts = [
        {
            "users": f"{one['users']:,}",
            "items": f"{one['items']:,}",
            "interactions": f"{one['interactions']:,}",
            "density": f"{one['density']:.3%}",
            "split": ", ".join(f"{part} {count:,}" for part, count in one["split"].items()),
            "modalities": ", ".join(one["modalities"]) or "none",
        }
        for one in found
    ]
    return _merged(texts)


def _machine(found: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    texts = [
        {
            "machine": f"{one['processor']}, {one['cores']} cores, {one['system']}",
            "computed on": f"{one['device']}, {one['threads']} CPU thread{'s' * (one['threads'] != 1)}",
        }
        for one in found
    ]
    return _merged(texts)


def _merged(found: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Each fact once, and all that it was where runs differ in it."""
    values: dict[str, dict[str, None]] = {}
    for one in found:
        for name, value in one.items():
            values.setdefault(name, {})[value] = None
    return {name: "; or ".join(several) for name, several in values.items()}


def _settings(runs: Sequence[Run], records: Mapping[str, Record]) -> dict[str, str]:
    """Those of all runs under their keys, those of single labels under the label."""
    by_label: dict[str, dict[str, str]] = {}
    for run in runs:
        made = records.get(run.digest, {}).get("made") or {}
        values = made.get("settings") or changed_settings(run.config)
        by_label.setdefault(run.label, {}).update(
            {key: _written(value) for key, value in values.items() if key not in _BY_LABEL}
        )
    every = list(by_label.values())
    common = {key: value for key, value in every[0].items() if all(one.get(key) == value for one in every)}
    own = {
        label: ", ".join(f"{key}={value}" for key, value in values.items() if key not in common)
        for label, values in by_label.items()
    }
    return common | {label: values for label, values in own.items() if values}


def _written(value: Any) -> str:
    return str(value) if not isinstance(value, Mapping) else ", ".join(f"{key}: {one}" for key, one in value.items())
