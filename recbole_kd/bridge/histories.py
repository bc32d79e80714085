"""RecBole's data set for sequential models: rows are positions in the users' histories, and not copies of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from recbole_kd.bridge import lightly  # noqa: F401

# isort: split
import torch
from recbole.data.dataset import SequentialDataset
from recbole.data.interaction import Interaction
from torch import Tensor

START = "history_start"  # column of a row: where in ``events`` its history begins
FIRST = "history_first"  # likewise, where that of its user does, whatever a model reads of it
PLACE = "event_place"  # of an event: where it is in ``events``; of a row: that of the last one in its history


class Rows(Interaction):
    """Columns of rows, and their histories as further columns for a model that asks the data set for one."""

    def __init__(self, columns: dict[str, Tensor], lists: Callable[[Tensor, Tensor], Any], length: str) -> None:
        super().__init__(columns)
        self._lists, self._length = lists, length
        self._asked: Any = {}

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, str):
            return Rows(super().__getitem__(index).interaction, self._lists, self._length)
        if index in self.interaction:
            return self.interaction[index]
        if index not in self._asked:
            self._asked = self._lists(self.interaction[START], self.interaction[self._length])
        return self._asked[index]


class Histories(SequentialDataset):
    """RecBole's rows, each a history and the item after it, in RecBole's order and with RecBole's values.

    RecBole copies a padded history into each row when it reads the data, which takes ``MAX_ITEM_LIST_LENGTH`` numbers a
    column and interaction. Here a row has the place where its history begins, and the lists of a batch are cut when it
    is made.

    Attributes:
        events: all interactions, by user and time, from which histories are cut.
        training: of the training part of a split, those of them that no other part asks for; None of other parts.
    """

    inter_feat: Any
    events: Any = None
    training: Any = None

    def data_augmentation(self) -> None:
        """Make a row of each interaction but a user's first."""
        self._aug_presets()
        self._check_field("uid_field", "time_field")
        self.sort(by=[self.uid_field, self.time_field], ascending=True)
        self.events = self.inter_feat
        begins = self.first_events()[self.events[self.uid_field]]
        targets = (torch.arange(len(begins)) > begins).nonzero().squeeze(1)
        self.inter_feat = self._cut(self.events[targets].interaction | {FIRST: begins[targets], PLACE: targets - 1})

    def _cut(self, columns: dict[str, Tensor]) -> Rows:
        """Rows with histories that are at most as long as a model reads."""
        ends = columns[PLACE] + 1
        starts = torch.maximum(columns[FIRST], ends - self.max_item_list_len)
        cut = {**columns, START: starts, self.item_list_length_field: ends - starts}
        return Rows(cut, self.lists, self.item_list_length_field)

    def cut_to(self, longest: int) -> Any:
        """This part with histories of at most ``longest`` events."""
        if longest == self.max_item_list_len:
            return self
        found = self.copy(self.inter_feat)
        found.max_item_list_len = longest
        found.inter_feat = found._cut(self.inter_feat.interaction)
        return found

    def join(self, df: Any) -> Any:
        """Rows with the features of their users and items, as RecBole's, and with their histories."""
        if START in df:
            df.update(self.lists(df[START], df[self.item_list_length_field]))
        return super().join(df)

    def lists(self, starts: Tensor, lengths: Tensor) -> Any:
        """The columns ``item_id_list`` and so on, an Interaction of (B, ``MAX_ITEM_LIST_LENGTH``).

        Args:
            starts: int64 (B,), places in :attr:`events`.
            lengths: int64 (B,), how many events from there on; the rest is 0.
        """
        places = torch.arange(self.max_item_list_len)
        outside = places >= lengths.unsqueeze(1)
        places = (starts.unsqueeze(1) + places).masked_fill_(outside, 0)
        found = {}
        for field, column in self.events.interaction.items():
            if field != self.uid_field:
                values = column[places]
                values[outside] = 0
                found[getattr(self, f"{field}_list_field")] = values
        return Interaction(found)

    def note_training(self, parts: list[Any]) -> None:
        """Tell the first of the ``parts`` of a split which events are its own: those that no other part asks for.

        A history has no gaps: what training has of a user comes before what it has not.
        """
        held = torch.zeros(len(self.events), dtype=torch.bool)
        for part in parts[1:]:
            rows = part.inter_feat
            held[rows[PLACE] + 1] = True
        own = (~held).nonzero().squeeze(1)
        parts[0].training = self.events[own]
        parts[0].training.update(Interaction({PLACE: own}))

    def first_events(self) -> Tensor:
        """Where each user's events begin in :attr:`events`, int64 (n_users,); they are sorted by users."""
        return torch.searchsorted(self.events[self.uid_field], torch.arange(self.user_num))

    def as_pairs(self) -> Any:
        """The training part as a general recommender reads it: each interaction a row, without a history."""
        return self.copy(self.training)

    def inter_matrix(self, form: str = "coo", value_field: str | None = None) -> Any:
        """The interactions of this part, as RecBole's general data set gives them."""
        return self._create_sparse_matrix(interactions_of(self), self.uid_field, self.iid_field, form, value_field)


def interactions_of(part: Any) -> Any:
    """The interactions of one part of a split, an Interaction; of a training part those of the histories too."""
    training = getattr(part, "training", None)
    return part.inter_feat if training is None else training
