"""Items that the data set does not have yet, by what a content path makes of their texts and pictures."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from recbole_kd.data.content.choosing import IMAGE, TEXT, chosen_encoder, need_libraries
from recbole_kd.data.content.pictures import find_pictures
from recbole_kd.data.content.record import Record, read_record
from recbole_kd.data.content.report import Report
from recbole_kd.data.content.table import ItemTable
from recbole_kd.data.content.texts import texts_of
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.data.tables.columns import listed
from recbole_kd.data.tables.ids import looks_fractional, nearly_the_same
from recbole_kd.foundation.errors import UserError
from recbole_kd.serving.content import StudentContent
from recbole_kd.training.threads import threads

_AT_ONCE = 128  # inputs


@dataclass(frozen=True)
class NewSource:
    """Where new items come from.

    Attributes:
        table: a row an item, in the columns of the table that the features were made of. Where there is none the
            pictures tell which items there are.
        pictures: folder of their pictures.
        encoding: of the table; ``""`` for UTF-8, or what its first bytes say.
        text_encoder: as ``--encoder`` of ``features text``; None for the default.
        image_encoder: likewise.
    """

    table: str | None = None
    pictures: str | None = None
    encoding: str = ""
    text_encoder: str | None = None
    image_encoder: str | None = None


class NewItems(NamedTuple):
    """What is ranked besides.

    Attributes:
        tokens: raw, none where nothing is new.
        embeddings: theirs, (n, d).
        told: what is to be told of the source.
        warnings: what may be a mistake in it.
    """

    tokens: list[str]
    embeddings: Tensor
    told: list[str]
    warnings: list[str]


def read_new_items(source: NewSource, content: StudentContent, config: Any, untrained: bool = False) -> NewItems:
    """Encode new items as the features of the data set were, and map them to a student's embeddings.

    Items that the data set has are left out: a list has them already. So are those without a row of any modality, of
    which nothing is known; a modality that one of the others lacks follows ``missing_features``.

    Args:
        source: their table and their pictures.
        content: the student's path.
        config: of the student.
        untrained: keep items without a row of any modality too.

    Raises:
        UserError: the features were not made by ``recbole-kd features``, or by another encoder; a
            source of a kind that the student does not read; a modality is missing under ``missing_features: error``.
    """
    train, report = content.train, Report()
    records = {name: _record(train, name) for name in content.modalities}
    _check_kinds(source, records)
    known = dict.fromkeys(map(str, train.field2id_token[train.iid_field][1:]))
    inputs = {name: _inputs(source, record, known, report) for name, record in records.items()}
    named = _named(source, records, inputs)
    given = list(dict.fromkeys(token for token in named if token.strip()))
    report.add_all("new items that the data set has already, left to it", [one for one in given if one in known])
    tokens = [token for token in given if token not in known]
    warnings = list(_doubts(source, named, tokens, known))
    wanted = set(tokens)
    stray = {token for found in inputs.values() for token in found if token not in wanted}
    report.add_all("pictures of no item of the table, left out", sorted(stray))
    rows: dict[str, dict[str, np.ndarray]] = {}
    for name, record in records.items():
        some = {token: value for token, value in inputs[name].items() if token in wanted}
        rows[name] = _rows(some, record, name, source, config, report) if some else {}
    told = list(report.lines())
    if not untrained:
        told += _left_out([token for token in tokens if not any(token in found for found in rows.values())], records)
        tokens = [token for token in tokens if any(token in found for found in rows.values())]
    if not tokens:
        return NewItems([], torch.empty(0, 0), told, warnings)
    parts = [_aligned(train, name, found, tokens, config["missing_features"]) for name, found in rows.items()]
    return NewItems(tokens, content.embeddings(torch.cat(parts, dim=1)), told, warnings)


def _doubts(source: NewSource, named: Sequence[str], tokens: Sequence[str], known: Collection[str]) -> Iterator[str]:
    """What may be a mistake in a source that names some items, of which ``tokens`` are new."""
    flag, place = ("new_items", source.table) if source.table else ("new_pictures", source.pictures)
    if not named:
        empty = "it has a header and no rows" if source.table else "it has no picture"
        yield f"{flag}: {place} is empty, {empty}, so that no new item is ranked"
    elif not tokens:
        yield f"{flag}: {place} has no item that the data set lacks, so that no new item is ranked"
    alike = list(nearly_the_same(tokens, known))
    if alike:
        several, (new, old) = len(alike) > 1, alike[0]
        dotted = " or a .0" * any(looks_fractional(one) for pair in alike for one in pair)
        many = f"{len(alike):,} new ids are those of known items" if several else "1 new id is that of a known item"
        yield (
            f"{flag}: {many} but for leading zeros or spaces around {'them' if several else 'it'}{dotted}, the first "
            f"{new!r} beside {old!r}; if they are the same items, write their ids as the data set does"
        )


def _left_out(tokens: Sequence[str], records: Mapping[str, Record]) -> list[str]:
    """What is said of new items without a row of any modality; nothing where there are none."""
    if not tokens:
        return []
    of_texts = {record.of_texts for record in records.values()}
    lacks = "neither text nor picture" if len(of_texts) == 2 else "no text" if True in of_texts else "no picture"
    many, have, are, them = (
        ("1 new item", "has", "is", "it") if len(tokens) == 1 else (f"{len(tokens):,} new items", "have", "are", "them")
    )
    return [f"{many} {have} {lacks} and {are} left out, the first is {tokens[0]!r}; --untrained=true ranks {them}"]


def _record(train: MultiModalDataset, modality: str) -> Record:
    path = train.features_folder / f"{train.dataset_name}.{modality}.json"
    record = read_record(path)
    if record is None:
        raise UserError(
            f"new_items: the modality {modality!r} was not made by recbole-kd features (there is no {path}), so new "
            "items cannot be given such rows; make it so, and train the student again"
        )
    return record


def _check_kinds(source: NewSource, records: Mapping[str, Record]) -> None:
    """Refuse a source that nothing would be read of."""
    of_texts = [record.of_texts for record in records.values()]
    names = ", ".join(map(repr, records))
    its = f"its modalit{'ies' if len(records) > 1 else 'y'} {names} {'were' if len(records) > 1 else 'was'} made of"
    if source.table and not any(of_texts):
        raise UserError(f"new_items: the student reads no texts, {its} pictures; give --new_pictures alone")
    if source.pictures and all(of_texts):
        raise UserError(f"new_pictures: the student reads no pictures, {its} texts; leave it out")


def _inputs(source: NewSource, record: Record, known: Collection[str], report: Report) -> Mapping[str, Any]:
    """The text or the picture of each item that has one and is not known yet."""
    if not record.of_texts:
        found = find_pictures(Path(source.pictures), report, some_needed=False) if source.pictures else {}
        return {token: path for token, path in found.items() if token not in known}
    if not source.table:
        return {}
    rows = (row for row in _table(source, record).rows() if row.id not in known)
    return texts_of(rows, Path(source.table), report, some_needed=False)


def _named(source: NewSource, records: Mapping[str, Record], inputs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Which items there are, as often as they are: those of the table's rows, and without one those of the pictures."""
    if not source.table:
        return [token for found in inputs.values() for token in found]
    record = next(record for record in records.values() if record.of_texts)
    return [row.id for row in _table(source, record).rows()]


