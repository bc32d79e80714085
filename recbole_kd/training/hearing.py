"""Who hears of a run, and what is looked at before it begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path

from recbole_kd.bridge.config import KDConfig
from recbole_kd.bridge.run_name import named
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.surroundings import check_file, check_folder
from recbole_kd.scoring.manifest import MANIFEST
from recbole_kd.training.announce import Announcements
from recbole_kd.training.callbacks import Callback, CallbackList
from recbole_kd.training.progress import Progress


@contextmanager
def heard(config: KDConfig, epochs: Mapping[str, int], callbacks: Sequence[Callback]) -> Iterator[Callback]:
    """Within the block a run goes on: under one name, announced, with a bar if ``show_progress`` asks for one.

    Args:
        config: of the run.
        epochs: the most of each stage, by its name and in the order trained.
        callbacks: of the user, who are told that the run begins.
    """
    others = CallbackList(callbacks)
    with named(config):
        others.run_begins(config)
        announced = Announcements(config, list(epochs))
        if not config["show_progress"]:
            yield CallbackList([announced, others])
            return
        with closing(Progress(epochs)) as bar:
            yield CallbackList([announced, bar, others])


def check_outputs(config: KDConfig) -> None:
    """Refuse what could not be written when the training is over, or not be reported while it goes on.

    Raises:
        UserError: a file or folder that cannot be written, or a package that is missing.
    """
    if config["log_wandb"] and find_spec("wandb") is None:
        raise UserError("log_wandb needs wandb, which is not installed; pip install wandb, or leave log_wandb out")
    if config["cache_dir"] and not (Path(config["cache_dir"]) / MANIFEST).is_file():
        check_folder(config["cache_dir"], "cache_dir")
    if config["report_dir"]:
        check_folder(config["report_dir"], "report_dir")
    if config["result_file"]:
        check_file(config["result_file"], "result_file")
