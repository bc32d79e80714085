"""A teacher, the student alone and distilled students over several seeds, with paired tests on per-user NDCG@20.

    python benchmarks/study.py --model=RCEKD --dataset=citeulike --seeds=5 --out=FOLDER [--name=NAME]
        [--variant "vanilla CE: --kd_variant=no_student"] [--variant ...] [--alone "BPR --key=value ..."]
        [--any_key=value]

Every seed and variant is one ordinary run with ``baseline: true``; its result is FOLDER/NAME-<variant>-<seed>.json, and
finished stages are taken from checkpoint_dir, so that teacher and student alone are trained once a seed. ``{seed}`` in
a value is the seed, for ``--teacher_checkpoint=teachers/{seed}.pth``. The table (Markdown, also printed) is made from
those runs alone. The first distilled student is the method as configured; without ``--variant`` there is no other. The
student alone has the settings of the distilled one; ``--alone`` trains a plain model with those of its own instead.
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from tabulate import tabulate

from recbole_kd.checkpoint import load_checkpoint
from recbole_kd.compare.rows import spread
from recbole_kd.errors import UserError
from recbole_kd.evaluation import paired_test, per_user_metrics, unpacked_hits
from recbole_kd.files import replacing
from recbole_kd.pipeline import run

TEACHER, ALONE = "teacher", "student alone"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--seeds", type=int, default=5, help="runs with seeds 2020, 2021, … (default 5)")
    parser.add_argument("--variant", action="append", default=[], metavar="'LABEL: --key=value …'")
    parser.add_argument("--alone", metavar="'MODEL --key=value …'")
    parser.add_argument("--name", help="of the files in --out (default: <model>-<dataset>)")
    parser.add_argument("--out", type=Path, default=Path("runs"))
    arguments, further = parser.parse_known_args()
    name = arguments.name or f"{arguments.model}-{arguments.dataset}"
    variants = {arguments.model: []}
    for variant in arguments.variant:
        label, _, words = variant.partition(":")
        variants[label.strip()] = shlex.split(words)
    found: dict[str, list[dict]] = defaultdict(list)
    alone = shlex.split(arguments.alone or "")
    for seed in range(2020, 2020 + arguments.seeds):
        for label, words in variants.items():
            own = {word.partition("=")[0] for word in words}
            words = [*(word for word in further if word.partition("=")[0] not in own), *words]
            words += [f"--seed={seed}", f"--baseline={not alone}"]
            result = run(
                arguments.model, arguments.dataset, arguments=[word.replace("{seed}", str(seed)) for word in words]
            )
            result.write(str(arguments.out / f"{name}-{re.sub(r'[^A-Za-z0-9]+', '-', label)}-{seed}.json"))
            names = {"teacher": TEACHER, "baseline": ALONE, "student": label}
            for stage in result.stages:
                row = names.get(stage.name, stage.name)
                if len(found[row]) <= seed - 2020:
                    found[row].append(summary(stage))
        if alone:
            result = run(alone[0], arguments.dataset, arguments=[*alone[1:], f"--seed={seed}"])
            result.write(str(arguments.out / f"{name}-alone-{seed}.json"))
            found[ALONE].append(summary(result.stages[0]))
    text = f"{name}, {arguments.seeds} seed{'s' * (arguments.seeds > 1)}\n\n{table(found)}\n\n"
    text += "".join(comparison(found, label, other) for label, other in pairs(list(variants)))
    with replacing(arguments.out / f"{name}.md", "w") as stream:
        stream.write(text)
    print(f"\n{text}")
    return 0


def summary(stage) -> dict:
    """What the table needs of one trained stage."""
    return {
        "recall": stage.test["recall@20"],
        "ndcg": stage.test["ndcg@20"],
        "valid": stage.valid["ndcg@20"],
        "seconds": stage.seconds_per_epoch,
        "epochs": stage.epochs,
        "per_user": ndcg_of_users(stage.checkpoint) if stage.checkpoint else None,
    }


def ndcg_of_users(checkpoint: str) -> np.ndarray:
    kept = load_checkpoint(checkpoint)["per_user"]
    return per_user_metrics(unpacked_hits(kept["hits"], kept["relevant"]), 20)["ndcg@20"].numpy()


def table(found: dict[str, list[dict]]) -> str:
    rows = []
    gap = mean(found, TEACHER) - mean(found, ALONE)
    for name in sorted(found, key=lambda name: (name != TEACHER, name != ALONE)):
        runs = found[name]
        values = {key: np.array([one[key] for one in runs]) for key in ("recall", "ndcg", "valid", "seconds", "epochs")}
        closed = "" if name in (TEACHER, ALONE) else f"{(mean(found, name) - mean(found, ALONE)) / gap:.0%}"
        rows.append([name, *(spread(values[key]) for key in ("recall", "ndcg")), closed, spread(values["valid"])])
        rows[-1] += [
            "–" if None in values["seconds"] else f"{np.median(values['seconds']):.2f}",
            f"{values['epochs'].mean():.0f}",
        ]
    header = ["", "test R@20", "test N@20", "gap closed", "valid N@20", "s an epoch", "epochs"]
    return tabulate(rows, header, tablefmt="github", disable_numparse=True)


def pairs(labels: list[str]) -> list[tuple[str, str]]:
    """The method against the student alone, the teacher and every variant."""
    return [(labels[0], other) for other in (ALONE, TEACHER, *labels[1:])]


def comparison(found: dict[str, list[dict]], name: str, other: str) -> str:
    values, reference = ([one["per_user"] for one in found[key]] for key in (name, other))
    text = f"{name} / {other}: N@20 × {mean(found, name) / mean(found, other):.3f}"
    if any(one is None for one in (*values, *reference)):
        return f"{text}\n\n"
    test = paired_test(np.array(values), np.array(reference))
    t, wilcoxon = (f"= {test[key]:.2g}" if test[key] else "< 1e-300" for key in ("t_p", "wilcoxon_p"))
    return f"{text}, paired over {len(values[0])} users t p {t}, Wilcoxon p {wilcoxon}\n\n"


def mean(found: dict[str, list[dict]], name: str) -> float:
    return float(np.mean([one["ndcg"] for one in found[name]]))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"study.py: {error}")
