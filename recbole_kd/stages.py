"""The stages of a run: teacher, student alone, distilled student; each trained once and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from logging import getLogger
from pathlib import Path
from typing import Any

import torch
from recbole.data.dataloader import FullSortEvalDataLoader
from recbole.utils import get_trainer, init_seed
from torch import Tensor, nn

from recbole_kd import __version__, compat
from recbole_kd.checkpoint import load_checkpoint, plain_values, save_checkpoint
from recbole_kd.config import KDConfig
from recbole_kd.data.digest import data_digest
from recbole_kd.data.loaders import Loaders
from recbole_kd.distill.base import Distiller
from recbole_kd.errors import UserError
from recbole_kd.evaluation import packed_hits, ranking_seconds, values_read
from recbole_kd.files import locked
from recbole_kd.memory import peak_memory, reset_peak
from recbole_kd.teacher.cache import identity_of
from recbole_kd.teacher.foreign import load_any_checkpoint
from recbole_kd.trainer import KDTrainer, SafeTrainerMixin, Watch


@dataclass
class StageRecord:
    """What is known of a finished stage; ``public()`` is what ``result_file`` holds of it.

    ``peak_memory`` is the most bytes that were taken while it was trained and evaluated: on CUDA by tensors there, else
    by the process, libraries and data set included.
    """

    name: str
    model: str
    epochs: int
    seconds_per_epoch: float | None
    valid: dict[str, float]
    test: dict[str, float]
    parameters: int
    inference_parameters: int
    ranking_seconds: float | None
    history: list[dict[str, Any]] = field(default_factory=list)
    bytes: int = 0
    checkpoint: str = ""
    peak_memory: int | None = None

    def public(self) -> dict[str, Any]:
        """The keys of ``result_file``."""
        return {key: value for key, value in self.kept().items() if key not in ("history", "ranking_seconds")}

    def kept(self) -> dict[str, Any]:
        """What the stage's checkpoint holds of it."""
        return {key: value for key, value in asdict(self).items() if key not in ("bytes", "checkpoint")}

    def of_file(self, path: Path) -> StageRecord:
        """This record with the checkpoint that holds it."""
        return replace(self, bytes=path.stat().st_size, checkpoint=str(path))


@dataclass
class Stage:
    """A trained model, its record, and what names the file that keeps both."""

    model: nn.Module
    record: StageRecord
    fingerprint: str


