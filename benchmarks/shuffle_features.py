"""A data set's features with the items shuffled: the same numbers, which say nothing of an item any more.

    python benchmarks/shuffle_features.py --dataset=NAME --out=FOLDER [--data_path=dataset] [--seed=2020]

What a multi-modal model loses with ``--features_path=FOLDER`` is what content is worth to it.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import numpy as np

from recbole_kd.data.features import find_modalities, item_ids_of, own_item_ids_path
from recbole_kd.data.item_ids import read_item_ids
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.files import replacing


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--data_path", default="dataset", type=Path)
    parser.add_argument("--seed", default=2020, type=int)
    arguments = parser.parse_args()
    folder, name, out = arguments.data_path / arguments.dataset, arguments.dataset, arguments.out
    matrices = find_modalities(folder, name)
    if not matrices:
        raise UserError(f"there is no {name}.<modality>.npy in {folder}")
    if out.resolve() == folder.resolve():
        raise UserError(f"--out={out} is where the features lie; give another folder")
    out.mkdir(parents=True, exist_ok=True)
    for modality, path in matrices.items():
        items = read_item_ids(item_ids_of(folder, name, modality))
        shutil.copyfile(path, out / path.name)
        with replacing(own_item_ids_path(out, name, modality), "w") as stream:
            stream.writelines(f"{item}\n" for item in np.random.default_rng(arguments.seed).permutation(items))
        print(f"{modality} of {len(items)} items: {out}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"shuffle_features.py: {error}")
