"""The options of ``recbole-kd tune``, and what is refused of them before anything is imported that takes seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recbole_kd.bridge.written_values import literal, parse_arguments
from recbole_kd.experiments.options import read_options
from recbole_kd.foundation.settings import Count, Settings
from recbole_kd.registry import check_config


class TuneSettings(Settings):
    """The command's own options, which are no keys of a run."""

    trials: Count = 20
    study_dir: str | None = None
    prune: bool = True


def read_words(words: Sequence[str], config_files: Sequence[str] = ()) -> tuple[TuneSettings, dict[str, Any]]:
    """The options, and the values of the runs by their keys; the arguments are those of the search.

    Raises:
        UserError: an option, or a key of the runs, is wrong.
    """
    given = parse_arguments(words)
    settings = read_options(TuneSettings, given)
    values = {key: literal(value) for key, value in given.items() if key not in TuneSettings.model_fields}
    check_config(config_file_list=config_files, config_dict=values)
    return settings, values
