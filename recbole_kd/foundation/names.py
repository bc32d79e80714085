"""What others have named: as names of files and folders, and as text on a terminal."""

from __future__ import annotations

import re

_ODD = re.compile(r"[^\w.+=\-]+")


def file_name(text: str, longest: int = 100) -> str:
    """``text`` with what is special to a shell, a file system or a browser as ``_``.

    Args:
        text: any.
        longest: of the result, in bytes of UTF-8.
    """
    return cut(_ODD.sub("_", text).strip("._"), longest) or "_"


def printable(text: str, kept: str = "") -> str:
    """``text`` with escapes for what a terminal would not show or would obey, such as the escape character.

    Args:
        text: any.
        kept: characters that stay all the same, such as the end of a line.
    """
    return "".join(sign if sign.isprintable() or sign in kept else repr(sign)[1:-1] for sign in text)


def cut(text: str, longest: int) -> str:
    """``text`` or its beginning, if it has more than ``longest`` bytes in UTF-8."""
    while len(text.encode("utf-8", "surrogateescape")) > longest:
        text = text[:-1]
    return text
