"""A training epoch of HSTU against SASRec with the same loss, RecBole's SASRec, and RCE-KD; one JSON line.

    python benchmarks/history_epoch.py --dataset=ml-100k [--epochs=5] [--stock] [--any_key=value]

Epochs take turns in one process; figures are the fastest epoch's CPU seconds, which other processes disturb least. The
teacher is an untrained HSTU, which costs a step the same. ``ratio`` is HSTU to SASRecAll (aim: 1.5),
``ratio_distilled`` HSTU taught by RCE-KD to HSTU alone (aim: 1.2), ``ratio_stock`` RecBole's SASRec on as many
positions to SASRecAll (aim: 3 or more), which takes minutes and is measured with ``--stock`` alone.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from recbole.utils import init_seed
from tqdm import trange

from recbole_kd.bridge.building import build_model
from recbole_kd.bridge.config import KDConfig
from recbole_kd.bridge.distilling import make_distilling_trainer
from recbole_kd.bridge.trainer import make_trainer
from recbole_kd.data.dataset import open_dataset
from recbole_kd.data.loaders import make_loaders
from recbole_kd.data.states import states_of
from recbole_kd.distillers.base import Teacher
from recbole_kd.foundation.allocator import keep_freed_memory
from recbole_kd.foundation.errors import UserError
from recbole_kd.registry import make_config
from recbole_kd.scoring.build import build_cache
from recbole_kd.scoring.history_scores import scores_in
from recbole_kd.training.fitting import repeatable
from recbole_kd.training.plan import make_plan

STOCK = ["--MAX_ITEM_LIST_LENGTH=200", "--hidden_size=50", "--n_heads=1", "--inner_size=50"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--epochs", type=int, default=5, help="timed epochs of each (default 5)")
    parser.add_argument("--stock", action="store_true", help="RecBole's SASRec too, one epoch of it")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="PyTorch's CPU threads")
    arguments, further = parser.parse_known_args()
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    words = [*further, "--use_gpu=False", "--state=error", "--show_progress=False", "--topk=[10]", "--metrics=[NDCG]"]
    words.append("--valid_metric=NDCG@10")

    def config(model: str, *more: str) -> KDConfig:
        return make_config(model, arguments.dataset, arguments=[*words, *more])

    trainers = {model: alone(config(model)) for model in ("HSTU", "SASRecAll")}
    trainers["distilled"] = distilled(config("RCEKD", "--teacher=HSTU", "--student=HSTU"))
    seconds: dict[str, list[float]] = {name: [] for name in trainers}
    for epoch in trange(1 + arguments.epochs, desc="epochs of each", disable=None):
        for name, pair in trainers.items():
            seconds[name].append(epoch_seconds(*pair, epoch))
    if arguments.stock:
        seconds["SASRec"] = [0.0, epoch_seconds(*alone(config("SASRec", *STOCK)), 0)]
    fastest = {name: min(times[1:]) for name, times in seconds.items()}
    found: dict[str, Any] = {f"{name}_cpu_seconds": round(value, 3) for name, value in fastest.items()}
    found["ratio"] = round(fastest["HSTU"] / fastest["SASRecAll"], 2)
    found["ratio_distilled"] = round(fastest["distilled"] / fastest["HSTU"], 2)
    if arguments.stock:
        found["ratio_stock"] = round(fastest["SASRec"] / fastest["SASRecAll"], 2)
    what = {"benchmark": "history_epoch", "dataset": arguments.dataset, "settings": further}
    print(json.dumps({**what, "epochs": arguments.epochs, "threads": arguments.threads, **found}))
    return 0


def epoch_seconds(trainer: Any, train: Any, epoch: int) -> float:
    with repeatable(True):
        start = time.process_time()
        trainer._train_epoch(train, epoch)
        return time.process_time() - start


def alone(config: KDConfig) -> tuple[Any, Any]:
    """A trainer and its batches."""
    init_seed(config["seed"], True)
    loaders = make_loaders(config, open_dataset(config))
    return make_trainer(config, build_model(config, loaders.train_part)), loaders.train


def distilled(config: KDConfig) -> tuple[Any, Any]:
    """The same of a student with a teacher that is not trained."""
    plan = make_plan(config)
    init_seed(config["seed"], True)
    data = open_dataset(config)
    teacher, student = (plan.configs[name] for name in ("teacher", "student"))
    of_teacher, loaders = (make_loaders(one, data) for one in (teacher, student))
    states = states_of(config, of_teacher.train_part)
    model = build_model(teacher, of_teacher.train_part)
    with tempfile.TemporaryDirectory() as folder:
        cache = build_cache(
            Path(folder) / "cache", scores_in(states, model), states.seen, {}, {}, topk=config["cache_topk"]
        )
        made = build_model(student, loaders.train_part)
        assert plan.distiller is not None
        distiller = plan.distiller(config, loaders.train_part, [Teacher("teacher", cache)])
    scores = scores_in(states_of(config, loaders.train_part), made)
    return make_distilling_trainer(student, made, distiller, scores), loaders.train


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"history_epoch.py: {error}")
