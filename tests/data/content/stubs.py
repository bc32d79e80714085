"""An encoder without a library: rows that tell their inputs."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from torch import nn

from recbole_kd.data.content.blocks import Block
from recbole_kd.data.content.encoder import Identity


class Stub:
    """Gives each input a row of its checksum; inputs whose text holds ``broken`` have none.

    ``stop_at`` is the call, from 1, at which a Ctrl-C comes.
    """

    def __init__(self, stop_at: int = 0, files: str = "f" * 64, batch_size: int = 1) -> None:
        self.identity = Identity("stub", "w" * 64, files)
        self.width, self.module, self.settings = 3, nn.Linear(1, 1), {"batch_size": batch_size}
        self.calls: list[list[str]] = []
        self._stop_at = stop_at

    def __call__(self, inputs: Sequence[tuple[str, object]], /) -> Block:
        self.calls.append([token for token, _ in inputs])
        if len(self.calls) == self._stop_at:
            raise KeyboardInterrupt
        kept = np.array(["broken" not in str(value) for _, value in inputs])
        rows = [row_of(value) for (_, value), there in zip(inputs, kept, strict=True) if there]
        broken = [token for (token, _), there in zip(inputs, kept, strict=True) if not there]
        return Block(np.array(rows, dtype=np.float32).reshape(-1, 3), kept, {"broken ones": broken} if broken else {})


def row_of(value: object) -> list[float]:
    """What :class:`Stub` gives for an input."""
    number = zlib.crc32(str(value).encode())
    return [number % 101, number % 103, 1.0]
