"""The most memory that a part of a process has taken."""

from __future__ import annotations

import re
import resource
import sys
from contextlib import suppress
from pathlib import Path

import torch

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def reset_peak(device: torch.device | str) -> None:
    """Begin anew with what is taken now, where the system can: Linux and CUDA."""
    if torch.device(device).type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with suppress(OSError):  # then the peak is the process's so far
        _CLEAR.write_text("5")  # "5" sets the peak to what is resident, and clears nothing else


def peak_memory(device: torch.device | str) -> int:
    """Bytes at the peak since :func:`reset_peak`: on CUDA of its tensors, else of the whole process.

    What a process holds before a training begins, such as the libraries and the data set, is part of its peak.
    """
    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        found = re.search(r"VmHWM:\s*(\d+) kB", _STATUS.read_text(encoding="ascii"))
    except OSError:
        found = None
    if found:
        return int(found[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
