"""Digests: what tells one result, file or set of weights from another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

NUMERICS = "0.2.0"
"""The version of our arithmetic. Whoever changes a figure, be it in the last digit, raises it by hand in the same
commit: finished stages, teacher caches and numbers of reports made under another value are then made again. It names
the release whose figures ours still are, and stays while releases change everything else."""


def sha256_of(content: bytes) -> str:
    """The SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def sha256_of_values(values: Any, **style: Any) -> str:
    """The SHA-256 of plain values as JSON; ``style`` is passed on to :func:`json.dumps`."""
    return sha256_of(json.dumps(values, **style).encode())


def sha256_of_file(path: Path) -> str:
    """The SHA-256 of a file's content, read in small pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_of_tensors(tensors: Mapping[str, Tensor]) -> str:
    """The SHA-256 of named tensors, such as a model's ``state_dict``."""
    digest = hashlib.sha256()
    for name, value in tensors.items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
