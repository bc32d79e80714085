"""PromptMM's teacher, student alone and distilled student over several seeds, with paired tests on per-user NDCG@20.

    python benchmarks/promptmm.py --dataset=lfm2k --seeds=5 [--init=xavier] [--any_key=value] --out=FOLDER

Every seed is one ordinary run with ``baseline: true``; its result is FOLDER/<dataset>-<init>-<seed>.json, finished
stages are taken from checkpoint_dir, and the table (Markdown, also printed) is made from those files alone.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from tabulate import tabulate

from recbole_kd.checkpoint import load_checkpoint
from recbole_kd.errors import UserError
from recbole_kd.evaluation import paired_test
from recbole_kd.files import replacing
from recbole_kd.pipeline import run

NAMES = {"teacher": "teacher", "baseline": "student alone", "student": "distilled student"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--seeds", type=int, default=5, help="runs with seeds 2020, 2021, … (default 5)")
    parser.add_argument("--init", choices=("xavier", "teacher"), default="xavier")
    parser.add_argument("--out", type=Path, default=Path("runs"))
    arguments, further = parser.parse_known_args()
    tag = f"{arguments.dataset}-{arguments.init}"
    tests: dict[str, list[tuple[float, float]]] = {name: [] for name in NAMES}
    valids: dict[str, list[float]] = {name: [] for name in NAMES}
    seconds: dict[str, list[float]] = {name: [] for name in NAMES}
    epochs: dict[str, list[int]] = {name: [] for name in NAMES}
    per_user: dict[str, list[np.ndarray]] = {name: [] for name in NAMES}
    for seed in range(2020, 2020 + arguments.seeds):
        words = [f"--init={arguments.init}", f"--seed={seed}", "--baseline=true", *further]
        result = run("PromptMM", arguments.dataset, arguments=words)
        result.write(str(arguments.out / f"{tag}-{seed}.json"))
        for stage in result.stages:
            tests[stage.name].append((stage.test["recall@20"], stage.test["ndcg@20"]))
            valids[stage.name].append(stage.valid["ndcg@20"])
            seconds[stage.name].append(stage.seconds_per_epoch)
            epochs[stage.name].append(stage.epochs)
            per_user[stage.name].append(load_checkpoint(stage.checkpoint)["per_user"]["ndcg@20"].numpy())
    rows = []
    for name, title in NAMES.items():
        recall, ndcg = np.array(tests[name]).T
        rows.append([title, spread(recall), spread(ndcg), spread(np.array(valids[name]))])
        rows[-1] += [f"{np.median(seconds[name]):.2f}", f"{np.mean(epochs[name]):.0f}"]
    header = ["", "test R@20", "test N@20", "valid N@20", "s an epoch", "epochs"]
    text = tabulate(rows, header, tablefmt="github", disable_numparse=True) + "\n\n"
    mean = {name: np.mean([ndcg for _, ndcg in tests[name]]) for name in NAMES}
    for name, reference in (("student", "baseline"), ("student", "teacher")):
        found = paired_test(np.array(per_user[name]), np.array(per_user[reference]))
        text += (
            f"{NAMES[name]} / {NAMES[reference]}: N@20 × {mean[name] / mean[reference]:.3f}, paired over "
            f"{per_user[name][0].size} users t p = {found['t_p']:.2g}, Wilcoxon p = {found['wilcoxon_p']:.2g}\n"
        )
    text = f"{arguments.dataset}, init: {arguments.init}, {arguments.seeds} seeds\n\n{text}"
    with replacing(arguments.out / f"{tag}.md", "w") as stream:
        stream.write(text)
    print(f"\n{text}")
    return 0


def spread(values: np.ndarray) -> str:
    """Mean ± sample standard deviation."""
    return f"{values.mean():.4f} ± {values.std(ddof=1) if len(values) > 1 else 0:.4f}"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"promptmm.py: {error}")
