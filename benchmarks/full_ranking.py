"""Full ranking with our default batch against RecBole's default ``eval_batch_size``; prints one JSON line.

    python benchmarks/full_ranking.py [--dataset=NAME] [--data_path=dataset] [--model=LightGCN] [--repeats=3]

Without ``--dataset``, synthetic interactions of the size of ``stock_epoch.py``: 6,000 users, 4,000 items, a million
training interactions and a tenth of that to test. Both evaluate one model on the same test split in one process, taking
turns, and must give equal metrics. ``ratio`` (required: 8 at the default size) is RecBole's fastest evaluation over our
fastest.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import torch
from recbole.data import data_preparation
from recbole.trainer import Trainer
from recbole.utils import init_seed
from synthetic import NAME, write_interactions
from tqdm import trange

from recbole_kd.bridge import properties
from recbole_kd.bridge.trainer import make_trainer
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.data.loaders import make_loaders
from recbole_kd.foundation.errors import UserError
from recbole_kd.registry import make_config


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default=NAME)
    parser.add_argument("--data_path", default="dataset")
    parser.add_argument("--model", default="LightGCN")
    parser.add_argument("--repeats", type=int, default=3, help="timed evaluations of each kind (default 3)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="PyTorch's CPU threads")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    values = {
        **({} if arguments.dataset == "ml-100k" else {"data_path": arguments.data_path}),
        "metrics": ["Recall", "NDCG", "Precision", "Hit", "MRR"],
        "topk": [10, 20, 50],
        "metric_decimal_place": 12,
        "use_gpu": False,
        "state": "error",
    }
    with tempfile.TemporaryDirectory() as folder:
        if arguments.dataset == NAME:
            write_interactions(Path(folder), 6000, 4000, 1_000_000, seed=2020, test=100_000)
            values |= {"data_path": folder, "benchmark_filename": ["train", "valid", "test"]}
            values["load_col"] = {"inter": ["user_id", "item_id"]}
        found = measure(arguments.model, arguments.dataset, values, arguments.repeats)
    print(json.dumps({"benchmark": "full_ranking", "threads": arguments.threads, **found}))
    return 0


def measure(model: str, name: str, values: dict, repeats: int) -> dict[str, object]:
    default = properties_default()
    config = make_config(model, name, config_dict=values)
    theirs_config = make_config(model, name, config_dict={**values, "eval_batch_size": default})
    init_seed(config["seed"], True)
    data = MultiModalDataset(config)
    train, _, test = make_loaders(config, data)
    loaders = {"ours": test, "recbole": data_preparation(theirs_config, data)[2]}
    model_object = config.model_class(config, train._dataset)
    trainers = {"ours": make_trainer(config, model_object), "recbole": Trainer(theirs_config, model_object)}
    trainers["ours"].evaluate(
        loaders["ours"], load_best_model=False
    )  # from here on the model keeps its propagated embeddings
    seconds: dict[str, list[float]] = {kind: [] for kind in loaders}
    metrics: dict[str, dict] = {}
    for _ in trange(repeats, desc="evaluations of both kinds", disable=None):
        for kind, loader in loaders.items():
            trainer = trainers[kind]
            start = time.perf_counter()
            metrics[kind] = dict(trainer.evaluate(loader, load_best_model=False, show_progress=sys.stderr.isatty()))
            seconds[kind].append(time.perf_counter() - start)
    if metrics["ours"] != metrics["recbole"]:
        raise UserError(f"the metrics differ: {metrics['ours']} and {metrics['recbole']}")
    return {
        "model": model,
        "dataset": name,
        "test_users": len(loaders["ours"].uid_list),
        "items": data.item_num,
        "ours_batch": config["eval_batch_size"],
        "recbole_batch": default,
        "ours_seconds": round(min(seconds["ours"]), 3),
        "recbole_seconds": round(min(seconds["recbole"]), 3),
        "ndcg@20": metrics["ours"]["ndcg@20"],
        "ratio": round(min(seconds["recbole"]) / min(seconds["ours"]), 2),
    }


def properties_default() -> int:
    """RecBole's own eval_batch_size."""
    import yaml

    return yaml.safe_load((properties.RECBOLE_FOLDER / "overall.yaml").read_text(encoding="utf-8"))["eval_batch_size"]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"full_ranking.py: {error}")
