"""One data set, split once, served to every training stage through RecBole's own loaders."""

from __future__ import annotations

from recbole_kd.bridge.config import KDConfig
from recbole_kd.bridge.loaders import Loaders as Loaders
from recbole_kd.bridge.loaders import prepare_loaders
from recbole_kd.bridge.models import scores_all_items
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.foundation.errors import UserError
from recbole_kd.ops.blocks import PAIRS_AT_ONCE, SCORES_AT_ONCE, rows_at_once


def check_list_lengths(config: KDConfig, dataset: MultiModalDataset) -> None:
    """Refuse lists longer than the catalogue, which RecBole would meet as an index error after the first epoch.

    Raises:
        UserError: ``topk`` asks for more items than there are.
    """
    if max(config["topk"]) >= dataset.item_num:
        raise UserError(
            f"topk={config['topk']} is too long for {dataset.item_num - 1} items; set topk and valid_metric"
        )


def make_loaders(config: KDConfig, dataset: MultiModalDataset) -> Loaders:
    """Return the loaders of a stage; ``dataset`` keeps its split, so all stages see the same one.

    RecBole's default ``eval_batch_size`` scores one user at a time; unless the user sets it, whole blocks of users
    are ranked at once, with equal metrics.
    """
    if "eval_batch_size" not in config.external_config_dict:
        numbers = SCORES_AT_ONCE if scores_all_items(config.model_class) else PAIRS_AT_ONCE
        config["eval_batch_size"] = rows_at_once(dataset.item_num, numbers) * dataset.item_num
    return prepare_loaders(config, dataset, mask_train_only=config["eval_mask"] == "train")
