"""What the nearest items of a large feature matrix take: seconds, CPU seconds, and the process' peak; one JSON line.

    python benchmarks/knn_graph.py [--items=50000] [--features=4096] [--k=10]

The features are random float32 numbers. Required at the sizes above, on 2 cores: 120 seconds and 2,048 megabytes, of
which the matrix itself is 781.
"""

from __future__ import annotations

import argparse
import json
import time

import torch
from memory import peak_megabytes

from recbole_kd.data.neighbours import nearest_items


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("items", 50_000), ("features", 4096), ("k", 10)):
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = parser.parse_args()
    features = torch.randn(arguments.items, arguments.features, generator=torch.Generator().manual_seed(2020))
    before, start, processor = peak_megabytes(), time.perf_counter(), time.process_time()
    nearest_items(features, arguments.k, show_progress=True)
    found = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - processor}
    found |= {"peak_megabytes": peak_megabytes(), "before_megabytes": before}
    ratio = round(max(found["seconds"] / 120, found["peak_megabytes"] / 2048), 2)
    rounded = {name: round(value, 1) for name, value in found.items()}
    what = {"benchmark": "knn_graph", **vars(arguments), "threads": torch.get_num_threads()}
    print(json.dumps({**what, **rounded, "ratio": ratio}))


if __name__ == "__main__":
    main()
