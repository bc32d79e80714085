"""Running under ``torchrun``: a process group for the block of code that needs one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch.distributed as dist

_LONGEST_TRAINING = timedelta(days=7)  # the other ranks wait so long for rank 0

Value = TypeVar("Value")


@contextmanager
def ranks() -> Iterator[None]:
    """Within the block the processes that ``torchrun`` started know each other; alone, nothing happens."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1 or dist.is_initialized():
        yield
        return
    dist.init_process_group("gloo", timeout=_LONGEST_TRAINING)
    try:
        yield
    finally:
        dist.destroy_process_group()


def first_then_others(work: Callable[[], Value]) -> Value:
    """Let rank 0 work alone, then the others, which find what it left on disk."""
    if not dist.is_initialized() or dist.get_rank() == 0:
        value = work()
        if dist.is_initialized():
            dist.barrier()
        return value
    dist.barrier()
    return work()
