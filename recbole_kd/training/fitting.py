"""One stage: a model trained to early stopping and kept, or taken from where an earlier run has kept it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from logging import getLogger
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recbole_kd.bridge import compat
from recbole_kd.bridge.building import build_model, own_errors_of
from recbole_kd.bridge.checkpoint import load_checkpoint, save_checkpoint
from recbole_kd.bridge.config import KDConfig
from recbole_kd.bridge.distilling import make_distilling_trainer
from recbole_kd.bridge.kept_embeddings import forget_embeddings
from recbole_kd.bridge.loaders import Loaders, ranks_all_items
from recbole_kd.bridge.models import is_computed_at_once
from recbole_kd.bridge.recbole import GeneralRecommender, init_seed
from recbole_kd.bridge.trainer import make_trainer
from recbole_kd.data.identity import data_digest, identity_of
from recbole_kd.data.states import states_of
from recbole_kd.data.tokens import kept_tokens
from recbole_kd.distillers.base import Distiller
from recbole_kd.evaluation.cost import ranking_seconds, values_read
from recbole_kd.evaluation.memory import peak_memory, reset_peak
from recbole_kd.evaluation.per_user import packed_hits
from recbole_kd.foundation.allocator import keep_freed_memory
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.files import locked
from recbole_kd.foundation.names import cut
from recbole_kd.foundation.plain import plain_values
from recbole_kd.foundation.surroundings import check_folder
from recbole_kd.scoring.history_scores import scores_in
from recbole_kd.scoring.model_scores import ModelScores
from recbole_kd.training.apart import further_tests
from recbole_kd.training.callbacks import Callback
from recbole_kd.training.content import check_kept, content_share, keep_content
from recbole_kd.training.record import StageRecord, StageStart
from recbole_kd.training.threads import threads
from recbole_kd.training.weights import given_weights, load_weights

Prepare = Callable[[GeneralRecommender], Distiller[Any] | None]


@dataclass
class TrainedStage:
    """A trained model, its record, and what names the file that keeps both."""

    model: Any
    record: StageRecord
    fingerprint: str


@dataclass(frozen=True)
class _Job:
    """What is trained, and where it is kept."""

    name: str
    config: KDConfig
    loaders: Loaders
    path: Path
    fingerprint: str
    prepare: Prepare | None
    callback: Callback
    trajectory_every: int | None

    @property
    def partial(self) -> Path:
        """The best checkpoint of a training that has not ended."""
        return self.path.with_suffix(".training")

    @property
    def snapshot(self) -> Path:
        """What a training that was cut off goes on from."""
        return self.path.with_suffix(".resume")


def train_stage(
    name: str,
    config: KDConfig,
    loaders: Loaders,
    parts: Sequence[str] = (),
    prepare: Prepare | None = None,
    callback: Callback | None = None,
    trajectory_every: int | None = None,
) -> TrainedStage:
    """Train one model to early stopping and keep it, or take it from ``checkpoint_dir`` if it is there.

    A training that was cut off goes on after the last epoch of which ``checkpoint_dir`` holds a snapshot. Of processes
    that want the same stage one trains it; the others wait and take it.

    With ``checkpoint`` set the weights come from that file, and are evaluated only.

    Args:
        name: ``teacher``, ``baseline``, ``student`` or ``model``.
        config: of this stage; its ``model_class`` is trained.
        loaders: from :func:`recbole_kd.data.loaders.make_loaders`.
        parts: what else the result depends on, such as the teacher's fingerprint.
        prepare: gets the new student, may change its initial weights, and returns its distiller.
        callback: is told of each validation, which it may end the training in by raising, and of the end.
        trajectory_every: keep a checkpoint after every so many epochs, in :func:`trajectory_folder`.

    Raises:
        UserError: ``checkpoint_dir`` cannot be written.
    """
    parts = [*parts, *given_weights(config)]
    parts += [] if trajectory_every is None else [f"trajectory {trajectory_every}"]
    has_path = prepare is not None and bool(config["content"])
    fingerprint = config.fingerprint(data_digest(loaders, config.model_class, has_path), *parts)
    path = stage_path(config, name, fingerprint)
    callback = callback or Callback()
    job = _Job(name, config, loaders, path, fingerprint, prepare, callback, trajectory_every)
    there = config["resume"] and path.is_file()
    if not there:
        check_folder(config["checkpoint_dir"], "checkpoint_dir")
    ranks = not config["single_spec"]  # they train one model together
    with nullcontext() if there or ranks else locked(path.with_name(f".{path.stem}.lock")):
        trained = _train(job)
    callback.stage_ends(trained.record)
    return trained


def stage_path(config: KDConfig, name: str, fingerprint: str) -> Path:
    """Where a finished stage is kept."""
    return Path(config["checkpoint_dir"]) / f"{cut(config.dataset, 120)}-{config.model}-{name}-{fingerprint}.pth"


def trajectory_folder(stage: Path) -> Path:
    """Where the checkpoints of a stage's epochs are kept, by the path of the stage."""
    return stage.with_suffix(".trajectory")


