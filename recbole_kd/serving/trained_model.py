"""A trained model from its checkpoint alone, on the data that it was trained on."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recbole_kd.bridge import compat
from recbole_kd.bridge.building import build_model
from recbole_kd.bridge.config import KDConfig, recorded_values
from recbole_kd.bridge.recbole import init_seed
from recbole_kd.bridge.recbole_checkpoint import load_any_checkpoint
from recbole_kd.data import ml100k
from recbole_kd.data.dataset import MultiModalDataset, open_dataset
from recbole_kd.data.identity import identity_of
from recbole_kd.data.states import States
from recbole_kd.data.tokens import difference, sizes_differ
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.user_classes import is_class_path
from recbole_kd.registry import find_or_import_model, keys_of_model, make_config
from recbole_kd.scoring.history_scores import scores_in
from recbole_kd.scoring.model_scores import ModelScores
from recbole_kd.serving.content import StudentContent, open_content
from recbole_kd.training.weights import take_weights

_ALWAYS_BUILT = 1_000_000  # layers and dimensions that any machine builds, whatever a file says


@dataclass(frozen=True)
class TrainedModel:
    """A model that is ready to score.

    ``train`` is the training part of its data, ``held_out`` are the others (validation, test); ``identity`` is what
    :func:`recbole_kd.data.identity.identity_of` says of the training part. ``verified`` tells whether the checkpoint
    held the same; stock RecBole's do not say, and only fit in size. ``content`` is the content path beside the
    checkpoint, which then has its share in the scores of items that training never saw; ``had_content`` tells whether
    the student was trained with one, wherever it is now.
    """

    checkpoint: str
    config: KDConfig
    train: MultiModalDataset
    scores: ModelScores
    identity: dict[str, Any]
    verified: bool
    held_out: tuple[MultiModalDataset, ...] = ()
    content: StudentContent | None = None
    had_content: bool = False

    @property
    def data_path(self) -> str:
        """The folder of the data set's files."""
        return os.path.abspath(str(self.config["data_path"]))


def open_trained(checkpoint: str | os.PathLike[str], config_dict: Mapping[str, Any] | None = None) -> TrainedModel:
    """Make the model of a checkpoint, ours or stock RecBole's, from the config that it holds; nothing in it is run.

    Args:
        checkpoint: the file.
        config_dict: values that beat those of the checkpoint, such as ``data_path``; ``model`` and ``dataset`` need
            only be given where it does not name them.

    Raises:
        UserError: the file or the data set is missing or damaged, or they do not belong together.
    """
    path = str(checkpoint)
    state = load_any_checkpoint(path)
    given = dict(config_dict or {})
    if is_class_path(str(given.get("model"))):  # the user's word; a name in the file never has anything imported
        given["model"] = find_or_import_model(given["model"]).__name__
    own = keys_of_model(str(given.get("model") or state["config"].get("model")))
    _check_claims(path, state, own)
    config = _config(path, recorded_values(state["config"], own), given)
    init_seed(config["seed"], config["reproducibility"])
    train, *held_out = _split(config)
    identity = identity_of(train, config.dataset, config["seed"])
    differs = difference(state, identity, train)
    if differs:
        what, how = differs
        raise UserError(
            f"{path} was trained on {what} than the data set in {config['data_path']} gives{': ' * bool(how)}{how}; "
            "give the folder of its data as --data_path, or train it again"
        )
    init_seed(config["seed"], config["reproducibility"])  # as before training, for models that draw at random here
    model = build_model(config, train).eval()
    with compat.quiet():
        state["other_parameter"] = {
            name: value.to(config["device"]) if isinstance(value, Tensor) else value
            for name, value in state["other_parameter"].items()
        }
        misfit = take_weights(model, state) or _misfit_of_scores(model, train)
    if misfit:
        raise UserError(_why_unfit(path, config, sizes_differ(state, model, train), misfit))
    scores = scores_in(States(train), model, masked=True)
    record = state.get("record")
    had_content = isinstance(record, dict) and record.get("content_share") is not None
    content = open_content(path, train, had_content)
    return TrainedModel(
        path,
        config,
        train,
        content.scores(scores, path) if content else scores,
        identity,
        isinstance(state.get("data"), dict),
        tuple(held_out),
        content,
        had_content,
    )


def open_quietly(checkpoint: str, data_path: str | None) -> TrainedModel:
    """:func:`open_trained` without progress and what RecBole's models print.

    Args:
        checkpoint: the file.
        data_path: of the data set's folder; None is where the checkpoint says.

    Raises:
        UserError: as there.
    """
    given = {"data_path": data_path} if data_path else {}
    with redirect_stdout(io.StringIO()):
        return open_trained(checkpoint, {"show_progress": False, **given})


def _check_claims(path: str, state: Mapping[str, Any], keys: Iterable[str]) -> None:
    """Refuse hyperparameters larger than all weights together, which would take for ever to make a model of."""
    size = max(sum(value.numel() for value in state["state_dict"].values()), _ALWAYS_BUILT)
    for key in keys:
        value = state["config"].get(key)
        if isinstance(value, int) and value > size:
            raise UserError(f"{path} says {key}={value}, for which its weights are too few; it is damaged")


def _why_unfit(path: str, config: KDConfig, sizes: str, misfit: str) -> str:
    """The sentence on weights that do not fit; ``sizes`` says that it is the data."""
    if sizes:
        return (
            f"{path} was trained on other data than those in {config['data_path']}: {sizes} ({misfit}); give the "
            "folder of its data as --data_path, or train it again"
        )
    return (
        f"the weights in {path} do not fit {config.model} on the data set in {config['data_path']} ({misfit}): the "
        "data are not those it was trained on, or a setting is not; give the right --data_path or setting"
    )


def _config(path: str, recorded: Mapping[str, Any], given: Mapping[str, Any]) -> KDConfig:
    for key in ("model", "dataset"):
        if key in recorded and given.get(key, recorded[key]) != recorded[key]:
            raise UserError(f"{path} was trained with {key}={recorded[key]}, not {given[key]}; leave out --{key}")
    values = {**recorded, **given}
    for key in ("model", "dataset"):
        if not values.get(key):
            raise UserError(f"{path} does not say with which {key} it was trained; add --{key}=NAME")
    folder = Path(str(values.get("data_path", "dataset"))) / str(values["dataset"])
    if values["dataset"] != ml100k.NAME and not folder.is_dir():  # RecBole would download it
        raise UserError(
            f"{path} was trained on the data set {values['dataset']!r}, and there is no folder {folder}; "
            "give the folder that holds it as --data_path"
        )
    return make_config(config_dict=values)


def _split(config: KDConfig) -> list[MultiModalDataset]:
    """The same split as in training: it follows from the seed, which was set just before."""
    try:
        return open_dataset(config).build()
    except UserError:
        raise
    except (ValueError, KeyError, IndexError, OSError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"RecBole cannot read the data set in {config['data_path']}: {reason}") from error


@torch.no_grad()
def _misfit_of_scores(model: Any, train: MultiModalDataset) -> str:
    """What is wrong with a model whose weights do not tell the size of its data, such as EASE."""
    try:
        found = scores_in(States(train), model).score_all(torch.tensor([train.user_num - 1], device=model.device))
    except (IndexError, RuntimeError, ValueError):
        return f"it cannot score the last of {train.user_num - 1} users"
    return "" if found.shape == (1, train.item_num) else f"it scores {found.shape[1] - 1} items"
