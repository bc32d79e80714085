"""Reading ``<name>.item_ids``: which raw item token each row of a feature matrix belongs to."""

from __future__ import annotations

from pathlib import Path

from recbole_kd.foundation.errors import UserError


def read_item_ids(path: Path) -> list[str]:
    """Return the raw item tokens, one a row of the feature matrices.

    Args:
        path: a UTF-8 text file, one token a line; Windows line ends and a byte order mark are tolerated.

    Raises:
        UserError: the file is missing, empty or not UTF-8, has a blank line, or names a token twice.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist; write there the raw item token of each feature row, one a line")
    raw = path.read_bytes()
    if not raw.strip():
        raise UserError(f"{path} is empty; write there the raw item token of each feature row, one a line")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path} is not UTF-8 text (line {line}); save it again in UTF-8") from error
    # not splitlines(): a token may hold one of Unicode's rarer line separators
    tokens = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
    seen: dict[str, int] = {}
    for line, token in enumerate(tokens, start=1):
        if not token:
            raise UserError(f"{path} has a blank line {line}; each line must hold one raw item token")
        if token in seen:
            raise UserError(f"{path} names item {token!r} twice, in lines {seen[token]} and {line}; keep one of them")
        seen[token] = line
    return tokens
