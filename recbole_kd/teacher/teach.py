"""A run's teacher: trained, loaded or read from a cache, and what a distiller gets of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from logging import getLogger
from pathlib import Path
from typing import Any, Literal

import torch
import torch.distributed as dist
from recbole.model.abstract_recommender import AbstractRecommender
from torch import Tensor

from recbole_kd import __version__
from recbole_kd.checkpoint import plain_values
from recbole_kd.config import KDConfig
from recbole_kd.data.loaders import Loaders
from recbole_kd.errors import UserError
from recbole_kd.files import locked
from recbole_kd.graph import interaction_matrix
from recbole_kd.scorer import scorer_of
from recbole_kd.stages import StageRecord, stage_path, train_stage
from recbole_kd.teacher.build import build_cache
from recbole_kd.teacher.cache import TeacherCache, identity_of
from recbole_kd.teacher.manifest import MANIFEST
from recbole_kd.teacher.ranks import first_then_others


@dataclass(frozen=True)
class Taught:
    """A trained teacher.

    ``knowledge`` is what the distiller learns from: the model, or the cache of its scores. ``digest`` changes with
    every value that a student could learn from it.
    """

    record: StageRecord
    knowledge: Any
    digest: str

    @torch.no_grad()
    def embeddings(self) -> tuple[Tensor, Tensor]:
        """User and item embeddings whose dot products are the teacher's scores.

        Raises:
            UserError: it has none.
        """
        if isinstance(self.knowledge, TeacherCache):
            return self.knowledge.embeddings()
        return scorer_of(self.knowledge).embeddings()


def teach(
    stage: str,
    config: KDConfig,
    loaders: Loaders,
    learns_from: Literal["scores", "model"],
    asked_for: Mapping[str, Any] | None = None,
) -> Taught:
    """Return the teacher of one stage, from the cheapest source that there is: a cache, a checkpoint, training.

    Args:
        stage: ``teacher``, ``teacher2``, …
        config: of this stage.
        loaders: of this stage.
        learns_from: what the distiller asks for.
        asked_for: values of ``config`` that the user gave for this teacher; a cache must have been made with them.

    Raises:
        UserError: the cache or the checkpoint is of other data, or cannot be read.
    """
    dataset = loaders.train._dataset
    folder = config["cache_dir"] and Path(config["cache_dir"])
    if learns_from == "model":
        if folder:
            raise UserError("cache_dir: this method learns from its teacher's layers, not from scores; leave it out")
        trained = train_stage(stage, config, loaders)
        return Taught(trained.record, trained.model, trained.fingerprint)
    identity = identity_of(dataset, __version__, config.dataset, config["seed"])
    if folder and (folder / MANIFEST).is_file():
        cache = TeacherCache.open(folder)
        cache.check(identity)
        _check_asked(cache, asked_for or {})
        getLogger().info(f"{stage}: scores of {cache.identity['teacher']} taken from {folder}")
        return Taught(StageRecord(**{**cache.record, "name": stage}), cache.to(config["device"]), cache.digest)
    trained = first_then_others(lambda: train_stage(stage, config, loaders))
    identity |= {
        "teacher": config.model,
        "config": plain_values(config.final_config_dict),
        "checkpoint": weights_digest(trained.model),
    }
    users, items = (dataset.inter_feat[field].numpy() for field in (dataset.uid_field, dataset.iid_field))
    folder = folder or _own_folder(config, stage_path(config, stage, trained.fingerprint))
    # several students may ask at once; the ranks of one run write it together
    no_lock = dist.is_initialized() or (folder / MANIFEST).is_file()
    with nullcontext() if no_lock else locked(folder.absolute().with_name(f".{folder.absolute().name}.lock")):
        cache = build_cache(
            folder,
            scorer_of(trained.model),
            interaction_matrix(users, items, dataset.user_num, dataset.item_num),
            identity,
            trained.record.kept(),
            topk=config["cache_topk"],
            dtype=config["cache_dtype"],
            mask_train_positives=config["mask_train_positives"],
            show_progress=config["show_progress"],
        )
    return Taught(trained.record, cache.to(config["device"]), cache.digest)


def _own_folder(config: KDConfig, checkpoint: Path) -> Path:
    """Beside the checkpoint, one folder for each way to keep its scores."""
    kind = f"top{config['cache_topk']}" + f"-{config['cache_dtype']}" * bool(config["cache_dtype"])
    kind += "-unmasked" * (not config["mask_train_positives"])
    return checkpoint.with_name(f"{checkpoint.stem}-{kind}.cache")


def _check_asked(cache: TeacherCache, asked_for: Mapping[str, Any]) -> None:
    theirs = {**cache.identity["config"], "model": cache.identity["teacher"]}
    for key, value in asked_for.items():
        if theirs.get(key, value) != value:
            raise UserError(
                f"the teacher cache {cache.folder} was made with {key}={theirs[key]}, and {key}={value} is asked for; "
                "leave it out, or give another --cache_dir"
            )


def weights_digest(model: AbstractRecommender) -> str:
    """SHA-256 of all parameters and buffers, by name."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        digest.update(name.encode())
        digest.update(value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
