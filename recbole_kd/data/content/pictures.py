"""The pictures of a folder: a file an item, called as the item."""

from __future__ import annotations

import os
from pathlib import Path

from recbole_kd.data.content.report import Report
from recbole_kd.data.content.texts import check_token
from recbole_kd.foundation.digest import sha256_of_file, sha256_of_values
from recbole_kd.foundation.errors import UserError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")


def find_pictures(folder: Path, report: Report, some_needed: bool = True) -> dict[str, Path]:
    """Return the picture of each item, by raw token, sorted by file name.

    Args:
        folder: of ``<item>.<ending>``, an ending of :data:`SUFFIXES` in any case. Folders in it are not entered.
        report: gets files of other kinds, links, which are not followed, and a second file of an item.
        some_needed: refuse a folder without any.

    Raises:
        UserError: it is no folder, or has no picture.
    """
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}; give --folder=FOLDER with the pictures")
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(f"cannot read {folder}: {error.strerror}; give a folder that you may read") from None
    pictures: dict[str, Path] = {}
    for entry in found:
        path = Path(entry.path)
        token, suffix = path.stem, path.suffix.lower()
        if entry.is_symlink():
            report.add("links, which are not followed", entry.name)
        elif not entry.is_file(follow_symlinks=False):
            report.add("folders and others that are no files, not entered", entry.name)
        elif suffix not in SUFFIXES or not token:
            report.add(f"files that do not end in {', '.join(SUFFIXES)}", entry.name)
        elif token in pictures:
            report.add("files of an item that has one already, left out", entry.name)
        else:
            check_token(token, f"{folder}, file {entry.name!r}")
            pictures[token] = path
    if some_needed and not pictures:
        raise UserError(f"{folder} has no picture; call them <item>.jpg, or another of {', '.join(SUFFIXES)}")
    return pictures


def digest_of(pictures: dict[str, Path]) -> str:
    """The SHA-256 of the names and contents of pictures, and of whose they are, in their order.

    Raises:
        UserError: one cannot be read.
    """
    try:
        return sha256_of_values([[token, path.name, sha256_of_file(path)] for token, path in pictures.items()])
    except OSError as error:
        raise UserError(f"cannot read {error.filename}: {error.strerror}; see that you may read it") from None
