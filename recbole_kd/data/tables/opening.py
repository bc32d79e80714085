"""Which kind of table a file is, told by what it holds and not by its name."""

from __future__ import annotations

from pathlib import Path

from recbole_kd.data.tables.blocks import Table
from recbole_kd.data.tables.delimited import CELL, Delimited
from recbole_kd.data.tables.json_lines import JsonLines
from recbole_kd.data.tables.parquet import Parquet
from recbole_kd.data.tables.text import LINE, Text
from recbole_kd.foundation.errors import UserError

# How files begin that people take for tables.
_OTHERS = {
    b"PK\x03\x04": "a workbook or a zip file; save the sheet as CSV, or unpack it",
    b"\xd0\xcf\x11\xe0": "an old workbook; save the sheet as CSV",
    b"SQLite": "a database; write its table as CSV",
    b"%PDF": "a PDF; export the table as CSV",
    b"\x80\x04": "a pickle, which is not opened; write the table as CSV or Parquet",
    b"\x28\xb5\x2f\xfd": "packed with zstd; unpack it, or pack it with gzip",
    b"BZh": "packed with bzip2; unpack it, or pack it with gzip",
    b"\xfd7zXZ": "packed with xz; unpack it, or pack it with gzip",
}


def open_table(path: Path, encoding: str = "", longest: int = CELL) -> Table:
    """Open a table and read its columns' names.

    Args:
        path: CSV with commas, semicolons, tabs or bars, or JSON lines, either as it is or packed with gzip; or Parquet.
        encoding: of text; ``""`` for UTF-8, or what a byte order mark says.
        longest: characters of a cell; of text, more are taken for a quotation mark that is not closed.

    Raises:
        UserError: it is missing, empty, of another kind, or broken.
    """
    if path.is_dir():
        inside = ", ".join(sorted(file.name for file in path.iterdir() if file.is_file())[:5])
        raise UserError(f"{path} is a folder; give the file of the table{f', of {inside}' if inside else ''}")
    if not path.is_file():
        raise UserError(f"{path} does not exist or is no file; give a CSV, JSON lines or Parquet file")
    text = Text(path, encoding, max(longest, LINE))
    start = text.start(512)
    if not start:
        raise UserError(f"{path} is an empty file; copy or export it again")
    if start.startswith(b"PAR1"):
        return Parquet(path, longest)
    for mark, what in _OTHERS.items():
        if start.startswith(mark):
            raise UserError(f"{path} is {what}")
    if 4 * start.count(0) > len(start) and text.encoding.startswith("utf-8"):
        raise UserError(f"{path} is no text in UTF-8; if it is UTF-16 add --encoding=utf-16-le, else export it as CSV")
    first = start.decode(text.encoding, "ignore").lstrip("\ufeff \t\r\n")[:1]
    if first == "[":
        raise UserError(f"{path} is one JSON list; write JSON lines, an object a line")
    return JsonLines(text) if first == "{" else Delimited(text, longest)
