"""The command ``recbole-kd tune``."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from recbole_kd.cli.words import split_config_files, wants_help
from recbole_kd.experiments.tune.options import read_words

HELP = """\
usage: recbole-kd tune --model=MODEL --dataset=NAME [--trials=N] [--config_files="a.yaml b.yaml"] [--any_key=value ...]

Search the values that do best on the validation part (valid_metric), and write them as YAML for --config_files:

  recbole-kd tune --model=LightGCN --dataset=NAME --trials=30
  recbole-kd train --model=LightGCN --dataset=NAME --config_files=tune/NAME-LightGCN/best.yaml

  --trials=20            in all: the same command goes on where it was cut off, and a larger number adds to it
  --search=RANGES        ranges over those of properties/search/MODEL.yaml; null takes a key out:
                         --search="{learning_rate: [log, 1e-4, 1e-2], dropout: [uniform, 0, 0.6],
                         n_layers: [int, 1, 4], train_batch_size: [choice, 512, 2048], reg_weight: null}"
  --study_dir=FOLDER     where best.yaml, trials.csv and the search are kept (default: tune/NAME-MODEL, of a method
                         with a --teacher or --student that are not its own tune/NAME-MODEL-TEACHER-STUDENT)
  --prune=false          train every trial to its end
  --show_progress=false  no progress bar
  --any_key=value        as for train, for all trials; a key that is given is not searched unless --search names it

The first trial is the default, so the best is never worse. Of a distillation method only the student is searched;
teacher_KEY in --search trains a teacher for every trial. Needs Optuna: pip install 'recbole-kd[tune]'
"""


def main(words: Sequence[str]) -> int:
    """Search, print the best trials and return the exit status."""
    if wants_help(words):
        print(HELP)
        return 0
    words, files = split_config_files(words)
    read_words(words, files)
    from recbole_kd.cli.terminal import Terminal  # slow to import, and not for a command that is refused
    from recbole_kd.experiments.tune.search import tune

    with Terminal(logging.WARNING) as terminal:
        print(f"\n{tune(words, files, begin=terminal.run_begins).text}")
    return 0
