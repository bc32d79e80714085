"""What a teacher's cache of Gowalla's size takes: megabytes on disk, and of memory while it is built; one JSON line.

    python benchmarks/cache_memory.py [--users=29859] [--items=40982] [--dimensions=300] [--topk=500]

The teacher is two random factor matrices. ``added_megabytes`` (required: under 300) is how far the process grows above
what it had with the teacher in memory, memory-mapped pages included; ``disk_megabytes`` is to be under 200.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from memory import peak_megabytes

from recbole_kd.ops.ragged import Ragged
from recbole_kd.scoring.build import build_cache
from recbole_kd.scoring.model_scores import ModelScores


class Teacher(torch.nn.Module):
    """As much of a model as a cache is built from."""

    def __init__(self, n_users: int, n_items: int, dimensions: int) -> None:
        super().__init__()
        self.n_users, self.n_items, self.device = n_users, n_items, torch.device("cpu")
        self.users = torch.nn.Parameter(torch.randn(n_users, dimensions) * 0.1)
        self.items = torch.nn.Parameter(torch.randn(n_items, dimensions) * 0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("users", 29859), ("items", 40982), ("dimensions", 300), ("topk", 500)):
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = parser.parse_args()
    torch.manual_seed(2020)
    teacher = Teacher(arguments.users, arguments.items, arguments.dimensions)
    random = np.random.default_rng(2020)
    pairs = tuple(random.integers(1, size, 27 * arguments.users) for size in (arguments.users, arguments.items))
    seen = Ragged.of_pairs(*map(torch.from_numpy, pairs), arguments.users, arguments.items)
    before = peak_megabytes()
    with tempfile.TemporaryDirectory() as folder:
        scorer = ModelScores(teacher, lambda: (teacher.users, teacher.items))
        build_cache(folder, scorer, seen, {}, {}, topk=arguments.topk, show_progress=True)
        disk = sum(entry.stat().st_size for entry in Path(folder).iterdir()) / 2**20
    found = {"added_megabytes": round(peak_megabytes() - before), "disk_megabytes": round(disk)}
    print(json.dumps({"benchmark": "cache_memory", **vars(arguments), **found}))


if __name__ == "__main__":
    main()
