"""What reading a data set through our door takes, against stock RecBole's reading of the same files, in one process.

    python benchmarks/doors.py --dataset=NAME [--data_path=dataset] [--repeats=3]

Prints one JSON line: CPU seconds of RecBole's ``Dataset`` (``stock``), of ours with all of its checks (``read``), of
counting what ``recbole-kd check`` prints (``count``), and of the config with its typed keys (``config``), the fastest
of the repeats, which take turns. ``share`` (required: at most 0.2 on gowalla) is reading and counting over RecBole's
reading; ``added`` (required: below 0.3 s on ml-100k) is what the doors add to a run, in seconds: reading less RecBole's
reading, and the config.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

from recbole.data.dataset import Dataset

from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.data.overview import overview_of
from recbole_kd.registry import make_config


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--data_path", default="dataset")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    seconds: dict[str, list[float]] = {"config": [], "stock": [], "read": [], "count": []}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        start = time.process_time()
        found = work()
        seconds[name].append(time.process_time() - start)
        return found

    for _ in range(given.repeats):
        words = [f"--dataset={given.dataset}"] + [f"--data_path={given.data_path}"] * (given.dataset != "ml-100k")
        config = timed("config", lambda words=words: make_config("BPR", arguments=words))
        timed("stock", lambda config=config: Dataset(config))
        data = timed("read", lambda config=config: MultiModalDataset(config))
        timed("count", lambda data=data: overview_of(data))
    best = {name: min(values) for name, values in seconds.items()}
    share = (best["read"] + best["count"]) / best["stock"]
    added = best["config"] + best["read"] - best["stock"]
    print(json.dumps({"dataset": given.dataset, **best, "share": share, "added": added}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
