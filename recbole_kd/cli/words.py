"""What all commands do with the words they are given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

_SHORT = {"-m": "--model", "-d": "--dataset", "-c": "--config_files"}


def wants_help(words: Sequence[str]) -> bool:
    """Whether help is asked for."""
    return bool({"-h", "--help"} & set(words))


def joined(words: Iterable[str]) -> list[str]:
    """Each key with its value as ``--key=value``, where people write ``--key value``, ``-m`` or ``-d`` as elsewhere."""
    found: list[str] = []
    for word in words:
        if found and _lacks_value(found[-1]) and not word.startswith("--") and word not in _SHORT:
            found[-1] += f"={word}"
        else:
            short, equals, value = word.partition("=")
            found.append(f"{_SHORT.get(short, short)}{equals}{value}")
    return found


def _lacks_value(word: str) -> bool:
    return word.startswith("--") and len(word) > 2 and "=" not in word


def split_config_files(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Take ``--config_files`` out of the :func:`joined` words; its files are separated by spaces."""
    pairs = joined(words)
    given = [word.partition("=")[2] for word in pairs if word.startswith("--config_files=")]
    rest = [word for word in pairs if not word.startswith("--config_files=")]
    return rest, [file for files in given for file in ([files] if Path(files).is_file() else files.split())]
