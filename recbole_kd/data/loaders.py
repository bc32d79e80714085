"""One data set, split once, served to every training stage through RecBole's own loaders."""

from __future__ import annotations

import numpy as np

from recbole_kd.bridge.config import KDConfig
from recbole_kd.bridge.loaders import Loaders as Loaders
from recbole_kd.bridge.loaders import prepare_loaders
from recbole_kd.bridge.models import scores_all_items
from recbole_kd.bridge.refusals import in_one_sentence
from recbole_kd.data.dataset import HistoryDataset, MultiModalDataset
from recbole_kd.data.interactions import pairs_of
from recbole_kd.foundation.errors import UserError
from recbole_kd.ops.blocks import PAIRS_AT_ONCE, SCORES_AT_ONCE, rows_at_once


def check_evaluation(config: KDConfig, dataset: MultiModalDataset) -> None:
    """Refuse an evaluation that cannot be made of the data, or would not end.

    Raises:
        UserError: ``topk`` is longer than the catalogue, which RecBole meets as an index error after the first epoch;
            ``uni100`` where there are fewer items; labels that the data do not have; ``eval_items`` without a full
            ranking.
    """
    if max(config["topk"]) >= dataset.item_num:
        raise UserError(
            f"topk={config['topk']} is too long for {dataset.item_num - 1} items; set topk and valid_metric"
        )
    items = dataset.item_num - 1
    negatives = (config["train_neg_sample_args"] or {}).get("sample_num") or 0
    if isinstance(negatives, int) and negatives > items:
        raise UserError(
            f"train_neg_sample_args: sample_num={negatives:,} negatives are more than the {items:,} items; give fewer"
        )
    modes = dict.fromkeys(config["eval_args"]["mode"].values())
    if config["eval_items"] != "all" and set(modes) != {"full"}:
        raise UserError(f"eval_items={config['eval_items']} is of a full ranking; write mode: full in eval_args")
    for mode in modes:
        wanted = mode[3:]
        if wanted.isdigit() and int(wanted) > items:
            raise UserError(
                f"eval_args: mode {mode} draws {int(wanted):,} items that a user has not met, and there are {items:,}; "
                "write mode: full to rank all of them"
            )
        if mode == "labeled" and config["LABEL_FIELD"] not in dataset.inter_feat:
            raise UserError(
                f"eval_args: mode labeled needs labels, and the data have no column {config['LABEL_FIELD']}; give "
                "threshold, as {rating: 4}, or name the column as LABEL_FIELD"
            )


def make_loaders(config: KDConfig, dataset: MultiModalDataset) -> Loaders:
    """Return the loaders of a stage; ``dataset`` keeps its split, so all stages see the same one.

    RecBole's default ``eval_batch_size`` scores one user at a time; unless the user sets it, whole blocks of users
    are ranked at once, with equal metrics.

    Raises:
        UserError: RecBole refuses the settings of sampling, or a user has every item.
    """
    if "eval_batch_size" not in config.external_config_dict:
        numbers = SCORES_AT_ONCE if scores_all_items(config.model_class) else PAIRS_AT_ONCE
        rows = rows_at_once(dataset.item_num, numbers)
        config["eval_batch_size"] = rows if config["histories"] else rows * dataset.item_num
    dataset.build()  # or a sentence of its own
    if isinstance(dataset, HistoryDataset):
        dataset = dataset.for_model(config)
    try:
        with in_one_sentence(f"the data set {config.dataset!r} cannot be sampled with these settings"):
            return prepare_loaders(config, dataset, mask_train_only=config["eval_mask"] == "train")
    except UserError:
        _check_negatives(dataset)  # says it better
        raise


def _check_negatives(dataset: MultiModalDataset) -> None:
    """Name the users for whom no negative item can be drawn."""
    parts = dataset.build()
    users, items = (np.concatenate(ids) for ids in zip(*(pairs_of(part) for part in parts), strict=True))
    distinct = np.unique(users * dataset.item_num + items) // dataset.item_num
    everything = np.flatnonzero(np.bincount(distinct) == dataset.item_num - 1)
    if not len(everything):
        return
    names = ", ".join(dataset.field2id_token[dataset.uid_field][everything[:3]]) + " …" * (len(everything) > 3)
    way = f"leave such users out with --user_inter_num_interval=[0,{dataset.item_num - 2}]"
    if dataset.config["benchmark_filename"] is not None:
        way = "take such users out of the files"  # on which filters do not act
    raise UserError(
        f"{names} of the data set {dataset.dataset_name!r} {'has' if len(everything) == 1 else 'have'} interacted with "
        f"each of the {dataset.item_num - 1} items, so that there is no negative to draw; {way}"
    )
