"""What a run shows on a terminal: RecBole's log while it goes on, a table when it has ended."""

from __future__ import annotations

import logging

from recbole_kd.bridge.config import KDConfig
from recbole_kd.bridge.recbole import init_logger
from recbole_kd.cli.ending import remember
from recbole_kd.experiments.report.of_run import table_of
from recbole_kd.training.callbacks import Callback
from recbole_kd.training.record import Result


class Terminal(Callback):
    """Starts RecBole's log, and prints the table of stages and where their checkpoints are."""

    def run_begins(self, config: KDConfig) -> None:
        """Log to the terminal and to a file."""
        remember(config.final_config_dict)
        init_logger(config)

    def run_ends(self, result: Result) -> None:
        """Print the table."""
        print(f"\n{table_of(result)}\n")
        for stage in result.stages:
            print(f"{stage.name} checkpoint: {stage.checkpoint}")


def log_to_file(config: KDConfig) -> None:
    """Start RecBole's log; epochs are for the file, and the terminal, which has a bar, gets warnings alone.

    A ``state`` that the user gave counts for both.
    """
    init_logger(config)
    if "state" in config.external_config_dict:
        return
    for handler in logging.getLogger().handlers:
        if type(handler) is logging.StreamHandler:
            handler.setLevel(max(handler.level, logging.WARNING))
