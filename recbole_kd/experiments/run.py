"""One run from Python: what ``recbole-kd train`` and ``teach`` do, without a word on the terminal."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from recbole_kd.bridge.config import KDConfig
from recbole_kd.experiments.report.of_run import write_report
from recbole_kd.registry import make_config
from recbole_kd.scoring.cache import TeacherCache
from recbole_kd.training.callbacks import Callback, with_first
from recbole_kd.training.record import Result
from recbole_kd.training.run import keep_scores, train_and_test
from recbole_kd.training.run_log import RunLog


def run(
    model: str | type | None = None,
    dataset: str | None = None,
    config_file_list: Sequence[str] | None = None,
    config_dict: Mapping[str, Any] | None = None,
    arguments: Sequence[str] = (),
    callbacks: Sequence[Callback] = (),
) -> Result:
    """Train and evaluate a model, or a teacher and its student.

    Nothing is printed, and no log is kept unless ``log_dir`` names its folder; warnings go to the handlers that
    ``logging`` has; ``show_progress: True`` draws a progress bar. Files are written where
    ``result_file`` and ``report_dir`` say; finished stages go to ``checkpoint_dir`` and TensorBoard's events to
    ``log_tensorboard``, as RecBole's do.

    Args:
        model: a name or a class.
        dataset: a name.
        config_file_list: YAML files.
        config_dict: values by key.
        arguments: command-line words.
        callbacks: are told how the run goes, and may end it by raising.

    Returns:
        Its stages in the order trained, each with metrics, costs, history and the path of its ``checkpoint``; the last
        one is the student, whose test metrics are ``result.test``.

    Raises:
        UserError: something in the arguments, the config or the data that the user can mend.
    """
    with _silence(), RunLog() as log:
        config = _silent(make_config(model, dataset, config_file_list, config_dict, arguments))
        result = train_and_test(config, with_first(log, callbacks))
        if config["report_dir"]:
            write_report(result)
    return result


def teach(
    model: str | type | None = None,
    dataset: str | None = None,
    config_file_list: Sequence[str] | None = None,
    config_dict: Mapping[str, Any] | None = None,
    arguments: Sequence[str] = (),
    callbacks: Sequence[Callback] = (),
) -> TeacherCache:
    """Train or load a teacher and write the cache of its scores; arguments and errors are those of :func:`run`.

    Returns:
        The cache; ``cache.folder`` is what students take as ``cache_dir``.
    """
    with _silence(), RunLog() as log:
        config = _silent(make_config(model, dataset, config_file_list, config_dict, arguments))
        return keep_scores(config, with_first(log, callbacks))


@contextmanager
def _silence() -> Iterator[None]:
    """What RecBole logs goes to those who listen, and not to Python's last resort, which is the terminal."""
    handler = logging.NullHandler()
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


def _silent(config: KDConfig) -> KDConfig:
    """A command has a progress bar and a log; from Python one has to ask for them."""
    config.set_default("show_progress", False)
    config.set_default("log_dir", None)
    return config
