"""What a data set's own YAML file may say: what describes data, and nothing of where or how a run goes on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from recbole_kd.bridge.data_keys import DataSettings
from recbole_kd.bridge.run_settings import FeatureSettings
from recbole_kd.foundation.errors import UserError

_SPLIT = {"eval_args", "split", "seed", "time_format"}
KEYS = frozenset({*DataSettings.model_fields, *FeatureSettings.model_fields, *_SPLIT} - {"features_path"})


def check_dataset_keys(keys: Iterable[object], file: Path) -> None:
    """Refuse what a data set, which may come from a stranger, must not decide.

    Raises:
        UserError: a key that names a folder, a file, a model or a setting of a run.
    """
    for key in map(str, keys):
        if key not in KEYS and not key.startswith("alias_of_"):
            raise UserError(
                f"{file} sets {key!r}, and a data set's file may only describe its data (columns, filters, split, "
                f"features); delete the line, or give {key} on the command line or in a file for --config_files"
            )


def dataset_name(given: object) -> str:
    """The name of a data set, which is its folder's too; a slash at its end is left out.

    Raises:
        UserError: it would lead to another folder than one in ``data_path``.
    """
    name = str(given).rstrip("/") if isinstance(given, str | Path | int) and not isinstance(given, bool) else ""
    folder, slash, last = name.rpartition("/")
    if slash and last.endswith(".inter"):  # a file of the folder
        folder, _, last = folder.rpartition("/")
    if slash and last not in ("", ".", ".."):
        raise UserError(f"dataset={given!r} is a path; write --data_path={folder or '/'} --dataset={last}")
    if name in ("", ".", "..") or any(sign in name for sign in "\\\0\n"):
        raise UserError(f"dataset={given!r} is no name of a data set; give that of a folder in data_path")
    return name
