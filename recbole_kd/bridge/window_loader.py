"""Training batches of whole stretches of histories, for models that learn from all their positions at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from recbole.data.dataloader.abstract_dataloader import AbstractDataLoader
from recbole.data.interaction import Interaction
from torch import Tensor

from recbole_kd.bridge.histories import START, Histories
from recbole_kd.foundation.errors import UserError


class WindowLoader(AbstractDataLoader):
    """One row a window of a user's training history: each event but a user's first is the target of one position.

    A history is cut from its end into windows of ``MAX_ITEM_LIST_LENGTH`` events, which overlap by one: the first event
    of a window is the last target of the window before it. RecBole's augmentation has one row a target instead, and an
    encoder reads each history as often as it is long. ``train_batch_size`` counts targets, as it does there: a batch is
    of as many windows as have so many on average.
    """

    def __init__(self, config: Any, dataset: Histories, sampler: Any, shuffle: bool = False) -> None:
        if dataset.max_item_list_len < 2:
            raise UserError(
                f"MAX_ITEM_LIST_LENGTH={dataset.max_item_list_len}: {config['model']} learns from an item and the one "
                "after it in a history; set it to 2 or more"
            )
        self.starts, self.lengths, self.users = windows(dataset)
        self.sample_size = len(self.starts)
        super().__init__(config, dataset, sampler, shuffle=shuffle)

    def _init_batch_size_and_step(self) -> None:
        mean = float((self.lengths - 1).double().mean())
        self.step = max(round(self.config["train_batch_size"] / mean), 1)
        self.set_batch_size(self.step)

    def __iter__(self) -> Iterator[Interaction]:
        order = torch.arange(self.sample_size)
        if self.shuffle:
            order = torch.randperm(self.sample_size, generator=self.generator)
        return map(self.collate_fn, order.split(self.step))

    def collate_fn(self, index: Sequence[int] | Tensor) -> Interaction:
        """The windows ``index`` (B,): users, lengths, and histories (B, ``MAX_ITEM_LIST_LENGTH``)."""
        rows = torch.as_tensor(index)
        dataset = self._dataset
        columns = {dataset.uid_field: self.users[rows], dataset.item_list_length_field: self.lengths[rows]}
        return dataset.join(Interaction({**columns, START: self.starts[rows]}))


def windows(train: Histories) -> tuple[Tensor, Tensor, Tensor]:
    """Where each window of the training histories begins, how many events it has, and whose it is, (n_windows,) each.

    A user with a single event has none.
    """
    users = train.training[train.uid_field]
    counts = torch.bincount(users, minlength=train.user_num)
    first = train.first_events()
    step = train.max_item_list_len - 1
    many = torch.where(counts > 1, (counts - 2) // step + 1, 0)
    owner = torch.arange(train.user_num).repeat_interleave(many)
    nth = torch.arange(len(owner)) - (many.cumsum(0) - many)[owner]
    ends = first[owner] + counts[owner] - nth * step
    starts = torch.maximum(first[owner], ends - train.max_item_list_len)
    return starts, ends - starts, owner
