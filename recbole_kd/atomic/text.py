"""The bytes of an atomic file as UTF-8 lines, or a sentence that says what they are instead."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recbole_kd.foundation.errors import UserError

_BLOCK = 1 << 22  # bytes scanned at once
_BOMS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_NEWLINE, _RETURN, _QUOTE = b"\n"[0], b"\r"[0], b'"'[0]


@dataclass(frozen=True)
class Lines:
    """A text file whose lines all have the same number of fields.

    Attributes:
        path: the file.
        raw: its content in UTF-8, without a byte order mark.
        separator: one character.
        blank: numbers of its empty lines, ascending, int64; they are no rows.
        gaps: whether a field may be empty.
    """

    path: Path
    raw: bytes
    separator: str
    blank: np.ndarray
    gaps: bool

    def line_of(self, row: int) -> int:
        """The number of the line, from 1, that holds a row; row 0 is the one after the header."""
        line = row + 2
        for empty in self.blank:
            line += empty <= line
        return int(line)


def read_text(path: Path, encoding: str) -> bytes:
    """A file's content in UTF-8, a byte order mark left out.

    Raises:
        UserError: it is missing, cannot be read, is in another encoding, or has characters that no text has.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    try:
        known = codecs.lookup(encoding).name
        " ".encode(encoding)  # rot13 and base64 are no encodings of text
    except LookupError:
        raise UserError(f"encoding={encoding!r} is no encoding that Python knows; utf-8 is the usual one") from None
    if known.startswith("utf-8"):
        raw = raw.removeprefix(codecs.BOM_UTF8)
        name = next((name for mark, name in _BOMS.items() if raw.startswith(mark)), None)
        if name:
            raise UserError(f"{path} is in the encoding {name}; save it as UTF-8, or give --encoding={name.lower()}")
        _check_utf8(path, raw)
        _check_characters(path, raw)
        return raw
    try:
        raw = raw.decode(encoding).encode()
    except UnicodeError as error:
        line = raw[: getattr(error, "start", 0)].count(b"\n") + 1
        raise UserError(f"{path}, line {line}: this is not in the encoding {encoding} that the key says") from None
    _check_characters(path, raw)
    return raw


def split_lines(path: Path, raw: bytes, separator: str, columns: int) -> Lines:
    """Check that each line has as many fields as the header.

    Args:
        path: what messages call the file.
        raw: of :func:`read_text`.
        separator: one character.
        columns: fields of the header.

    Raises:
        UserError: naming the first line that has more or fewer, or an open quotation mark.
    """
    blank = [np.zeros(0, dtype=np.int64)]
    line, gaps = 1, b'""' in raw or len(separator.encode()) > 1
    for block in _blocks(raw):
        codes = np.frombuffer(block, dtype=np.uint8)
        ends = np.flatnonzero(codes == _NEWLINE)
        if not block.endswith(b"\n"):
            ends = np.append(ends, len(codes))
        starts = np.append(0, ends[:-1] + 1)
        separators = _separators(block, codes, separator)
        fields = np.add.reduceat(separators, starts, dtype=np.int32) + 1
        sizes = ends - starts
        returns = np.zeros(len(ends), dtype=bool)
        if _RETURN in block:
            returns[sizes > 0] = codes[ends[sizes > 0] - 1] == _RETURN
        empty = sizes - returns == 0
        edges = separators | (codes == _NEWLINE) | (codes == _RETURN)
        gaps = gaps or bool(edges[0] or edges[-1] > (codes[-1] == _NEWLINE) or (edges[1:] & edges[:-1]).any())
        if _QUOTE in block:
            for row in np.unique(np.searchsorted(ends, np.flatnonzero(codes == _QUOTE))):
                fields[row] = _fields_with_quotes(path, block[starts[row] : ends[row]], separator, line + int(row))
        wrong = np.flatnonzero((fields != columns) & ~empty)
        if len(wrong):
            _refuse_fields(path, int(fields[wrong[0]]), columns, line + int(wrong[0]))
        blank.append(np.flatnonzero(empty) + line)
        line += len(ends)
    return Lines(path, raw, separator, np.concatenate(blank), gaps)


def _separators(block: bytes, codes: np.ndarray, separator: str) -> np.ndarray:
    """Where a separator begins, bool, a byte each."""
    sign = separator.encode()
    if len(sign) == 1:
        return np.asarray(codes == sign[0])
    found = np.zeros(len(codes), dtype=bool)
    found[[match.start() for match in re.finditer(re.escape(sign), block)]] = True
    return found


def _blocks(raw: bytes) -> Iterator[bytes]:
    """Whole lines, some million bytes at a time."""
    start = 0
    while start < len(raw):
        stop = raw.find(b"\n", start + _BLOCK) + 1 or len(raw)
        yield raw[start:stop]
        start = stop


def _check_utf8(path: Path, raw: bytes) -> None:
    decoder, line = codecs.getincrementaldecoder("utf-8")(), 1
    for block in _blocks(raw):  # a block ends with a line, so with a whole character
        try:
            decoder.decode(block, final=True)
        except UnicodeDecodeError as error:
            line += block[: error.start].count(b"\n")
            raise UserError(
                f"{path}, line {line}: byte {error.object[error.start]:#04x} is not UTF-8; save the file in this "
                "encoding, or name its own with --encoding=NAME, such as gbk or latin-1"
            ) from None
        line += block.count(b"\n")


def _check_characters(path: Path, raw: bytes) -> None:
    """Refuse what pandas would take for the end of a field or of a line."""
    nul = raw.find(b"\0")
    if nul >= 0:
        line = raw[:nul].count(b"\n") + 1
        raise UserError(f"{path}, line {line}: there is a NUL byte, which no text has; copy or export the file again")
    lone = re.search(rb"\r(?!\n)", raw) if b"\r" in raw else None
    if lone:
        line = raw[: lone.start()].count(b"\n") + 1
        raise UserError(
            f"{path}, line {line}: there is a carriage return that ends no line; save the file with the line ends of "
            "Unix or Windows"
        )


def _fields_with_quotes(path: Path, text: bytes, separator: str, line: int) -> int:
    try:
        (fields,) = csv.reader([text.decode().removesuffix("\r")], delimiter=separator, strict=True)
    except (csv.Error, ValueError):
        raise UserError(
            f"{path}, line {line}: a field begins with a quotation mark and does not end with one; remove it, or write "
            'the field as "…" with each mark inside doubled'
        ) from None
    return len(fields)


def _refuse_fields(path: Path, found: int, columns: int, line: int) -> None:
    fields = f"{found} field{'s' * (found != 1)}"
    raise UserError(
        f"{path}, line {line}: {fields}, and the header has {columns}; give the line as many, an empty one where there "
        "is no value"
    )
