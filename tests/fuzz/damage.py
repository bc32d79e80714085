"""Ways in which files and values go wrong."""

from __future__ import annotations

import os
import pickle
import random
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

MARK = "CODE-RAN"


class Exploit:
    """Runs a command where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {MARK}",)


EXPLOIT = pickle.dumps(Exploit())
_WORDS = [
    b"\t",
    b"\n",
    b"\0",
    b"\xff",
    b'"',
    b"NaN",
    b"-1",
    b"1e999",
    b"../../x",
    b":",
    b"{",
    b"[",
    b"\r",
    b"\xef\xbb\xbf",
]


def flip(draw: random.Random, content: bytes) -> bytes:
    """Change some bits."""
    changed = bytearray(content)
    for _ in range(draw.choice([1, 1, 1, 8])):
        if changed:
            changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def cut(draw: random.Random, content: bytes) -> bytes:
    """Lose the end."""
    return content[: draw.randrange(len(content) + 1)]


def lose(draw: random.Random, content: bytes) -> bytes:
    """Lose a piece in the middle."""
    start = draw.randrange(len(content) + 1)
    return content[:start] + content[start + draw.randrange(64) :]


def insert(draw: random.Random, content: bytes) -> bytes:
    """Put something that files may hold where it does not belong."""
    start = draw.randrange(len(content) + 1)
    return content[:start] + draw.choice(_WORDS) + content[start:]


def exploit(draw: random.Random, content: bytes) -> bytes:
    """Another file altogether: a pickle, alone or as the member of an archive that PyTorch would load."""
    if draw.random() < 0.5:
        return EXPLOIT
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("archive/data.pkl", EXPLOIT)
        archive.writestr("archive/version", "3\n")
    return out.getvalue()


DAMAGES: list[Callable[[random.Random, bytes], bytes]] = [flip, flip, cut, lose, insert, insert, exploit]


def damage_one(draw: random.Random, files: list[Path]) -> Path:
    """Damage one of the files, or put a link in its place."""
    path = draw.choice(sorted(files))
    if draw.random() < 0.03:
        path.unlink()
        path.symlink_to("/dev/zero" if draw.random() < 0.5 else "/nowhere")
        return path
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(draw.choice(DAMAGES)(draw, content))
    return path


def value(draw: random.Random, depth: int = 2) -> Any:
    """A value of any type that YAML or a command line can give."""
    leaves = [None, True, False, 0, 1, -1, 2, 10**30, 0.5, -0.1, float("nan"), float("inf"), "", " ", "x", "[4,inf)"]
    leaves += ["user_id", "rating", "full", "uni5", "RS", "../x", "\0", "1e-3", "true", "sixtyfour", "é电", "$x$"]
    if depth == 0 or draw.random() < 0.6:
        return draw.choice(leaves)
    if draw.random() < 0.5:
        return [value(draw, depth - 1) for _ in range(draw.randrange(4))]
    return {draw.choice(["inter", "item", "rating", "split", "RS", "x", 3]): value(draw, depth - 1) for _ in range(2)}
