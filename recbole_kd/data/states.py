"""Whom items are scored for in a run: users, or positions in their histories."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from recbole_kd.bridge.histories import PLACE, START
from recbole_kd.bridge.recbole import Config, Dataset, Interaction
from recbole_kd.data.dataset import HistoryDataset
from recbole_kd.data.interactions import positives_of
from recbole_kd.ops.ragged import Ragged


class States:
    """Ids of states, which teachers, students and caches of a run share; 0 is the padding's.

    A state is a user, whose history is that of training, or with ``kd_positions: all`` a training interaction: the
    state of its user right after it.

    Attributes:
        users: the user of each state, int64 (n_states,).
        ends: of data with histories, the place after the last event of each state's, int64 (n_states,).
    """

    train: Any  # a data set, whose names of columns are attributes

    def __init__(self, train: Dataset, positions: bool = False, ends: Tensor | None = None) -> None:
        """Args:
        train: the training part of a split.
        positions: whether states are positions, of data with histories.
        ends: of users whose histories do not end with training, the place in all events where each does, (n_users,).
        """
        self.train, self.positions = train, positions
        self.users = torch.arange(train.user_num)
        if not isinstance(train, HistoryDataset):
            return
        users, self._first = train.training[train.uid_field], train.first_events()
        if positions:
            nobody = torch.zeros(1, dtype=torch.int64)
            self.users, self.ends = torch.cat([nobody, users]), torch.cat([nobody, train.training[PLACE] + 1])
            self._of_place = torch.zeros(len(train.events), dtype=torch.int64)
            self._of_place[train.training[PLACE]] = torch.arange(1, len(self.users))
        else:
            self.ends = self._first + torch.bincount(users, minlength=train.user_num) if ends is None else ends

    def __len__(self) -> int:
        return len(self.users)

    @cached_property
    def seen(self) -> Ragged:
        """The items of each state's history; of a user in ascending order and each once."""
        if not isinstance(self.train, HistoryDataset):
            return positives_of(self.train)
        lengths = self.ends - self._first[self.users]
        items = self.train.events[self.train.iid_field]
        if self.positions:
            return Ragged(items, lengths, self._first[self.users])
        users, items = Ragged(items, lengths, self._first).rows(self.users)
        return Ragged.of_pairs(users, items, len(self), self.train.item_num)

    def in_batch(self, batch: Interaction) -> Tensor:
        """The states of a training batch, ascending and each once, on its device."""
        if PLACE not in batch and START in batch:
            ids = self.of_windows(batch)
        elif self.positions:
            ids = self._of_place.to(batch[PLACE].device)[batch[PLACE]]
        else:
            ids = batch[self.train.uid_field]
        found: Tensor = ids.unique()
        return found[found > 0]

    def of_windows(self, batch: Interaction) -> Tensor:
        """The state at each position of a batch of windows (B, L), 0 where there is none.

        A position in the middle of a long history, of which its window lacks the beginning, is no state's: a state has
        the last ``MAX_ITEM_LIST_LENGTH`` events. So no state is at two positions.
        """
        starts, lengths = batch[START], batch[self.train.item_list_length_field]
        places = torch.arange(self.train.max_item_list_len, device=starts.device)
        inside = places < lengths.unsqueeze(1)
        if self.positions:
            begins = starts == self._first.to(starts.device)[batch[self.train.uid_field]]
            inside &= begins.unsqueeze(1) | (places == self.train.max_item_list_len - 1)
            place = (starts.unsqueeze(1) + places).masked_fill(~inside, 0)
            of_place: Tensor = self._of_place.to(starts.device)
            return of_place[place].masked_fill(~inside, 0)
        users: Tensor = batch[self.train.uid_field]
        whole = starts + lengths == self.ends.to(users.device)[users]  # a window that ends where training does
        last: Tensor = whole.unsqueeze(1) & (places == lengths.unsqueeze(1) - 1)
        return users.unsqueeze(1) * last

    def histories(self, states: Tensor) -> Interaction:
        """What a sequential model reads of states (B,): their histories, cut to the longest that it takes."""
        train, ids = self.train, states.cpu()
        ends = self.ends[ids]
        starts = torch.maximum(self._first[self.users[ids]], ends - train.max_item_list_len)
        columns = {train.uid_field: self.users[ids], START: starts, train.item_list_length_field: ends - starts}
        rows: Interaction = train.join(Interaction(columns))
        # a user without training interactions has the padding for a history
        rows.update(Interaction({train.item_list_length_field: (ends - starts).clamp(min=1)}))
        return rows.to(states.device)


def states_of(config: Config, train: Dataset) -> States:
    """The states of a run.

    Args:
        config: of the run or one of its stages; ``kd_positions`` counts.
        train: the training part of its split.
    """
    return States(train, config["kd_positions"] == "all")


def whole_histories(train: HistoryDataset) -> States:
    """Each user with all that the data set has of the user, validation and test included: whom a shop serves."""
    counts = torch.bincount(train.events[train.uid_field], minlength=train.user_num)
    return States(train, ends=train.first_events() + counts)


def states_before(part: HistoryDataset, train: HistoryDataset) -> States:
    """Each user right before the first interaction that a part of the split asks for, as its evaluation has it."""
    rows = part.inter_feat
    ends = States(train).ends.clone()
    ends.scatter_reduce_(0, rows[train.uid_field], rows[PLACE] + 1, "amin", include_self=False)
    return States(train, ends=ends)


class OneHistory:
    """The state of somebody who is no user of the data set: a history alone, whose id is 0."""

    def __init__(self, train: Any, items: Sequence[int], user: int = 0) -> None:
        """Args:
        train: the training part of a split, a :class:`~recbole_kd.data.dataset.HistoryDataset`.
        items: internal ids, the earliest first; the last ones count if a model reads fewer.
        user: who is said to have it, for models that read the user too.
        """
        self.train, self._user = train, torch.tensor([user])
        self._items = torch.tensor(items[-train.max_item_list_len :], dtype=torch.int64)
        self.seen = Ragged.from_lists([torch.tensor(items, dtype=torch.int64)])

    def __len__(self) -> int:
        return 1

    def histories(self, states: Tensor) -> Interaction:
        """The history, as a batch of one row; columns of events besides the items, such as times, are not known."""
        train = self.train
        items = torch.zeros(1, train.max_item_list_len, dtype=torch.int64)
        items[0, : len(self._items)] = self._items
        length = torch.tensor([max(len(self._items), 1)])
        columns = {train.item_id_list_field: items, train.item_list_length_field: length}
        row: Interaction = train.join(Interaction({**columns, train.uid_field: self._user}))
        return row.to(states.device)
