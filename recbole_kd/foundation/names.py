"""Names of files and folders made of what others have named."""

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


def cut(text: str, longest: int) -> str:
    """``text`` or its beginning, if it has more than ``longest`` bytes in UTF-8."""
    return text.encode("utf-8", "surrogateescape")[:longest].decode("utf-8", "ignore")
