"""CPU seconds of a training epoch with distillation against the same student alone, in one process; one JSON line.

    python benchmarks/distil_epoch.py --dataset=citeulike --cache_dir=FOLDER [--model=RCEKD] [--student=BPR]
        [--epochs=5] [--any_key=value]

The teacher's scores come from a folder that ``recbole-kd teach`` wrote, so that neither its training nor its loading is
in the figures. Epochs of the two take turns; what is renewed between epochs is counted, validation is not. ``ratio`` is
of the means, so let ``--epochs`` be a multiple of ``kd_renew``. Peak memory is each student's own, in a process of its
own: ``--only=alone`` or ``--only=distilled`` runs one and prints it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from statistics import mean

import torch
from memory import peak_megabytes
from recbole.utils import init_seed
from tqdm import trange

from recbole_kd.bridge.distilling import make_distilling_trainer
from recbole_kd.bridge.trainer import make_trainer
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.data.loaders import make_loaders
from recbole_kd.distillers.base import Teacher
from recbole_kd.foundation.allocator import keep_freed_memory
from recbole_kd.foundation.errors import UserError
from recbole_kd.registry import make_config
from recbole_kd.scoring.cache import TeacherCache
from recbole_kd.scoring.model_scores import scores_of
from recbole_kd.training.fitting import repeatable
from recbole_kd.training.plan import make_plan


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="RCEKD")
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--cache_dir", required=True)
    parser.add_argument("--epochs", type=int, default=10, help="timed epochs of each (default 10)")
    parser.add_argument("--warm_up", type=int, default=10, help="epochs before, so that the student has learnt (10)")
    parser.add_argument("--only", choices=("alone", "distilled"))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="PyTorch's CPU threads")
    arguments, further = parser.parse_known_args()
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    words = [*further, "--use_gpu=False", "--state=error", "--show_progress=False"]
    config = make_config(arguments.model, arguments.dataset, arguments=words)
    student = make_plan(config).configs["student"]
    loaders = make_loaders(student, MultiModalDataset(student))
    train = loaders.train_part
    before = peak_megabytes()
    trainers = {}
    for name in ("alone", "distilled"):
        if arguments.only in (None, name):
            init_seed(config["seed"], True)
            model = student.model_class(student, train)
            if name == "alone":
                trainers[name] = make_trainer(student, model)
            else:
                teacher = Teacher("teacher", TeacherCache.open(arguments.cache_dir))
                distiller = config.model_class.distiller_class(config, train, [teacher])
                trainers[name] = make_distilling_trainer(student, model, distiller, scores_of(model))
    seconds: dict[str, list[float]] = {name: [] for name in trainers}
    for epoch in trange(arguments.warm_up + arguments.epochs, desc="epochs of each", disable=None):
        for name, trainer in trainers.items():
            with repeatable(True):
                start = time.process_time()
                trainer._train_epoch(loaders.train, epoch)
                seconds[name].append(time.process_time() - start)
    found = {f"{name}_seconds": round(mean(times[arguments.warm_up :]), 3) for name, times in seconds.items()}
    if arguments.only:
        found["peak_megabytes"] = round(peak_megabytes())
        found["before_megabytes"] = round(before)
    else:
        found["ratio"] = round(found["distilled_seconds"] / found["alone_seconds"], 2)
    what = {"benchmark": "distil_epoch", "model": arguments.model, "student": student.model}
    keys = ("train_batch_size", "kd_topk", "kd_samples", "kd_users", "kd_every", "kd_renew")
    what |= {key: config[key] for key in keys if config[key] is not None}
    print(json.dumps({**what, "dataset": arguments.dataset, "threads": arguments.threads, **found}))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"distil_epoch.py: {error}")
