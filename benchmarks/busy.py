"""Training steps beside a busy process against the same steps with the machine to themselves; one JSON line.

    python benchmarks/busy.py [--model=PromptMMTeacher] [--dataset=ml-100k] [--threads=auto] [--steps=15] [--repeats=4]

The busy process counts, and has one core to itself if the machine has two. Quiet and busy repeats take turns; figures
are the fastest repeat's seconds of the clock. ``ratio`` (required with ``--threads=auto``: 1.2) is busy over quiet.
A machine on which other things run gives a figure of those.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from few import Few
from recbole.utils import init_seed
from tqdm import trange

from recbole_kd.bridge.building import build_model
from recbole_kd.bridge.trainer import make_trainer
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.data.loaders import make_loaders
from recbole_kd.foundation.allocator import keep_freed_memory
from recbole_kd.foundation.errors import UserError
from recbole_kd.registry import make_config
from recbole_kd.training.fitting import repeatable
from recbole_kd.training.threads import threads


@contextmanager
def neighbour() -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])  # fixed words  # nosec B603
    time.sleep(0.2)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="PromptMMTeacher")
    parser.add_argument("--dataset", default="ml-100k")
    parser.add_argument("--threads", default="auto")
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--repeats", type=int, default=4)
    arguments, further = parser.parse_known_args()
    keep_freed_memory()
    config = make_config(arguments.model, arguments.dataset, arguments=[*further, "--use_gpu=False", "--state=error"])
    loaders = make_loaders(config, MultiModalDataset(config))
    init_seed(config["seed"], True)
    trainer = make_trainer(config, build_model(config, loaders.train_part))
    few = Few(loaders.train, arguments.steps)
    wanted = arguments.threads if arguments.threads == "auto" else int(arguments.threads)
    seconds: dict[str, list[float]] = {"quiet": [], "busy": []}
    with threads(wanted, trainer.model) as used, repeatable(True):
        for epoch in trange(arguments.repeats + 1, desc="quiet and busy", disable=None):
            for name, times in seconds.items():
                with neighbour() if name == "busy" else nullcontext():
                    start = time.perf_counter()
                    trainer._train_epoch(few, epoch)
                    times.append(time.perf_counter() - start)
    fastest = {name: min(times[1:]) / len(few) for name, times in seconds.items()}
    found = {f"{name}_milliseconds": round(value * 1e3, 2) for name, value in fastest.items()}
    found |= {"threads": used, "ratio": round(fastest["busy"] / fastest["quiet"], 2)}
    what = {key: getattr(arguments, key) for key in ("model", "dataset", "steps")}
    print(json.dumps({"benchmark": "busy", **what, "wanted": wanted, **found}))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"busy.py: {error}")
