"""How many CPU threads a training takes: as many as its sizes are worth."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from recbole_kd.ops.graph import Graph

NUMBERS_A_THREAD = 2**19
"""Parameters and edges that are worth a thread. Below it a second thread gains a tenth where it has a core to itself,
and where another process has that core both wait for each other at each of the many small operations of a step."""


def numbers_of(*modules: nn.Module) -> int:
    """Parameters of modules, and edges of the graphs that they hold, ours or sparse tensors of RecBole's models."""
    found: dict[int, int] = {}
    for whole in modules:
        for module in whole.modules():
            for value in [*module.parameters(recurse=False), *vars(module).values()]:
                found[id(value)] = _numbers(value)
    return sum(found.values())


def _numbers(value: Any) -> int:
    if isinstance(value, Graph):
        return value.matrix.values().numel()
    if isinstance(value, nn.Parameter):
        return value.numel()
    if isinstance(value, torch.Tensor) and value.layout != torch.strided:
        return int(value._nnz())  # noqa: SLF001 - PyTorch has no other name for it
    return 0


def threads_for(numbers: int, most: int) -> int:
    """The threads that a step on so many numbers is worth, at least 1 and at most ``most``."""
    return max(min(numbers // NUMBERS_A_THREAD, most), 1)


@contextmanager
def threads(wanted: int | str, *modules: nn.Module) -> Iterator[int]:
    """Within the block PyTorch has as many threads as ``wanted``, which the block gets.

    Args:
        wanted: a number, of which no more are taken than there are cores, or ``auto``: by the sizes of ``modules``, and
            no more than PyTorch has before, which are those of ``OMP_NUM_THREADS``, else one a core.
        modules: that are trained and read.
    """
    before = torch.get_num_threads()
    if wanted == "auto":
        chosen = threads_for(numbers_of(*modules), before)
    else:
        chosen = min(int(wanted), max(os.cpu_count() or 1, before))
    torch.set_num_threads(chosen)
    try:
        yield chosen
    finally:
        torch.set_num_threads(before)
