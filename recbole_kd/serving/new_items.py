"""Items that the data set does not have yet, by what a content path makes of their texts and pictures."""

from __future__ import annotations

from collections.abc import Mapping
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
from recbole_kd.foundation.errors import UserError
from recbole_kd.serving.content import StudentContent
from recbole_kd.training.threads import threads

_AT_ONCE = 128  # inputs


@dataclass(frozen=True)
class NewSource:
    """Where new items come from.

    Attributes:
        table: with their texts, in the columns of the table that the features were made of.
        pictures: folder of their pictures.
        text_encoder: as ``--encoder`` of ``features text``; None for the default.
        image_encoder: likewise.
    """

    table: str | None = None
    pictures: str | None = None
    text_encoder: str | None = None
    image_encoder: str | None = None


class NewItems(NamedTuple):
    """What is ranked besides: raw tokens, their embeddings (n, d), and what is to be told of the source."""

    tokens: list[str]
    embeddings: Tensor
    told: list[str]


def read_new_items(source: NewSource, content: StudentContent, config: Any) -> NewItems:
    """Encode new items as the features of the data set were, and map them to a student's embeddings.

    Items that the data set has are left out: a list has them already. A modality that an item lacks follows
    ``missing_features``.

    Args:
        source: their table and their pictures.
        content: the student's path.
        config: of the student.

    Raises:
        UserError: nothing is new; the features were not made by ``recbole-kd features``, or by another encoder; a
            modality is missing under ``missing_features: error``.
    """
    train, report = content.train, Report()
    made = {name: _rows(source, train, name, report, config) for name in content.modalities}
    known = set(map(str, train.field2id_token[train.iid_field][1:]))
    tokens = list(dict.fromkeys(token for rows in made.values() for token in rows))
    report.add_all("new items that the data set has already, left to it", [one for one in tokens if one in known])
    tokens = [token for token in tokens if token not in known]
    if not tokens:
        raise UserError(f"new_items: {source.table or source.pictures} has no item that the data set lacks")
    parts = [_aligned(train, name, made[name], tokens, config["missing_features"]) for name in content.modalities]
    return NewItems(tokens, content.embeddings(torch.cat(parts, dim=1)), list(report.lines()))


def _rows(
    source: NewSource, train: MultiModalDataset, modality: str, report: Report, config: Any
) -> Mapping[str, np.ndarray]:
    """The row of each item of the source that has a text, or a picture."""
    path = train.features_folder / f"{train.dataset_name}.{modality}.json"
    record = read_record(path)
    if record is None:
        raise UserError(
            f"new_items: the modality {modality!r} was not made by recbole-kd features (there is no {path}), so new "
            "items cannot be given such rows; make it so, and train the student again"
        )
    inputs = _inputs(source, record, report)
    if not inputs:
        return {}
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
    with threads(config["threads"], encoder.module):
        for start in range(0, len(parts), _AT_ONCE):
            some = parts[start : start + _AT_ONCE]
            block = encoder(some)
            kept = (token for (token, _), there in zip(some, block.kept, strict=True) if there)
            rows |= zip(kept, block.rows, strict=True)
            for what, which in block.notes.items():
                report.add_all(what, which)
    return rows


def _inputs(source: NewSource, record: Record, report: Report) -> Mapping[str, Any]:
    if not record.of_texts:
        return find_pictures(Path(source.pictures), report) if source.pictures else {}
    if not source.table:
        return {}
    table = Path(source.table)
    return texts_of(ItemTable(table, record.source.id, record.source.columns).rows(), table, report)


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
