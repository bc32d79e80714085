"""The embedded default: features of ml-100k from the titles, genres and years that RecBole's wheel carries."""

from __future__ import annotations

import csv
import logging
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from recbole_kd.data.features import find_modalities, item_ids_path, own_item_ids_path
from recbole_kd.data.item_ids import read_item_ids
from recbole_kd.data.matrix import open_matrix
from recbole_kd.data.text_features import titles_to_text
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.files import replacing

NAME = "ml-100k"
MODALITIES = ("genre", "text")
TEXT_DIM = 64


def wheel_folder() -> Path:
    """Return the folder of ml-100k's atomic files inside the installed RecBole."""
    spec = find_spec("recbole")
    if spec is None or not spec.submodule_search_locations:
        raise UserError("RecBole is not installed; run pip install 'recbole>=1.2.1,<1.3'")
    return Path(spec.submodule_search_locations[0]) / "dataset_example" / NAME


def default_folder() -> Path:
    """Return where the features go unless ``features_path`` says otherwise: RecBole's own folder may be read-only."""
    return Path("dataset") / NAME


def ensure_features(folder: str | Path, source: str | Path | None = None) -> Path:
    """Write ``ml-100k.text.npy``, ``ml-100k.genre.npy`` and ``ml-100k.item_ids`` where they are not whole already.

    Features that a user put there (another modality, or another order of items) are left alone, and then nothing
    is generated beside them; modalities with ``item_ids`` of their own are left alone and disturb nobody.

    Args:
        folder: where the features lie or are to lie.
        source: folder of ``ml-100k.item``; RecBole's own by default.

    Returns:
        ``folder``.

    Raises:
        UserError: the titles are not where they should be, or the folder cannot be written.
    """
    folder = Path(folder)
    item_file = Path(source or wheel_folder()) / f"{NAME}.item"
    if not item_file.is_file():
        raise UserError(f"{item_file} does not exist; reinstall RecBole, whose wheel carries it")
    with item_file.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
    tokens = [row[0] for row in rows]
    ids = item_ids_path(folder, NAME)
    if _users_own(folder, ids, tokens):
        return folder
    makers = {"text": lambda: titles_to_text([row[1] for row in rows], TEXT_DIM), "genre": lambda: genre_matrix(rows)}
    wanted = [
        modality
        for modality in sorted(makers)
        if not _has_own_ids(folder, modality) and not _whole(folder, modality, len(tokens))
    ]
    try:
        for modality in wanted:
            logging.getLogger().info(f"Computing the {modality} features of {NAME} into {folder} (once)")
            with replacing(folder / f"{NAME}.{modality}.npy") as stream:
                np.save(stream, makers[modality](), allow_pickle=False)
        if not ids.is_file() or ids.stat().st_size == 0:
            # last, so that its presence says that the matrices are whole
            with replacing(ids, "w") as stream:
                stream.writelines(f"{token}\n" for token in tokens)
    except OSError as error:
        raise UserError(
            f"the features of {NAME} cannot be written into {folder} ({error.strerror}); "
            "set features_path to a folder that you may write"
        ) from error
    return folder


def genre_matrix(rows: list[list[str]]) -> np.ndarray:
    """Encode genres and release years.

    Args:
        rows: of ``ml-100k.item``: item, title, year, genres separated by spaces.

    Returns:
        float32 (items, genres + 1 + decades): a flag a genre, the year scaled to 0..1, a flag a decade. An unknown
        year has the median year and no decade.
    """
    genres = sorted({genre for row in rows for genre in row[3].split()})
    known = [int(row[2]) for row in rows if row[2].isdigit()]
    middle, low, span = int(np.median(known)), min(known), max(1, max(known) - min(known))
    decades = sorted({year // 10 for year in known})
    matrix = np.zeros((len(rows), len(genres) + 1 + len(decades)), dtype=np.float32)
    for index, row in enumerate(rows):
        for genre in row[3].split():
            matrix[index, genres.index(genre)] = 1.0
        year = int(row[2]) if row[2].isdigit() else middle
        matrix[index, len(genres)] = (year - low) / span
        if row[2].isdigit():
            matrix[index, len(genres) + 1 + decades.index(year // 10)] = 1.0
    return matrix


def _users_own(folder: Path, ids: Path, tokens: list[str]) -> bool:
    """Tell whether the folder holds features that are not ours to complete."""
    if any(one not in MODALITIES and not _has_own_ids(folder, one) for one in find_modalities(folder, NAME)):
        return True
    try:
        return ids.is_file() and ids.stat().st_size > 0 and read_item_ids(ids) != tokens
    except UserError:
        return True


def _has_own_ids(folder: Path, modality: str) -> bool:
    return own_item_ids_path(folder, NAME, modality).exists()


def _whole(folder: Path, modality: str, rows: int) -> bool:
    try:
        return len(open_matrix(folder / f"{NAME}.{modality}.npy", modality)) == rows
    except UserError:
        return False
