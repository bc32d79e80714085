"""What an encoder of texts or of pictures is, whatever library lies below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from torch import nn

    from recbole_kd.data.content.blocks import Block

Input = TypeVar("Input", contravariant=True)


class Identity(NamedTuple):
    """Which encoder it is.

    Attributes:
        name: as the user named it.
        weights: SHA-256 of its weights.
        files: SHA-256 of all files that it was made of.
    """

    name: str
    weights: str
    files: str


class Encoder(Protocol[Input]):
    """Turns inputs into rows.

    Attributes:
        identity: which it is.
        width: columns of its rows.
        module: whose sizes tell how many threads are worth it.
        settings: plain values that its rows depend on besides: ``batch_size``, and such as how long texts are read.
    """

    identity: Identity
    width: int
    module: nn.Module
    settings: dict[str, Any]

    def __call__(self, inputs: Sequence[tuple[str, Input]], /) -> Block:
        """The rows of some inputs, each with its item's token."""
        ...
