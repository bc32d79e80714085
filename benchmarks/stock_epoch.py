"""An epoch of ours against stock RecBole's, the same batches in one process; prints one JSON line.

    python benchmarks/stock_epoch.py [--model=LightGCN] [--users=6000] [--items=4000] [--interactions=1000000]
        [--epochs=1]

``--model`` is LightGCN or BPR. Interactions are synthetic, items with a long tail of popularity. Each side has its own
model, trainer, loader and negative sampler, and each pair of epochs the same random state; RecBole's LightGCN builds
its graph with the ``dok_matrix._update`` that ``recbole_kd.bridge.compat`` gives back; ours trains as our stages do,
under PyTorch's deterministic algorithms and with freed memory kept, and after RecBole's, as the latter can't be undone.
``ratio`` (required at the default size: 15 of LightGCN, 4 of BPR) is RecBole's fastest epoch over our fastest, of the
process's own CPU seconds, which other processes on the machine disturb less; ``wall_ratio`` is that of the clock.
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
from recbole.model.general_recommender.bpr import BPR as RecBoleBPR
from recbole.model.general_recommender.lightgcn import LightGCN as RecBoleLightGCN
from recbole.trainer import Trainer
from recbole.utils import init_seed
from synthetic import NAME, write_interactions
from tqdm import trange

from recbole_kd.bridge.config import KDConfig
from recbole_kd.bridge.trainer import make_trainer
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.data.loaders import make_loaders
from recbole_kd.foundation.allocator import keep_freed_memory
from recbole_kd.registry import make_config
from recbole_kd.training.fitting import repeatable

STOCK = {"LightGCN": RecBoleLightGCN, "BPR": RecBoleBPR}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=list(STOCK), default="LightGCN")
    parser.add_argument("--users", type=int, default=6000)
    parser.add_argument("--items", type=int, default=4000)
    parser.add_argument("--interactions", type=int, default=1_000_000, help="of the training split")
    parser.add_argument("--epochs", type=int, default=1, help="timed epochs of each model (default 1)")
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="PyTorch's CPU threads")
    parser.add_argument("--seed", type=int, default=2020)
    arguments = parser.parse_args()
    if arguments.interactions > arguments.users * arguments.items // 2:
        parser.error("--interactions must be at most half of users × items")
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        write_interactions(Path(folder), arguments.users, arguments.items, arguments.interactions, arguments.seed)
        values = {
            "data_path": folder,
            "checkpoint_dir": folder,
            "benchmark_filename": ["train", "valid", "test"],
            "load_col": {"inter": ["user_id", "item_id"]},
            "train_batch_size": arguments.batch,
            "seed": arguments.seed,
            "use_gpu": False,
            "state": "error",
        }
        found = measure(make_config(arguments.model, NAME, config_dict=values), arguments.epochs)
    sizes = {key: getattr(arguments, key) for key in ("model", "users", "items", "interactions", "batch", "threads")}
    print(json.dumps({"benchmark": "stock_epoch", **sizes, **found}))
    return 0


def measure(config: KDConfig, epochs: int) -> dict[str, float]:
    data = MultiModalDataset(config)
    loaders = {"ours": make_loaders(config, data).train, "recbole": data_preparation(config, data)[0]}
    trainers, build = {}, {}
    for name, model_class in {"ours": config.model_class, "recbole": STOCK[config.model]}.items():
        init_seed(config["seed"], True)
        start = time.process_time()
        model = model_class(config, loaders[name]._dataset)
        build[name] = time.process_time() - start
        trainers[name] = make_trainer(config, model) if name == "ours" else Trainer(config, model)
    seconds: dict[str, list[float]] = {name: [] for name in trainers}
    cpu: dict[str, list[float]] = {name: [] for name in trainers}
    losses: dict[str, float] = {}
    for name in ("recbole", "ours"):
        if name == "ours":
            keep_freed_memory()
        for epoch in trange(epochs, desc=f"epochs of {name}", disable=None):
            init_seed(config["seed"] + epoch, True)
            loaders[name].generator.manual_seed(config["seed"] + epoch)
            with repeatable(name == "ours"):
                start = time.perf_counter(), time.process_time()
                losses[name] = trainers[name]._train_epoch(loaders[name], epoch, show_progress=sys.stderr.isatty())
                seconds[name].append(time.perf_counter() - start[0])
                cpu[name].append(time.process_time() - start[1])
    return {
        "epochs": epochs,
        "ours_cpu_seconds": round(min(cpu["ours"]), 3),
        "recbole_cpu_seconds": round(min(cpu["recbole"]), 3),
        "ours_graph_seconds": round(build["ours"], 3),
        "recbole_graph_seconds": round(build["recbole"], 3),
        "loss_difference": abs(losses["ours"] / losses["recbole"] - 1),
        "ratio": round(min(cpu["recbole"]) / min(cpu["ours"]), 2),
        "wall_ratio": round(min(seconds["recbole"]) / min(seconds["ours"]), 2),
    }


if __name__ == "__main__":
    sys.exit(main())
