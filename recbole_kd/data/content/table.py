"""Tables that a shop exports, row by row: CSV, TSV, JSON lines and Parquet."""

from __future__ import annotations

import codecs
import csv
import json
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from recbole_kd.foundation.errors import UserError, did_you_mean

SUFFIXES = {".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
_BETWEEN = {"csv": ",", "tsv": "\t"}


class Row(NamedTuple):
    """A row of a table.

    Attributes:
        place: where it is, for messages: ``line 7``, or ``row 6`` of Parquet.
        id: the item's, "" where there is none.
        values: of the columns asked for, in their order, "" where there is none.
    """

    place: str
    id: str
    values: tuple[str, ...]


def check_table(path: Path) -> str:
    """Return what kind of table a file is, by its ending: ``csv``, ``tsv``, ``jsonl`` or ``parquet``.

    Raises:
        UserError: it is no file, or its ending says nothing.
    """
    if not path.is_file():
        raise UserError(f"there is no table at {path}; give --table=FILE")
    kind = SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise UserError(
            f"{path} ends in {path.suffix or 'nothing'!r}; a table ends in {', '.join(SUFFIXES)}; rename or export it"
        )
    return kind


def read_rows(path: Path, id_column: str, columns: Sequence[str], encoding: str = "utf-8") -> Iterator[Row]:
    """Yield the rows of a table; nothing of it is held.

    Args:
        path: see :func:`check_table`.
        id_column: that holds the items' raw tokens.
        columns: whose values are wanted. A number is its text, a list its texts with commas, a missing value "".
        encoding: of CSV, TSV and JSON lines; a byte order mark is left out.

    Raises:
        UserError: the file cannot be read, has no such column, or a row is broken; with its line.
    """
    kind = check_table(path)
    if kind == "parquet":
        yield from _parquet(path, id_column, columns)
        return
    with _text(path, encoding) as stream:
        if kind == "jsonl":
            yield from _json_lines(path, stream, id_column, columns)
        else:
            yield from _fields(path, stream, _BETWEEN[kind], id_column, columns)


@contextmanager
def _text(path: Path, encoding: str) -> Iterator[IO[str]]:
    try:
        "".encode(encoding)
    except LookupError:
        raise UserError(
            f"table_encoding={encoding!r} is no encoding that Python knows; utf-8 is the usual one"
        ) from None
    name = "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
    try:
        with path.open(encoding=name, newline="") as stream:
            yield stream
    except UnicodeDecodeError:
        line = _line_of_fault(path, name)
        raise UserError(
            f"{path}, line {line}: this is not in the encoding {encoding}; save the table in UTF-8, or name its own "
            "with --table_encoding=NAME, such as latin-1"
        ) from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; see that it is a file that you may read") from None


def _line_of_fault(path: Path, encoding: str) -> int:
    """The line that cannot be decoded."""
    decoder, line = codecs.getincrementaldecoder(encoding)(), 1
    with path.open("rb") as raw:
        for content in raw:
            try:
                line += decoder.decode(content).count("\n")
            except UnicodeDecodeError:
                break
    return line


@contextmanager
def _long_fields() -> Iterator[None]:
    """Within the block a field may be as long as it likes."""
    before = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _fields(path: Path, stream: IO[str], between: str, id_column: str, columns: Sequence[str]) -> Iterator[Row]:
    reader = csv.reader(stream, delimiter=between, strict=True)
    begun = 1
    try:
        with _long_fields():
            header = next(reader, None)
            if not header:
                raise UserError(f"{path} is empty; its first line names the columns")
            header = [name.strip() for name in header]
            places = [_place(path, header, name) for name in (id_column, *columns)]
            begun = reader.line_num + 1
            for row in reader:
                if row and len(row) != len(header):
                    raise UserError(
                        f"{path}, line {begun}: {len(row)} fields, and the header has {len(header)}; quote fields that "
                        "hold a separator, or give the line as many"
                    )
                if row:
                    token, *values = (row[place] for place in places)
                    yield Row(f"line {begun}", token, tuple(values))
                begun = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path}, line {begun}: {error}; export the table again, with its quotes doubled") from None


def _place(path: Path, header: Sequence[str], name: str) -> int:
    if header.count(name) > 1:
        raise UserError(f"{path}: its header names the column {name!r} twice; rename one")
    if name not in header:
        have = ", ".join(header[:20]) + (" …" if len(header) > 20 else "")
        raise UserError(f"{path} has no column {name!r} (it has {have}){did_you_mean(name, header)}")
    return header.index(name)


def _json_lines(path: Path, stream: IO[str], id_column: str, columns: Sequence[str]) -> Iterator[Row]:
    known: set[str] = set()
    any_row = False
    for number, line in enumerate(stream, start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = str(error).partition(":")[0].lower()
            raise UserError(f"{where} is no JSON ({reason}); give an object a line, such as {{...}}") from None
        if not isinstance(found, dict):
            raise UserError(f'{where} is no object; give one a line, such as {{"{id_column}": "7", ...}}')
        known |= found.keys()
        any_row = True
        token, *values = (_word(found.get(name), where, name) for name in (id_column, *columns))
        yield Row(f"line {number}", token, tuple(values))
    if not any_row:
        raise UserError(f"{path} is empty; it must hold an object a line")
    for name in (id_column, *columns):  # a key may be left out of a row, but not of all
        if name not in known:
            have = ", ".join(sorted(known)[:20])
            raise UserError(f"{path} has no key {name!r} (it has {have}){did_you_mean(name, known)}")


def _parquet(path: Path, id_column: str, columns: Sequence[str]) -> Iterator[Row]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UserError(
            f"{path} is Parquet, for which pyarrow is missing; install it with pip install 'recbole-kd[content]'"
        ) from None
    number = 0
    try:
        with parquet.ParquetFile(path, memory_map=False) as file:
            header = file.schema_arrow.names
            for name in (id_column, *columns):
                _place(path, header, name)
            for batch in file.iter_batches(batch_size=1024, columns=list(dict.fromkeys((id_column, *columns)))):
                parts = [batch.column(name).to_pylist() for name in (id_column, *columns)]
                for values in zip(*parts, strict=True):
                    number += 1
                    where = f"{path}, row {number}"
                    named = zip((id_column, *columns), values, strict=True)
                    token, *words = (_word(value, where, name) for name, value in named)
                    yield Row(f"row {number}", token, tuple(words))
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).partition(".")[0].partition("\n")[0]
        raise UserError(f"{path} is no whole Parquet file ({reason}); export it again") from None
    if not number:
        raise UserError(f"{path} has no rows; export it again")


def _word(value: Any, where: str, column: str) -> str:
    """A value as text."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and (math.isnan(value) or value.is_integer()):  # whole numbers beside missing ones
        return "" if math.isnan(value) else str(int(value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list) and not any(isinstance(part, list | dict) for part in value):
        return ", ".join(filter(None, (_word(part, where, column) for part in value)))
    raise UserError(f"{where}: {column} is of the type {type(value).__name__}; give texts, numbers or lists of them")