def _table(source: NewSource, record: Record) -> ItemTable:
    try:
        return ItemTable(Path(str(source.table)), record.source.id, record.source.columns, source.encoding)
    except UserError as error:
        columns = listed(list(filter(None, (record.source.id, *record.source.columns))))
        raise UserError(f"{error} (the features were made of the columns {columns})") from None


def _rows(
    inputs: Mapping[str, Any], record: Record, modality: str, source: NewSource, config: Any, report: Report
) -> dict[str, np.ndarray]:
    """The row of each input that the encoder can read."""
    from recbole_kd.foundation.bars import tqdm

    kind = TEXT if record.of_texts else IMAGE
    need_libraries(kind)
    named = source.text_encoder if record.of_texts else source.image_encoder  # the record's name is a stranger's word
    encoder = chosen_encoder(kind, named).load(config["device"], long=record.settings.long)
    if encoder.identity.weights != record.encoder.weights_sha256:
        raise UserError(
            f"new_items: the modality {modality!r} was made by the encoder {record.encoder.name!r}, whose weights are "
            f"not those of {encoder.identity.name!r}; name it as --{kind}_encoder"
        )
    rows: dict[str, np.ndarray] = {}
    parts = list(inputs.items())
    hidden = len(parts) <= _AT_ONCE or not config["show_progress"]
    with (
        threads(config["threads"], encoder.module),
        tqdm(total=len(parts), unit=kind, desc="Encode", disable=hidden) as bar,
    ):
        for start in range(0, len(parts), _AT_ONCE):
            some = parts[start : start + _AT_ONCE]
            block = encoder(some)
            kept = (token for (token, _), there in zip(some, block.kept, strict=True) if there)
            rows |= zip(kept, block.rows, strict=True)
            bar.update(len(some))
            for what, which in block.notes.items():
                report.add_all(what, which)
    return rows


def _aligned(
    train: MultiModalDataset, modality: str, rows: Mapping[str, np.ndarray], tokens: list[str], missing: str
) -> Tensor:
    """A row each of ``tokens``, normalised as the data set's are."""
    without = [token for token in tokens if token not in rows]
    if without and missing == "error":
        raise UserError(
            f"new_items: {len(without):,} new items have no {modality} (first: {without[0]!r}); give it to them, or "
            "set missing_features to mean or zero"
        )
    width = train.features(modality).shape[1]
    stacked = np.stack([rows.get(token, np.zeros(width, dtype=np.float32)) for token in tokens])
    return train.further_features(modality, stacked, np.array([token in rows for token in tokens]))
