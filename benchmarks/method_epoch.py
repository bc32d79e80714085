"""A training epoch of a method whose teacher is a model against the student alone or LightGCN; one JSON line.

    python benchmarks/method_epoch.py --model=PromptMM --dataset=lfm2k [--epochs=5] [--any_key=value]
    python benchmarks/method_epoch.py --model=MTS4MM --dataset=tiktok

Values are those of ``properties/tuned``, or where it has none those that ``benchmarks/tuned`` has of the data set. The
teacher is untrained, which costs a step the same. Epochs take turns in one process; figures are the fastest epoch's CPU
seconds, which other processes disturb least. ``ratio`` is to the student alone (aim of PromptMM: 1.5), of MTS4MM to
LightGCN with its tuned values (aim: 3); ``ratio_alone`` is to the student alone in both.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from recbole.utils import init_seed
from tqdm import trange

from recbole_kd.bridge.config import KDConfig
from recbole_kd.bridge.distilling import make_distilling_trainer
from recbole_kd.bridge.properties import tuned_file
from recbole_kd.bridge.trainer import make_trainer
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.data.loaders import make_loaders
from recbole_kd.distillers.base import Teacher
from recbole_kd.foundation.allocator import keep_freed_memory
from recbole_kd.foundation.errors import UserError
from recbole_kd.registry import make_config
from recbole_kd.scoring.model_scores import scores_of
from recbole_kd.training.fitting import repeatable
from recbole_kd.training.plan import make_plan

TUNED = Path(__file__).parent / "tuned"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=("PromptMM", "MTS4MM"), required=True)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--epochs", type=int, default=5, help="timed epochs of each (default 5)")
    parser.add_argument("--warm_up", type=int, default=1, help="epochs before (default 1)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="PyTorch's CPU threads")
    arguments, further = parser.parse_known_args()
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    words = [*further, "--use_gpu=False", "--state=error", "--show_progress=False"]
    config = settings(arguments.model, arguments.dataset, words)
    student = make_plan(config).configs["student"]
    trainers = {"alone": alone(student), "distilled": distilled(config)}
    if arguments.model == "MTS4MM":
        own = [word for word in words if word not in further or word.startswith("--data_path=")]
        trainers["lightgcn"] = alone(settings("LightGCN", arguments.dataset, own))
    seconds: dict[str, list[float]] = {name: [] for name in trainers}
    for epoch in trange(arguments.warm_up + arguments.epochs, desc="epochs of each", disable=None):
        for name, (trainer, train) in trainers.items():
            with repeatable(True):
                start = time.process_time()
                trainer._train_epoch(train, epoch)
                seconds[name].append(time.process_time() - start)
    fastest = {name: min(times[arguments.warm_up :]) for name, times in seconds.items()}
    found: dict[str, Any] = {f"{name}_cpu_seconds": round(value, 3) for name, value in fastest.items()}
    found["ratio"] = round(fastest["distilled"] / fastest.get("lightgcn", fastest["alone"]), 2)
    found["ratio_alone"] = round(fastest["distilled"] / fastest["alone"], 2)
    what = {"benchmark": "method_epoch", "model": arguments.model, "dataset": arguments.dataset}
    what |= {key: student[key] for key in ("kd_every", "prompt_every", "modal_every") if student[key] is not None}
    print(json.dumps({**what, "epochs": arguments.epochs, "threads": arguments.threads, **found}))
    return 0


def settings(model: str, dataset: str, words: list[str]) -> KDConfig:
    """The config with the values that were found for the data set, the user's own before them."""
    best = TUNED / f"{dataset}-{model}" / "best.yaml"
    files = [str(best)] if best.is_file() and not tuned_file(model, dataset).is_file() else []
    return make_config(model, dataset, files, arguments=words)


def alone(config: KDConfig) -> tuple[Any, Any]:
    """A model's trainer and its training batches."""
    loaders = make_loaders(config, MultiModalDataset(config))
    init_seed(config["seed"], True)
    return make_trainer(config, config.model_class(config, loaders.train_part)), loaders.train


def distilled(config: KDConfig) -> tuple[Any, Any]:
    """The student's trainer with its teachers, and its training batches."""
    configs = make_plan(config).configs
    student = configs["student"]
    loaders = make_loaders(student, MultiModalDataset(student))
    train = loaders.train_part
    init_seed(config["seed"], True)
    teachers = [
        Teacher(name, given_model=configs[name].model_class(configs[name], train))
        for name in configs
        if name != "student"
    ]
    model = student.model_class(student, train)
    distiller = config.model_class.distiller_class(config, train, teachers)
    return make_distilling_trainer(student, model, distiller, scores_of(model)), loaders.train


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"method_epoch.py: {error}")
