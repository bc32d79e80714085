"""Seconds an interaction as a data set grows, interactions a user staying the same; one JSON line.

    python benchmarks/growth.py [--users=10000,100000] [--interactions=20] [--steps=40] [--model=BPR] [--any_key=value]

Synthetic data, items with a long tail of popularity, half as many items as users up to 5,000, then by the square root.
``--model`` is BPR, LightGCN, or RCEKD (a teacher of random factors, a student of matrix factorisation). CPU seconds of
drawing an epoch's batches, of what comes before an epoch (lists that several epochs use are parted among them), and of
that many training steps, the fastest of three runs.
``ratio`` (required: 1.5) is the dearest interaction over the cheapest; ``peak_megabytes`` is the process's after each
size, so it says most where one size is given.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from few import Few
from memory import peak_megabytes
from recbole.utils import init_seed
from synthetic import NAME, write_interactions

from recbole_kd.bridge.building import build_model
from recbole_kd.bridge.distilling import make_distilling_trainer
from recbole_kd.bridge.trainer import make_trainer
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.data.interactions import positives_of
from recbole_kd.data.loaders import make_loaders
from recbole_kd.distillers.base import Teacher
from recbole_kd.foundation.allocator import keep_freed_memory
from recbole_kd.foundation.errors import UserError
from recbole_kd.registry import make_config
from recbole_kd.scoring.model_scores import ModelScores, scores_of
from recbole_kd.training.fitting import repeatable
from recbole_kd.training.plan import make_plan


def timed(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def numbers(text: str) -> list[int]:
    found = [int(word) for word in text.split(",")]
    if min(found) < 100:
        raise ValueError(text)
    return found


def items_of(users: int) -> int:
    return int(min(users / 2, 5000 * math.sqrt(users / 10_000)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=("BPR", "LightGCN", "RCEKD"), default="BPR")
    parser.add_argument("--users", type=numbers, default="10000,100000", help="how many, or several as 10000,100000")
    parser.add_argument("--interactions", type=int, default=20, help="of each user")
    parser.add_argument("--steps", type=int, default=40, choices=range(1, 10_001), metavar="N")
    parser.add_argument("--scaled_batch", action="store_true", help="2,048 at 10,000 users, and so in proportion")
    parser.add_argument("--threads", type=int, default=1)
    arguments, further = parser.parse_known_args()
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    found = [measure(arguments, users, further) for users in arguments.users]
    costs = [one["microseconds"] for one in found]
    what = {"benchmark": "growth", "model": arguments.model, "settings": further}
    what |= {"scaled_batch": arguments.scaled_batch, "threads": arguments.threads}
    print(json.dumps({**what, "sizes": found, "ratio": round(max(costs) / min(costs), 2)}))
    return 0


def measure(arguments: argparse.Namespace, users: int, further: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        items = items_of(users)
        write_interactions(Path(folder), users, items, users * arguments.interactions, seed=2020, test=100)
        values = {
            "data_path": folder,
            "checkpoint_dir": folder,
            "benchmark_filename": ["train", "valid", "test"],
            "load_col": {"inter": ["user_id", "item_id"]},
            "use_gpu": False,
            "state": "error",
            "train_batch_size": 2048 * users // 10_000 if arguments.scaled_batch else 2048,
        }
        config = make_config(arguments.model, NAME, config_dict=values, arguments=further)
        start = time.process_time()
        stage = make_plan(config).configs["student" if arguments.model == "RCEKD" else "model"]
        loaders = make_loaders(stage, MultiModalDataset(stage))
        read = time.process_time() - start
        trainer = trainer_of(config, stage, loaders)
        few = Few(loaders.train, arguments.steps)
        drawn = timed(lambda: sum(1 for _ in loaders.train))
        begun = timed(lambda: trainer._begin_epoch(0)) / (config["kd_renew"] if config.model == "RCEKD" else 1)
        trainer._begin_epoch = lambda epoch: None
        with repeatable(True):
            steps = min(timed(lambda: trainer._train_epoch(few, 0)) for _ in range(3))
        per_epoch = loaders.train.sample_size
        seconds = {
            "draw": drawn / per_epoch,
            "begin": begun / per_epoch,
            "step": steps / sum(len(batch) for batch in few),
        }
    return {
        "users": users,
        "items": items,
        "read_seconds": round(read, 1),
        **{f"{name}_microseconds": round(value * 1e6, 2) for name, value in seconds.items()},
        "microseconds": round(sum(seconds.values()) * 1e6, 2),
        "peak_megabytes": round(peak_megabytes()),
    }


def trainer_of(config: Any, stage: Any, loaders: Any) -> Any:
    init_seed(stage["seed"], True)
    model = build_model(stage, loaders.train_part)
    if config.model != "RCEKD":
        return make_trainer(stage, model)
    torch.manual_seed(2020)
    pair = torch.randn(model.n_users, 64) / 8, torch.randn(model.n_items, 64) / 8
    positives = positives_of(loaders.train_part)
    teacher = Teacher("teacher", ModelScores(model, lambda: pair, positives))
    distiller = config.model_class.distiller_class(config, loaders.train_part, [teacher])
    return make_distilling_trainer(stage, model, distiller, scores_of(model))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"growth.py: {error}")
