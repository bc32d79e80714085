"""RecBole's training batches, the same to the digit, as slices of the shuffled interactions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from recbole.data.dataloader import TrainDataLoader
from recbole.data.interaction import Interaction
from torch import Tensor
from torch.utils.data import RandomSampler, SequentialSampler

_ROWS_AT_ONCE = 2**18  # shuffled and cut; more would be copied twice for nothing


class _Batch(Interaction):
    """A batch that is nobody else's: to repeat it once is to have it."""

    def repeat(self, sizes: int) -> Interaction:
        return self if sizes == 1 else super().repeat(sizes)


class SlicedTrainLoader(TrainDataLoader):
    """Shuffles whole columns and cuts batches from them; RecBole collects a Python number for each interaction.

    The generators are read as RecBole and PyTorch read them, so that batches, and what is drawn after them, are the
    same. Workers and several processes take RecBole's way.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = range(self.sample_size)  # RecBole's list of these numbers takes forty bytes each
        self.__dict__["dataset"] = self.sampler.__dict__["data_source"] = rows

    def __iter__(self) -> Iterator[Interaction]:
        if self.num_workers or type(self.sampler) not in (RandomSampler, SequentialSampler):
            return super().__iter__()
        return self._batches()

    def _batches(self) -> Iterator[Interaction]:
        torch.empty((), dtype=torch.int64).random_(generator=self.generator)  # an iterator's seed for its workers
        shuffled = isinstance(self.sampler, RandomSampler)
        order = self._permutation() if shuffled else torch.arange(self.sample_size)
        columns = self._dataset.inter_feat.interaction
        for rows in order.split(max(_ROWS_AT_ONCE // self.step, 1) * self.step):
            block = {name: column[rows] for name, column in columns.items()}
            for start in range(0, len(rows), self.step):
                cut = {name: column[start : start + self.step] for name, column in block.items()}
                batch = self._dataset.join(_Batch(cut))
                yield self._neg_sampling(self.transform(self._dataset, batch))
        if shuffled:
            self._permutation()  # PyTorch's sampler draws a second one, and takes none of it

    def _permutation(self) -> Tensor:
        return torch.randperm(self.sample_size, generator=self.generator)
