"""What all commands do with the words they are given."""

from __future__ import annotations

from collections.abc import Sequence


def wants_help(words: Sequence[str]) -> bool:
    """Whether help is asked for."""
    return bool({"-h", "--help"} & set(words))


def split_config_files(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Take ``--config_files`` out, and accept ``--model X`` for ``--model=X`` as RecBole's script does."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] in ("--model", "--dataset", "--config_files") and not word.startswith("--"):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    files = [word.partition("=")[2].split() for word in joined if word.startswith("--config_files=")]
    rest = [word for word in joined if not word.startswith("--config_files=")]
    return rest, [file for several in files for file in several]
