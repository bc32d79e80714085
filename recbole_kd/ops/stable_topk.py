"""The best items of a block of scores, the same whatever finds them: equal scores go by the lower item id."""

from __future__ import annotations

import torch
from torch import Tensor

NEVER = torch.iinfo(torch.int64).min  # the key of an item that may not be among the best


def sort_keys(scores: Tensor, items: Tensor) -> Tensor:
    """Integers in the order of the scores (b, n), and of equal scores in the falling order of ``items``.

    The bits of a positive float32 are an integer in its order; those of a negative one, but for the sign, in the
    reverse of its order. No two keys of a row are equal, so the largest of them are the same whatever finds them.
    """
    bits = (scores.float() + 0.0).view(torch.int32)  # + 0.0 makes -0.0 equal to 0.0
    bits = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    return (bits.long() << 32) | (0xFFFFFFFF - items)


def largest(keys: Tensor, k: int) -> Tensor:
    """Items (b, k) of the largest keys, largest first; 0 where only ``NEVER`` is left."""
    found = keys.topk(k).values
    return torch.where(found == NEVER, 0, 0xFFFFFFFF - (found & 0xFFFFFFFF))
