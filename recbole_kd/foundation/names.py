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
    plain = _ODD.sub("_", text).strip("._")
    return plain.encode("utf-8", "replace")[:longest].decode("utf-8", "ignore") or "_"
