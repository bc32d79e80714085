"""A split that holds items out of training, so that validation and test ask for items that nobody has clicked."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from recbole.data.interaction import cat_interactions
from torch import Tensor

from recbole_kd.foundation.errors import UserError


def hold_out_items(parts: list[Any], share: float, seed: int) -> tuple[list[Any], Tensor]:
    """Draw items of the training part, and move all their interactions into validation or test.

    Of the drawn items every second one is validation's, all its interactions, whichever part they were in; the others
    are test's. The other interactions stay where the split put them.

    Args:
        parts: training, validation and test; they are not changed.
        share: of the items that training has.
        seed: of the draw, which shifts no other random numbers.

    Returns:
        The new parts, and which items are held out, bool (item_num,).

    Raises:
        UserError: the share is of less than two items, or leaves training none.
    """
    columns = [part.inter_feat[part.iid_field].numpy() for part in parts]
    known = np.unique(columns[0])
    count = round(share * len(known))
    if not 2 <= count < len(known):
        raise UserError(
            f"split: cold_items={share:g} holds out {count} of the {len(known)} items of training, and it must be 2 or "
            "more, one for validation and one for test, and leave some"
        )
    drawn = np.random.default_rng(seed).permutation(known)[:count]
    goes_to = np.zeros(parts[0].item_num, dtype=np.int64)  # 0: where it is
    goes_to[drawn[0::2]], goes_to[drawn[1::2]] = 2, 1
    targets = [np.where(goes_to[items] > 0, goes_to[items], place) for place, items in enumerate(columns)]
    moved = []
    for place, part in enumerate(parts):
        rows = [
            other.inter_feat[torch.from_numpy(np.flatnonzero(target == place))]
            for other, target in zip(parts, targets, strict=True)
        ]
        moved.append(part.copy(cat_interactions([some for some in rows if len(some)] or rows[:1])))
    return moved, torch.from_numpy(goes_to > 0)