def train_stage(
    name: str,
    config: KDConfig,
    loaders: Loaders,
    parts: Sequence[str] = (),
    prepare: Callable[[nn.Module], Distiller | None] | None = None,
    watch: Watch | None = None,
) -> Stage:
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
        watch: gets the history after each validation; what it raises ends the training.
    """
    fingerprint = config.fingerprint(data_digest(loaders, config.model_class), *parts, *_given_weights(config))
    path = stage_path(config, name, fingerprint)
    there = config["resume"] and path.is_file()
    ranks = not config["single_spec"]  # they train one model together
    with nullcontext() if there or ranks else locked(path.with_name(f".{path.stem}.lock")):
        return _train_stage(name, config, loaders, path, fingerprint, prepare, watch)


def _train_stage(
    name: str,
    config: KDConfig,
    loaders: Loaders,
    path: Path,
    fingerprint: str,
    prepare: Callable[[nn.Module], Distiller | None] | None,
    watch: Watch | None,
) -> Stage:
    reset_peak(config["device"])
    init_seed(config["seed"] + config["local_rank"], config["reproducibility"])
    for loader in loaders:
        if loader is not None:  # stages share loaders, and must not depend on each other
            loader.generator.manual_seed(config["seed"])
    partial, snapshot = path.with_suffix(".training"), path.with_suffix(".resume")
    model = config.model_class(config, loaders.train._dataset).to(config["device"])
    if config["resume"] and path.is_file():
        _remove(snapshot, partial)  # of a run that was killed right after writing path
        return _kept_stage(name, model, path, config, fingerprint)
    getLogger().info(f"{name}: {'loading' if config['checkpoint'] else 'training'} {config.model}\n{model}")
    with torch.random.fork_rng():  # a distiller's own initial values must not shift the student's random numbers
        distiller = prepare(model) if prepare else None
    trainer = _trainer(config, model, distiller)
    trainer.watch = watch
    trainer.use_stage(partial, None if name == "model" else name)  # a single model logs where RecBole's does
    if not trainer.use_snapshots(snapshot, loaders) or not config["resume"]:
        _remove(snapshot)
    taken_up = trainer.take_up()
    if taken_up is None:
        _remove(partial)
    else:
        getLogger().info(f"{name}: taken up after epoch {taken_up} from {snapshot} (--resume=false starts over)")
    progress = config["show_progress"]
    with compat.quiet(), _repeatable(config["reproducibility"]):
        if config["checkpoint"]:
            load_weights(model, config)
            trainer.eval_collector.data_collect(loaders.train)
            valid = trainer.evaluate(loaders.valid, load_best_model=False, show_progress=progress)
        else:
            _, valid = trainer.fit(loaders.train, loaders.valid, saved=True, show_progress=progress)
        test = trainer.evaluate(loaders.test, load_best_model=not config["checkpoint"], show_progress=progress)
    record = StageRecord(
        name=name,
        model=config.model,
        epochs=len(trainer.history),
        seconds_per_epoch=trainer.seconds_per_epoch(),
        valid=plain_values(dict(valid or {})),
        test=plain_values(dict(test or {})),
        parameters=sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad),
        inference_parameters=values_read(model),
        ranking_seconds=ranking_seconds(model, loaders.test),
        history=trainer.history,
        peak_memory=peak_memory(config["device"]),
    )
    per_user = _per_user(trainer.eval_collector.hits, loaders.test)
    data = identity_of(loaders.train._dataset, __version__, config.dataset, config["seed"])
    kept = {"record": record.kept(), "per_user": per_user, "data": data, **trainer.fresh_start()}
    save_checkpoint(path, model, config.final_config_dict, **kept)
    _remove(snapshot, partial)
    getLogger().info(f"{name}: best valid {record.valid}\n{name}: test {record.test}\n{name}: saved to {path}")
    return Stage(model.eval(), record.of_file(path), fingerprint)


def stage_path(config: KDConfig, name: str, fingerprint: str) -> Path:
    """Where a finished stage is kept."""
    return Path(config["checkpoint_dir"]) / f"{config.dataset}-{config.model}-{name}-{fingerprint}.pth"


def load_weights(model: Any, config: KDConfig) -> None:
    """Take a model's weights from the file ``checkpoint``, one of ours or of RecBole's.

    Raises:
        UserError: the file cannot be read, or is of other data or another model size.
    """
    path, prefix = config["checkpoint"], "" if config.stage is None else f"{config.stage}_"
    state = load_any_checkpoint(path, config["device"])
    theirs = state.get("config") or {}
    split_once = bool(config["benchmark_filename"])  # then the seed has no part in it
    for key in ("model", "dataset") if split_once else ("model", "dataset", "seed"):
        if theirs.get(key, config[key]) != config[key]:
            raise UserError(
                f"{prefix}checkpoint: {path} was trained with {key}={theirs[key]}, and this run has {config[key]}; "
                "its test items may be among what it learnt, so use the same"
            )
    misfit = take_weights(model, state)
    if misfit:
        raise UserError(
            f"{prefix}checkpoint: the weights in {path} do not fit {config.model} ({misfit}); give the settings it was "
            f"trained with, such as --{prefix}embedding_size"
        )


def take_weights(model: Any, state: Mapping[str, Any]) -> str:
    """Load what :func:`recbole_kd.teacher.foreign.load_any_checkpoint` gave, or say which weight does not fit."""
    try:
        model.load_state_dict(state["state_dict"])
    except (RuntimeError, KeyError):
        mine, found = model.state_dict(), state.get("state_dict") or {}
        name = next((name for name in mine if name not in found or mine[name].shape != found[name].shape), None)
        if name is None:
            return "more than this model has"
        there = "absent" if name not in found else " × ".join(map(str, found[name].shape))
        return f"{name} is {there}, here {' × '.join(map(str, mine[name].shape))}"
    model.load_other_parameter(state["other_parameter"])
    return ""


def _given_weights(config: KDConfig) -> list[str]:
    """The digest of the file ``checkpoint``, if one is given."""
    if not config["checkpoint"]:
        return []
    if not Path(config["checkpoint"]).is_file():
        raise UserError(f"there is no checkpoint at {config['checkpoint']}")
    with Path(config["checkpoint"]).open("rb") as stream:
        return [hashlib.file_digest(stream, "sha256").hexdigest()]


def _per_user(hits: Tensor | None, test: Any) -> dict[str, Tensor]:
    """Which of each test user's best items are relevant; nothing where the test is no full ranking of users."""
    if hits is None or not isinstance(test, FullSortEvalDataLoader) or test.is_sequential:
        return {}
    return {"user": test.uid_list, **packed_hits(hits)}


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _kept_stage(name: str, model: Any, path: Path, config: KDConfig, fingerprint: str) -> Stage:
    checkpoint = load_checkpoint(path, config["device"])
    model.load_state_dict(checkpoint["state_dict"])
    model.load_other_parameter(checkpoint["other_parameter"])
    getLogger().info(f"{name}: {config.model} taken from {path} (--resume=false trains it again)")
    return Stage(model.eval(), StageRecord(**checkpoint["record"]).of_file(path), fingerprint)