def _train(job: _Job) -> TrainedStage:
    config, loaders, name = job.config, job.loaders, job.name
    keep_freed_memory()
    reset_peak(config["device"])
    init_seed(config["seed"] + config["local_rank"], config["reproducibility"])
    for generator in loaders.generators():  # stages share loaders, and must not depend on each other
        generator.manual_seed(config["seed"])
    model = build_model(config, loaders.train_part)
    if config["resume"] and job.path.is_file():
        _remove(job.snapshot, job.partial)  # of a run that was killed right after writing the path
        return _kept_stage(job, model)
    getLogger().info(f"{name}: {'loading' if config['checkpoint'] else 'training'} {config.model}\n{model}")
    trainer = _trainer(job, model)
    _take_up(job, trainer)
    parameters = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    start = (0, 0, str(config["checkpoint"])) if config["checkpoint"] else (trainer.epochs, trainer.start_epoch, "")
    job.callback.stage_begins(StageStart(name, config.model, parameters, *start))
    progress = config["show_progress"]
    with (
        compat.quiet(),
        repeatable(config["reproducibility"]),
        own_errors_of(config.model_class),
        threads(config["threads"], *trainer.parts().values()) as used,
    ):
        getLogger().info(f"{name}: {used} CPU thread{'s' * (used > 1)} (threads={config['threads']})")
        if config["checkpoint"]:
            load_weights(model, config, loaders.train_part)
            trainer.eval_collector.data_collect(loaders.train)
            valid = trainer.evaluate(loaders.valid, load_best_model=False, show_progress=progress)
        else:
            _, valid = trainer.fit(loaders.train, loaders.valid, saved=True, show_progress=progress)
        test = trainer.evaluate(loaders.test, load_best_model=not config["checkpoint"], show_progress=progress)
    per_user = _per_user(trainer.eval_collector.hits, loaders.test)
    record = StageRecord(
        name=name,
        model=config.model,
        epochs=len(trainer.history),
        seconds_per_epoch=trainer.seconds_per_epoch(),
        valid=plain_values(dict(valid or {})),
        test=plain_values(dict(test or {})),
        parameters=parameters,
        inference_parameters=values_read(model),
        ranking_seconds=ranking_seconds(model, loaders.test),
        history=trainer.history,
        peak_memory=peak_memory(config["device"]),
        at_epoch_limit=_at_limit(config, trainer),
        threads=used,
        apart=further_tests(trainer, config, loaders),
        content_share=content_share(trainer),
    )
    keep_content(job.path, trainer)
    data = identity_of(loaders.train_part, config.dataset, config["seed"])
    kept = {"record": record.kept(), "per_user": per_user, "data": data, "tokens": kept_tokens(loaders.train_part)}
    save_checkpoint(job.path, model, config.final_config_dict, **kept, **trainer.fresh_start())
    _remove(job.snapshot, job.partial)
    getLogger().info(f"{name}: best valid {record.valid}\n{name}: test {record.test}\n{name}: saved to {job.path}")
    return TrainedStage(model.eval(), record.of_file(job.path), job.fingerprint)


