"""A finished modality beside a data set: matrix, item ids and a record of where they come from, in a safe order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recbole_kd.data.features import own_item_ids_path
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.files import replacing, write_json
from recbole_kd.foundation.npy import write_header

_MODALITY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,99}")


def unfinished(folder: Path, name: str) -> list[str]:
    """The modalities of a data set that a command has begun and not finished, sorted; see :attr:`Target.blocks`."""
    if not folder.is_dir():
        return []
    found = (
        re.fullmatch(rf"\.{re.escape(name)}\.({_MODALITY.pattern})\.blocks", path.name) for path in folder.iterdir()
    )
    return sorted(one[1] for one in found if one)


class Target:
    """The files of a modality of a data set.

    Attributes:
        matrix: ``<name>.<modality>.npy``.
        item_ids: ``<name>.<modality>.item_ids``.
        record: ``<name>.<modality>.json``.
        blocks: the folder of finished blocks, while there is work.
    """

    def __init__(self, folder: Path, name: str, modality: str) -> None:
        """Args:
        folder: of the data set's features.
        name: the data set's.
        modality: its name.

        Raises:
            UserError: no file can be called so.
        """
        if not _MODALITY.fullmatch(modality):
            raise UserError(f"modality={modality!r} is not valid; use letters, digits, '_' and '-'")
        self.matrix = folder / f"{name}.{modality}.npy"
        self.item_ids = own_item_ids_path(folder, name, modality)
        self.record = folder / f"{name}.{modality}.json"
        self.blocks = folder / f".{name}.{modality}.blocks"

    def check(self, modality: str, overwrite: bool) -> None:
        """Refuse to replace what is there, unless that is wanted.

        Raises:
            UserError: a modality of this name is there.
        """
        for path in (self.matrix, self.item_ids, self.record):
            if path.is_dir():
                raise UserError(f"{path} is a folder where a file is to be written; remove it")
        if self.matrix.exists() and not overwrite:
            raise UserError(
                f"modality {modality!r} is there already ({self.matrix}); add --overwrite, or name another --modality"
            )

    def write(
        self, blocks: Iterable[np.ndarray], tokens: Sequence[str], width: int, dtype: str, record: Mapping[str, Any]
    ) -> None:
        """Write the files, the matrix last: while it is not there, neither is the modality.

        An old matrix goes first, since it would be read with the new item ids.

        Args:
            blocks: float32 (k, width) each, all rows in order.
            tokens: the raw item token of each row.
            width: columns.
            dtype: of the matrix on disk, ``<f4`` or ``<f2``.
            record: plain values.

        Raises:
            CannotWrite: the disk refuses.
            UserError: the rows are more or fewer than the tokens.
        """
        with replacing(self.matrix) as stream:
            write_header(stream, (len(tokens), width), dtype)
            count = 0
            for rows in blocks:
                with np.errstate(over="ignore"):
                    cast = np.ascontiguousarray(rows, dtype=dtype)
                if not np.isfinite(cast).all():
                    raise UserError("the encoder gives numbers that float16 cannot hold; leave out --fp16")
                stream.write(cast.tobytes())
                count += len(rows)
            if count != len(tokens):
                raise UserError(f"{self.blocks} has changed meanwhile; repeat the command")
            stream.flush()
            self.matrix.unlink(missing_ok=True)
            with replacing(self.item_ids, "w") as lines:
                lines.writelines(f"{token}\n" for token in tokens)
            write_json(self.record, record)
