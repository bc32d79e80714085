"""A run's teacher: trained, loaded or read from a cache, and what a distiller gets of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from logging import getLogger
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from recbole_kd.bridge.building import build_model
from recbole_kd.bridge.config import KDConfig
from recbole_kd.bridge.loaders import Loaders
from recbole_kd.bridge.recbole_checkpoint import load_any_checkpoint
from recbole_kd.data.identity import identity_of
from recbole_kd.data.interactions import popularity_of
from recbole_kd.data.states import states_of
from recbole_kd.distillers.base import Need, Teacher
from recbole_kd.foundation.digest import sha256_of_file, sha256_of_tensors
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.files import locked, own_folder
from recbole_kd.foundation.plain import plain_values
from recbole_kd.scoring.build import build_cache
from recbole_kd.scoring.cache import TeacherCache
from recbole_kd.scoring.history_scores import scores_in
from recbole_kd.scoring.manifest import MANIFEST
from recbole_kd.scoring.model_scores import ModelScores
from recbole_kd.scoring.scores import Pair, Scores
from recbole_kd.training.callbacks import Callback
from recbole_kd.training.fitting import Prepare, TrainedStage, stage_path, train_stage, trajectory_folder
from recbole_kd.training.ranks import first_then_others
from recbole_kd.training.record import StageRecord
from recbole_kd.training.weights import take_weights

_SCORED = frozenset({Need.SCORES, Need.EMBEDDINGS})


@dataclass(frozen=True)
class Taught:
    """A trained teacher.

    ``teacher`` is what the distiller gets of it, ``scores`` its scores in any case, ``digest`` changes with every value
    that a student could learn from it.
    """

    record: StageRecord
    teacher: Teacher
    scores: Scores
    digest: str

    @torch.no_grad()
    def embeddings(self) -> Pair:
        """User and item embeddings whose dot products are the teacher's scores.

        Raises:
            UserError: it has none.
        """
        return self.scores.embeddings()


def teach(
    stage: str,
    config: KDConfig,
    loaders: Loaders,
    needs: frozenset[Need] = frozenset({Need.SCORES}),
    *,
    asked_for: Mapping[str, Any] | None = None,
    parts: Sequence[str] = (),
    prepare: Prepare | None = None,
    callback: Callback | None = None,
    trajectory_every: int | None = None,
) -> Taught:
    """Return the teacher of one stage, from the cheapest source that there is: a cache, a checkpoint, training.

    Args:
        stage: ``teacher``, ``teacher2``, … or ``assistant``.
        config: of this stage.
        loaders: of this stage.
        needs: what the distiller asks for.
        asked_for: values of ``config`` that the user gave for this teacher; a cache must have been made with them.
        parts: as for :func:`~recbole_kd.training.fitting.train_stage`, of an assistant.
        prepare: likewise.
        callback: likewise.
        trajectory_every: likewise, where the distiller needs a trajectory.

    Raises:
        UserError: the cache or the checkpoint is of other data, or cannot be read, or the teacher has no embeddings
            where they are needed.
    """
    folder = config["cache_dir"] and Path(config["cache_dir"])
    if folder and _SCORED & needs and (folder / MANIFEST).is_file():
        kept = _from_cache(stage, config, loaders, needs, folder, asked_for or {})
        (callback or Callback()).stage_ends(kept.record)
        return kept
    if Need.EMBEDDINGS in needs:
        _check_embeddings(stage, config, loaders)

    def train() -> TrainedStage:
        return train_stage(stage, config, loaders, parts, prepare, callback, trajectory_every)

    trained = first_then_others(train) if _SCORED & needs else train()
    path = stage_path(config, stage, trained.fingerprint)
    given: dict[str, Any] = {"given_popularity": _popularity(loaders, needs)}
    if Need.MODEL in needs:
        given["given_model"] = trained.model
    digests: list[str] = []
    if Need.TRAJECTORY in needs:
        assert trajectory_every is not None
        files = _trajectory_files(trajectory_folder(path), trained.record, trajectory_every)
        given["given_trajectory"] = _trajectory(config, loaders, files)
        digests += map(sha256_of_file, files)
    if Need.MODEL in needs or digests:
        digests.append(trained.fingerprint)
    if not _SCORED & needs:
        digest = " ".join(digests) or trained.fingerprint
        states = states_of(config, loaders.train_part)
        return Taught(trained.record, Teacher(stage, **given), scores_in(states, trained.model), digest)
    cache = _cache(config, loaders, trained, folder or own_folder(_own_folder(config, path)))
    teacher = Teacher(stage, cache, **given)
    return Taught(trained.record, teacher, cache, " ".join([cache.digest, *digests]))


def _from_cache(
    stage: str,
    config: KDConfig,
    loaders: Loaders,
    needs: frozenset[Need],
    folder: Path,
    asked_for: Mapping[str, Any],
) -> Taught:
    cache = TeacherCache.open(folder)
    cache.check(_identity(config, loaders))
    _check_asked(cache, asked_for)
    if Need.EMBEDDINGS in needs:
        cache.embeddings()  # or a sentence
    getLogger().info(f"{stage}: scores of {cache.identity.get('teacher')} taken from {folder}")
    cache.to(config["device"])
    teacher = Teacher(stage, cache, given_popularity=_popularity(loaders, needs))
    return Taught(StageRecord.read({**cache.record, "name": stage}, folder), teacher, cache, cache.digest)


def _identity(config: KDConfig, loaders: Loaders) -> dict[str, Any]:
    """What scores of a teacher depend on besides its weights."""
    found = identity_of(loaders.train_part, config.dataset, config["seed"])
    return {**found, "states": "positions in histories"} if config["kd_positions"] == "all" else found


def _cache(config: KDConfig, loaders: Loaders, trained: TrainedStage, folder: Path) -> TeacherCache:
    """The scores of a trained teacher on disk, written now or found there."""
    states = states_of(config, loaders.train_part)
    identity = _identity(config, loaders) | {
        "teacher": config.model,
        "config": plain_values(config.final_config_dict),
        "checkpoint": sha256_of_tensors(trained.model.state_dict()),
    }
    # several students may ask at once; the ranks of one run write it together
    no_lock = dist.is_initialized() or (folder / MANIFEST).is_file()
    with nullcontext() if no_lock else locked(folder.absolute().with_name(f".{folder.absolute().name}.lock")):
        cache = build_cache(
            folder,
            scores_in(states, trained.model),
            states.seen,
            identity,
            trained.record.kept(),
            topk=config["cache_topk"],
            dtype=config["cache_dtype"],
            mask_train_positives=config["mask_train_positives"],
            show_progress=config["show_progress"],
        )
    return cache.to(config["device"])


def _popularity(loaders: Loaders, needs: frozenset[Need]) -> Tensor | None:
    return torch.from_numpy(popularity_of(loaders.train_part)) if Need.POPULARITY in needs else None


def _trajectory_files(folder: Path, record: StageRecord, every: int) -> list[Path]:
    """The checkpoints of every n-th epoch that the teacher was trained for; no other file of the folder is looked at.

    Raises:
        UserError: one is missing.
    """
    files = [folder / f"{epoch:05d}.pth" for epoch in range(every, record.epochs + 1, every)]
    for path in files:
        if folder.is_symlink() or path.is_symlink() or not path.is_file():
            raise UserError(f"{path} is missing, an epoch of the {record.name}; --resume=false trains it again")
    if not files:
        raise UserError(
            f"the {record.name} stopped after {record.epochs} epochs, of which trajectory_every={every} keeps none; "
            "make it smaller"
        )
    return files


def _trajectory(config: KDConfig, loaders: Loaders, files: Sequence[Path]) -> tuple[Scores, ...]:
    """The scores of each kept epoch: a model each, or its embeddings where these are its scores.

    Raises:
        UserError: a file is damaged or of another model.
    """
    found: list[ModelScores] = []
    states = states_of(config, loaders.train_part)
    for path in files:
        with torch.random.fork_rng():
            model = build_model(config, loaders.train_part).eval()
        state = load_any_checkpoint(path, config["device"])
        misfit = take_weights(model, state)
        if misfit:
            raise UserError(f"{path} is no epoch of {config.model} ({misfit}); --resume=false trains it again")
        found.append(scores_in(states, model, config["mask_train_positives"]).computed_once())
    return tuple(found)


def _check_embeddings(stage: str, config: KDConfig, loaders: Loaders) -> None:
    """Refuse a teacher whose scores are no dot products before it is trained."""
    with torch.random.fork_rng():
        model = build_model(config, loaders.train_part)
        factorised = scores_in(states_of(config, loaders.train_part), model).factorised
    if not factorised:
        raise UserError(
            f"{stage}: this method needs embeddings, and {config.model} has none whose dot product is its score; take "
            "another teacher, such as LightGCN"
        )


def _own_folder(config: KDConfig, checkpoint: Path) -> Path:
    """Beside the checkpoint, one folder for each way to keep its scores."""
    kind = f"top{config['cache_topk']}" + f"-{config['cache_dtype']}" * bool(config["cache_dtype"])
    kind += "-unmasked" * (not config["mask_train_positives"]) + "-positions" * (config["kd_positions"] == "all")
    return checkpoint.with_name(f"{checkpoint.stem}-{kind}.cache")


def _check_asked(cache: TeacherCache, asked_for: Mapping[str, Any]) -> None:
    theirs = {**cache.identity.get("config", {}), "model": cache.identity.get("teacher")}
    for key, value in asked_for.items():
        if theirs.get(key, value) != value:
            raise UserError(
                f"the teacher cache {cache.folder} was made with {key}={theirs[key]}, and {key}={value} is asked for; "
                "leave it out, or give another --cache_dir"
            )
