"""The lines of a text file that may be packed with gzip, may be large, and may be no text at all."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tqdm import tqdm

from recbole_kd.foundation.errors import UserError

LINE = 1 << 20  # characters of a line, by default
_GZIP = b"\x1f\x8b"
_BOMS = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32"}
_BOMS |= {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16", codecs.BOM_UTF8: "utf-8-sig"}


class Text:
    """A file of text.

    Attributes:
        path: the file.
        encoding: as Python calls it.
    """

    def __init__(self, path: Path, encoding: str = "", longest: int = LINE) -> None:
        """Args:
            path: a plain file, packed with gzip or not.
            encoding: of the text; ``""`` for UTF-8, or what a byte order mark at its beginning says.
            longest: characters of a line.

        Raises:
            UserError: it cannot be read, or Python knows no such encoding.
        """
        self.path, self._longest = path, longest
        start = self.start(4)
        found = next((name for mark, name in _BOMS.items() if start.startswith(mark)), "utf-8")
        self.encoding = _known(encoding) or found

    def start(self, size: int) -> bytes:
        """The first bytes, unpacked."""
        with self._opened() as (stream, _):
            return stream.read(size)

    @contextmanager
    def lines(self, bar: bool = False) -> Iterator[Iterator[str]]:
        """Its lines, each with its end; within the block, what is wrong with the file is a UserError.

        Args:
            bar: show how much of the file has been read.

        Raises:
            UserError: the file is cut short, in another encoding (line named), or a line is too long.
        """
        with self._opened() as (stream, raw):
            text = io.TextIOWrapper(stream, encoding=self.encoding, newline="")
            try:
                yield self._lines(text, raw, bar)
            except UnicodeError as error:
                raise self._not_in_encoding(error) from None

    def _lines(self, text: io.TextIOWrapper, raw: IO[bytes], bar: bool) -> Iterator[str]:
        size = os.fstat(raw.fileno()).st_size
        what = self.path.name
        with tqdm(total=size, disable=not bar, desc=what, unit="B", unit_scale=True, delay=2) as progress:
            number = 0
            while line := text.readline(self._longest):
                number += 1
                if len(line) == self._longest and line[-1] not in "\r\n":
                    raise UserError(
                        f"{self.path}, line {number}: it is longer than {self._longest:,} characters, as no row is; "
                        "is this a table with line ends?"
                    )
                if not number & 0xFFFF:
                    progress.update(raw.tell() - progress.n)
                yield line
            progress.update(size - progress.n)

    @contextmanager
    def _opened(self) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
        """The bytes, and the file that they are read from, whose position tells how far that is."""
        try:
            with self.path.open("rb") as raw:
                packed = raw.read(len(_GZIP)) == _GZIP
                raw.seek(0)
                with gzip.GzipFile(fileobj=raw) if packed else raw as stream:
                    yield stream, raw  # type: ignore[misc]
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise UserError(f"{self.path} is cut short or no sound gzip file ({error}); copy it again") from None
        except OSError as error:
            raise UserError(f"cannot read {self.path}: {error.strerror or error}") from None

    def _not_in_encoding(self, error: UnicodeError) -> UserError:
        """The first line that is not in the encoding; it is looked for, since text is decoded by blocks."""
        advice = f"it is not in the encoding {self.encoding}; save the file as UTF-8, or name its own with --encoding, "
        advice += "such as --encoding=cp1252 or --encoding=gb18030 (of new items: --new_items_encoding)"
        if not self.encoding.startswith(("utf-16", "utf-32")):
            with self._opened() as (stream, _):
                number = 0
                while line := stream.readline(4 * self._longest):
                    number += 1
                    try:
                        line.decode(self.encoding)
                    except UnicodeError:
                        return UserError(f"{self.path}, line {number}: {advice}")
        return UserError(f"{self.path}: {advice} ({error})")


def _known(encoding: str) -> str:
    if not encoding:
        return ""
    try:
        name = codecs.lookup(encoding).name
        " ".encode(encoding)  # rot13 and base64 are no encodings of text
        b"a".decode(encoding, "ignore")  # idna is one of names alone
    except (LookupError, TypeError, ValueError):
        raise UserError(
            f"encoding={encoding!r} is no encoding that Python knows; write utf-8, cp1252, gb18030 or another"
        ) from None
    return "utf-8-sig" if name == "utf-8" else name
