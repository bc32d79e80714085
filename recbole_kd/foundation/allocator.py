"""Memory that a step frees stays with the process for the next one."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # glibc's malloc.h
_LARGEST_POOLED = 32 * 2**20  # glibc's own limit
_KEPT = 256 * 2**20


@cache
def keep_freed_memory() -> bool:
    """Have glibc's allocator keep what is freed instead of giving it back to the system at every step.

    A step of a small model frees some megabytes and asks for as many again, and a page that the system hands out anew
    is cleared first: a quarter of the time of an epoch of matrix factorisation. Elsewhere nothing happens.

    Returns:
        Whether there was such an allocator.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_MMAP_THRESHOLD, _LARGEST_POOLED) and mallopt(_TRIM_THRESHOLD, _KEPT))
