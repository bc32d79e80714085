"""What a run shows on a terminal: a line a stage and a validation while it goes on, a table when it has ended."""

from __future__ import annotations

import logging

from recbole_kd.bridge.config import KDConfig
from recbole_kd.cli.ending import remember
from recbole_kd.experiments.report.of_run import table_of
from recbole_kd.training.content import content_path_file
from recbole_kd.training.record import Result
from recbole_kd.training.run_log import RunLog


class Terminal(RunLog):
    """Logs to a file and to the terminal, and prints the table of stages and where their checkpoints are."""

    def __init__(self, screen: int = logging.INFO) -> None:
        """Args:
        screen: the lowest level that the terminal gets; one with a bar of its own gets warnings alone.
        """
        super().__init__(screen)

    def run_begins(self, config: KDConfig) -> None:
        """Open the log."""
        remember(config.final_config_dict)
        super().run_begins(config)

    def run_ends(self, result: Result) -> None:
        """Print the table."""
        print(f"\n{table_of(result)}\n")
        for stage in result.stages:
            print(f"{stage.name} checkpoint: {stage.checkpoint}")
            if stage.had_content:
                print(f"{stage.name} content path, to be kept beside it: {content_path_file(stage.checkpoint)}")
