"""The command ``recbole-kd compare``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recbole_kd.cli.words import split_config_files, wants_help
from recbole_kd.experiments.compare.options import read_words

if TYPE_CHECKING:
    from recbole_kd.experiments.compare.output import Table

HELP = """\
usage: recbole-kd compare --models=LABELS --dataset=NAME [--seeds=N] [--jobs=N] [--out=FOLDER] [--any_key=value ...]

Train several models over several seeds, what is not trained yet, and write one table of accuracy, significance and
cost, and one page of pictures:

  recbole-kd compare --models='BPR,VBPR,RCEKD:VBPR>BPR' --dataset=NAME --seeds=5

  --models=LABELS        separated by commas: any model that train takes, or METHOD:TEACHER>STUDENT, which needs quotes;
                         beside a distilled student stand its teacher and the same student alone; METHOD:A>B>C has the
                         assistant B. Values of its own may follow: 'MTS4MM,MTS4MM[rank_weight=0 gated=False]';
                         baseline=true adds the student alone
  --seeds=1              seeds 2020, 2021, ..., or from --seed=N on
  --jobs=1               runs at a time, each in a process of its own
  --out=FOLDER           table.csv, table.md, table.tex, report.html, pictures, runs.jsonl, logs (default: compare/NAME)
  --reference=LABEL      the row that the others are tested against (default: the first model)
  --test_metric=NDCG@20  whose values of each user are tested (default: valid_metric)
  --tuned                use the values that recbole-kd tune has found for each model; --tuned=false: not even those
                         of properties/tuned
  --tune_dir=tune        where they are, as tune/NAME-MODEL/best.yaml, and the trials for the page's heat maps
  --report=false         no report.html and no pictures
  --resume=false         make all runs again
  --show_progress=false  no progress bar
  --any_key=value        as for train, for all runs

All runs are selected, stopped and evaluated alike, as properties/compare.yaml says. The same command goes on where it
was killed, and a run that fails is noted below the table. The exit status is 1 if one has failed.
"""


def main(words: Sequence[str]) -> int:
    """Compare, print the table and return the exit status, 1 if a run has failed."""
    if wants_help(words):
        print(HELP)
        return 0
    words, files = split_config_files(words)
    read_words(words, files)
    from recbole_kd.experiments.compare.command import compare  # slow to import, and not for a command that is refused

    told: list[Path] = []

    def show(table: Table, paths: list[Path]) -> None:
        print(f"\n{table.title}\n{table.shown()}\n")
        for note in table.notes:
            print(f"- {note}")
        print(f"\n{', '.join(map(str, paths))}", flush=True)  # the pictures take minutes
        told.extend(paths)

    found = compare(words, files, show)
    pictures = [path for path in found.paths if path not in told]
    if pictures:
        print(f"pictures: {', '.join(map(str, pictures))}")
    return 1 if found.failed else 0
