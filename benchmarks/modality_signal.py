"""How well each modality ranks on its own, on validation: what a multi-modal teacher has to work with.

    python benchmarks/modality_signal.py --dataset=NAME [--data_path=dataset]

A user is the mean of the unit-length features of their training items, and an item scores its cosine with that;
popularity is beside it. Prints one JSON line of validation NDCG@20.
"""

from __future__ import annotations

import argparse
import json

import torch
import torch.nn.functional as F
from torch import Tensor

from recbole_kd.bridge.trainer import make_trainer
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.data.interactions import matrix_of
from recbole_kd.data.loaders import make_loaders
from recbole_kd.registry import make_config


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--data_path", default="dataset")
    arguments = parser.parse_args()
    values = {"data_path": arguments.data_path, "metrics": ["NDCG"], "topk": [20], "valid_metric": "NDCG@20"}
    config = make_config("LightGCN", arguments.dataset, config_dict={**values, "state": "error"})
    data = MultiModalDataset(config)
    loaders = make_loaders(config, data)
    model = config.model_class(config, loaders.train_part)
    trainer = make_trainer(config, model)
    liked = matrix_of(loaders.train_part)

    def ndcg(users: Tensor, items: Tensor) -> float:
        model.restore_user_e, model.restore_item_e = users, items
        return float(trainer.evaluate(loaders.valid, load_best_model=False)["ndcg@20"])

    popularity = torch.tensor(liked.sum(axis=0), dtype=torch.float32).unsqueeze(1)
    found = {"popularity": ndcg(torch.ones(data.user_num, 1), popularity)}
    for name in data.modalities:
        items = F.normalize(data.features(name), dim=1)
        users = torch.tensor(liked @ items.numpy(), dtype=torch.float32)
        found[name] = ndcg(users, items)
    print(json.dumps({"benchmark": "modality_signal", "dataset": arguments.dataset, "valid_ndcg@20": found}))


if __name__ == "__main__":
    main()