def _at_limit(config: KDConfig, trainer: Any) -> bool | None:
    """Whether ``epochs`` ended a training that early stopping had not ended yet; None where neither could."""
    if not any("valid" in entry for entry in trainer.history) or is_computed_at_once(config.model_class):
        return None
    return bool(len(trainer.history) >= config["epochs"] and trainer.cur_step <= trainer.stopping_step)


def _trainer(job: _Job, model: GeneralRecommender) -> Any:
    """RecBole's own trainer of this model, with safe checkpoints, and with a distiller where there is one."""
    with torch.random.fork_rng():  # a distiller's own initial values must not shift the student's random numbers
        distiller = job.prepare(model) if job.prepare else None
    if distiller is None:
        trainer = make_trainer(job.config, model)
    else:
        scores = scores_in(states_of(job.config, job.loaders.train_part), model)
        _check_gradient(job, scores)
        trainer = make_distilling_trainer(job.config, model, distiller.to(job.config["device"]), scores)
    trainer.on_progress = lambda epochs: job.callback.progressed(job.name, epochs)
    trainer.on_validation = lambda history: job.callback.validated(job.name, history)
    trainer.use_stage(
        job.partial, None if job.name == "model" else job.name
    )  # a single model logs where RecBole's does
    return trainer


def _check_gradient(job: _Job, scores: ModelScores) -> None:
    """Refuse a student whose scores do not follow its parameters, so that no term could teach it anything."""
    one = torch.ones(1, dtype=torch.int64, device=scores.device)  # a state, and an item
    forget_embeddings(scores.model)  # SGL and its like would score by those of before, which have no gradient
    with torch.random.fork_rng(), torch.enable_grad():
        learns = scores.score(one, one.unsqueeze(1)).requires_grad
    forget_embeddings(scores.model)
    if not learns:
        raise UserError(
            f"{job.name}: the scores of {job.config.model} have no gradient, so no teacher can teach it; take a model "
            "that scores by its parameters, such as BPR or LightGCN"
        )


def _take_up(job: _Job, trainer: Any) -> None:
    """Go on where a training was cut off, or begin afresh."""
    trajectory = trajectory_folder(job.path)
    if job.trajectory_every is not None:
        if trajectory.is_symlink() or trajectory.is_file():
            raise UserError(f"{trajectory} is no folder of ours; delete it")
        trainer.keep_trajectory(trajectory, job.trajectory_every)
    if not trainer.use_snapshots(job.snapshot, job.loaders.generators()) or not job.config["resume"]:
        _remove(job.snapshot)
    epoch = trainer.take_up()
    if epoch is None:
        _remove(job.partial)
        if job.trajectory_every is not None:
            _remove(*trajectory.glob("[0-9][0-9][0-9][0-9][0-9].pth"))  # what else lies there is not ours
    else:
        getLogger().info(f"{job.name}: taken up after epoch {epoch} from {job.snapshot} (--resume=false starts over)")


def _per_user(hits: Tensor | None, test: Any) -> dict[str, Tensor]:
    """Which of each test user's best items are relevant; nothing where the test is no full ranking of users."""
    if hits is None or not ranks_all_items(test):
        return {}
    return {"user": test.uid_list, **packed_hits(hits)}


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _kept_stage(job: _Job, model: Any) -> TrainedStage:
    checkpoint = load_checkpoint(job.path, job.config["device"])
    model.load_state_dict(checkpoint["state_dict"])
    model.load_other_parameter(checkpoint["other_parameter"])
    getLogger().info(f"{job.name}: {job.config.model} taken from {job.path} (--resume=false trains it again)")
    record = StageRecord.read(checkpoint.get("record"), job.path)
    check_kept(record, job.path)
    return TrainedStage(model.eval(), record.of_file(job.path), job.fingerprint)


@contextmanager
def repeatable(wanted: bool) -> Iterator[None]:
    """Have PyTorch add up gradients in a fixed order, which it does not on several CPU threads by default.

    It would also fill each new tensor before an operation writes it, so that a read of what was never written is found:
    nothing here reads such, and it takes a tenth of a step.
    """
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic
    filled = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(wanted or before[0], warn_only=True)
    memory.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        memory.fill_uninitialized_memory = filled
