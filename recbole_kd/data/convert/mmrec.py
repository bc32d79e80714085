"""MMRec's layout: one ``.inter`` file whose ``x_label`` is 0, 1, 2 for train, valid, test, and ``*_feat.npy``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recbole_kd.data.convert.published import MAX_ID, SPLITS, Layout, Option, Published, feature_files
from recbole_kd.data.matrix import open_matrix
from recbole_kd.foundation.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

_OPTIONS = (
    Option("user_field", "", "column of the user ids (default: the one whose name begins with user)"),
    Option("item_field", "", "column of the item ids (default: the one whose name begins with item)"),
)


def read(source: Path, user_field: str = "", item_field: str = "") -> Published:
    """Read the interactions by their published label.

    Args:
        source: the ``.inter`` file, or the folder that holds one.
        user_field: column of the user ids; ``""`` finds it in the header.
        item_field: likewise.

    Raises:
        UserError: no file or several, a column missing, or an id that is no number or out of range (line named).
    """
    path = _find_inter(source)
    frame = _read_table(path)
    user = _column(frame, path, user_field, "user")
    item = _column(frame, path, item_field, "item")
    label = _column(frame, path, "x_label", "x_label")
    features = feature_files(path.parent)
    rows = {modality: len(open_matrix(Path(str(file)), modality)) for modality, file in features.items()}
    items = min(rows.values()) if rows else MAX_ID
    users, item_ids = _ids(frame, user, path, MAX_ID, ""), _ids(frame, item, path, items, " of the feature rows")
    labels = _ids(frame, label, path, len(SPLITS), ", the labels of train, valid and test,")
    pairs = np.stack([users, item_ids], axis=1)
    splits = {split: pairs[labels == number] for number, split in enumerate(SPLITS)}
    return Published(
        splits,
        users=int(users.max(initial=-1)) + 1,
        items=items if rows else int(item_ids.max(initial=-1)) + 1,
        features=features,
    )


def _find_inter(source: Path) -> Path:
    if source.is_file():
        return source
    if not source.is_dir():
        raise UserError(f"source {source} does not exist; give the .inter file or the folder that holds it")
    found = sorted(source.glob("*.inter"))
    if len(found) == 1:
        return found[0]
    if not found:
        raise UserError(f"{source} holds no .inter file; is this MMRec's layout?")
    raise UserError(f"{source} holds several .inter files ({', '.join(p.name for p in found)}); give one as SOURCE")


def _read_table(path: Path) -> pd.DataFrame:
    import pandas as pd  # slow to import, and not for a command that is refused

    try:
        frame = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, encoding="utf-8", quoting=3)
    except pd.errors.EmptyDataError as error:
        raise UserError(f"{path} is an empty file; copy it again") from error
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not a table separated by tabs ({str(error).strip()}); copy it again") from error
    # "user_id:token" is RecBole's typed header
    frame.columns = [str(column).split(":")[0] for column in frame.columns]
    return frame


def _column(frame: pd.DataFrame, path: Path, wanted: str, start: str) -> str:
    columns = [str(column) for column in frame.columns]
    found = [column for column in columns if (column == wanted if wanted else column.lower().startswith(start))]
    if len(found) == 1:
        return found[0]
    flag = f"; name it with --{start}_field" if not wanted else ""
    raise UserError(f"{path} has no single column {wanted or start + '…'} among {', '.join(columns)}{flag}")


def _ids(frame: pd.DataFrame, column: str, path: Path, size: int, of_what: str) -> np.ndarray:
    """Return int64 (rows,) ids in 0..size-1."""
    # x_label is written as 0.0 by some versions of the publisher's script
    text = frame[column].str.removesuffix(".0")
    good = text.str.fullmatch(r"[0-9]{1,10}")
    if not good.all():
        row = int(np.flatnonzero(~good.to_numpy())[0])
        raise UserError(f"{path}, line {row + 2}: {column} is {frame[column].iloc[row]!r}, not a number from 0")
    ids: np.ndarray = text.astype(np.int64).to_numpy()
    if len(ids) and ids.max() >= size:
        row = int(np.flatnonzero(ids >= size)[0])
        raise UserError(f"{path}, line {row + 2}: {column} {ids[row]} is out of range; the last{of_what} is {size - 1}")
    return ids


LAYOUT = Layout("mmrec", ".inter with x_label, and *_feat.npy", read, _OPTIONS)
