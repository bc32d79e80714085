"""What a benchmark's own process has taken."""

import resource


def peak_megabytes() -> float:
    """The most memory that this process has had, memory-mapped pages included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