@contextmanager
def _repeatable(wanted: bool) -> Iterator[None]:
    """Have PyTorch add up gradients in a fixed order, which it does not on several CPU threads by default."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(wanted or before[0], warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])


def _trainer(config: KDConfig, model: nn.Module, distiller: Distiller | None) -> Any:
    """Ours with a distiller; without one RecBole's own trainer of this model, with safe checkpoints."""
    if distiller is not None:
        return KDTrainer(config, model, distiller.to(config["device"]))
    base = get_trainer(config["MODEL_TYPE"], config["model"])
    if issubclass(base, SafeTrainerMixin):  # after register()
        return base(config, model)
    return type(f"Safe{base.__name__}", (SafeTrainerMixin, base), {})(config, model)


@torch.no_grad()
def start_from_teacher(student: nn.Module, users: Tensor, items: Tensor) -> None:
    """``init: teacher``: give the student the teacher's final embeddings as its initial ones.

    A larger teacher gives the factors of the best approximation of its scores that the student's size allows.

    Args:
        student: has ``user_embedding`` and ``item_embedding``.
        users: the teacher's, (n_users, d).
        items: the teacher's, (n_items, d).

    Raises:
        UserError: the teacher is the smaller one, or the student has no embeddings to give them to.
    """
    tables: list[Any] = [getattr(student, name, None) for name in ("user_embedding", "item_embedding")]
    sizes = {table.embedding_dim if isinstance(table, nn.Embedding) else None for table in tables}
    size = sizes.pop()
    if size is None or sizes:
        raise UserError(
            f"init=teacher needs a student with user and item embeddings of one size, not {type(student).__name__}; "
            "use init=xavier"
        )
    if users.shape[1] < size:
        raise UserError(
            f"init=teacher needs a teacher at least as large as the student, but the student has {size} dimensions and "
            f"the teacher {users.shape[1]}; change embedding_size or use init=xavier"
        )
    if users.shape[1] > size:
        users, items = truncated_factors(users, items, size)
    tables[0].weight.copy_(users)
    tables[1].weight.copy_(items)


def truncated_factors(users: Tensor, items: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Factors of ``size`` dimensions whose product is nearest to ``users @ items.T`` (Eckart and Young 1936).

    Args:
        users: (n_users, d).
        items: (n_items, d).
        size: at most d.

    Returns:
        (n_users, size) and (n_items, size), from QR of both sides and an SVD of d × d: never users × items.
    """
    (q_users, r_users), (q_items, r_items) = torch.linalg.qr(users), torch.linalg.qr(items)
    left, values, right = torch.linalg.svd(r_users @ r_items.T)
    scale = values[:size].sqrt()
    return q_users @ (left[:, :size] * scale), q_items @ (right[:size].T * scale)
