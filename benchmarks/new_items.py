"""How well items are ranked that the catalogue did not have when a student was trained; one JSON line.

    python benchmarks/new_items.py --dataset=NAME [--data_path=dataset] [--share=0.1] [--seed=2020] [--any_key=value]

A share of the items is taken out of the interactions altogether. A student (BPR, taught by RCE-KD of a FREEDOM) learns
a content path from the rest, and then ranks the items that were taken out beside all others, by their rows of features,
as ``recommend --new_items`` does. ``recall@20`` is a mean over the users who have some of them, whose other items are
left out of the ranking; ``by_chance`` is that of a random order.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from recbole_kd.data.features import find_modalities, item_ids_of
from recbole_kd.data.interactions import positives_of
from recbole_kd.data.item_ids import read_item_ids
from recbole_kd.data.matrix import open_matrix
from recbole_kd.experiments.run import run
from recbole_kd.foundation.errors import UserError
from recbole_kd.scoring.ranking import score_blocks
from recbole_kd.serving.trained_model import TrainedModel, open_trained

CUTOFF = 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--data_path", default="dataset", type=Path)
    parser.add_argument("--share", default=0.1, type=float)
    parser.add_argument("--seed", default=2020, type=int)
    parser.add_argument("--teacher", default="FREEDOM")
    arguments, further = parser.parse_known_args()
    torch.set_num_threads(1)
    name, folder = arguments.dataset, arguments.data_path / arguments.dataset
    table = pd.read_csv(folder / f"{name}.inter", sep="\t", dtype=str, keep_default_na=False)
    items = table["item_id:token"]
    names = np.random.default_rng(arguments.seed).permutation(items.unique())
    later = set(names[: round(arguments.share * len(names))])
    with tempfile.TemporaryDirectory() as place:
        early = Path(place, name)
        early.mkdir()
        for path in (*folder.glob(f"{name}.*.npy"), *folder.glob(f"{name}.*item_ids")):
            shutil.copyfile(path, early / path.name)
        table[~items.isin(later)].to_csv(early / f"{name}.inter", sep="\t", index=False)
        values = {"data_path": place, "checkpoint_dir": str(Path(place, "saved")), "seed": arguments.seed}
        values |= {"show_progress": False, "state": "error", "teacher": arguments.teacher, "student": "BPR"}
        kind = [] if any(word.startswith("--student_content=") for word in further) else ["--student_content=mlp"]
        result = run("RCEKD", name, config_dict=values, arguments=[*kind, *further])
        trained = open_trained(result.stages[-1].checkpoint)
        found, chance = recall(trained, table[items.isin(later)], sorted(later), folder, name)
    what = {"benchmark": "new_items", "dataset": name, "seed": arguments.seed, "teacher": arguments.teacher}
    what |= {"settings": further, "items": len(later), "test": result.test}
    print(json.dumps({**what, f"recall@{CUTOFF}": round(found, 4), "by_chance": round(chance, 4)}))
    return 0


def recall(trained: TrainedModel, wanted: pd.DataFrame, later: list[str], folder: Path, name: str) -> Any:
    """The mean over users, and that of a random order."""
    assert trained.content is not None
    train, parts = trained.train, []
    for modality in trained.content.modalities:
        place = {token: row for row, token in enumerate(read_item_ids(item_ids_of(folder, name, modality)))}
        present = np.array([token in place for token in later])
        matrix = open_matrix(find_modalities(folder, name)[modality], modality)
        rows = np.stack([matrix[place.get(token, 0)] for token in later]).astype(np.float32) * present[:, None]
        parts.append(train.further_features(modality, rows, present))
    scores = trained.scores.with_items(trained.content.embeddings(torch.cat(parts, dim=1)))
    number = {token: train.item_num + place for place, token in enumerate(later)}
    known = train.field2token_id[train.uid_field]
    of_user: dict[int, set[int]] = {}
    for user, item in zip(wanted["user_id:token"], wanted["item_id:token"], strict=True):
        if user in known:
            of_user.setdefault(int(known[user]), set()).add(number[item])
    own, each = [positives_of(part) for part in (train, *trained.held_out)], []
    for block in score_blocks(scores, torch.tensor(sorted(of_user))):
        for lists in own:
            block.hide(lists)
        for user, best in zip(block.states.tolist(), block.best(CUTOFF).tolist(), strict=True):
            each.append(len(of_user[user] & set(best)) / len(of_user[user]))
    return float(np.mean(each)), CUTOFF / (train.item_num - 1 + len(later))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"new_items.py: {error}")
