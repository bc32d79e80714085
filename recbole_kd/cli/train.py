"""The command ``recbole-kd train``, which ``run_recbole_kd.py`` is too."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from recbole_kd.bridge.recbole_files import recommenders
from recbole_kd.cli.words import split_config_files, wants_help
from recbole_kd.registry import make_config, own_names

HELP = """\
usage: {prog} --model=MODEL --dataset=NAME [--config_files="a.yaml b.yaml"] [--any_key=value ...]

Train a model, or a teacher and its distilled student, and evaluate it with RecBole's full ranking.

  --model=MODEL          {own}
                         or any general or sequential recommender of RecBole:
                         {recbole}
                         or a class of your own: package.module:Class
  --dataset=NAME         a folder of RecBole's atomic files in --data_path (default dataset/), or ml-100k
  --config_files=FILES   YAML files, separated by spaces
  --any_key=value        any key of RecBole or of properties/; teacher_KEY and student_KEY set it for one stage

a distillation method also takes
  --teacher=MODEL        any of these models
  --student=MODEL        likewise; it is saved as a plain checkpoint of that model
  --assistant=MODEL      likewise, for a method that teaches through a model between the two
  --cache_dir=FOLDER     the teacher's scores, read from there or kept there
  --teacher_checkpoint=PATH  take the teacher's weights from this file instead of training it

items without clicks:
  --split=cold_items=0.1     hold a tenth of the items out of training, for validation and test
  --eval_items=cold          count the targets alone that training never saw (warm: all others)
  --student_content=linear   let a distilled student learn item embeddings from features (or mlp)

often used:
  --baseline=true        also train the student alone, from the same initialisation
  --result_file=PATH     write the result as JSON
  --report_dir=FOLDER    write the table and a picture of the training curves
  --resume=false         train again what checkpoint_dir holds already
  --log_dir=log          where the log of the run is written, with its settings; null: nowhere
  --show_progress=false  no progress bar
  --threads=auto         CPU threads, a number or by the sizes of what is trained
  --lazy_adam=true       move only those rows of embeddings that a batch reads, for large catalogues
  --seed=2020 --epochs=300 --stopping_step=10 --learning_rate=0.001

The command line beats YAML files, which beat <data_path>/<name>/<name>.yaml, which beats properties/.
"""


def main(words: Sequence[str], prog: str = "recbole-kd train") -> int:
    """Train, print the table and return the exit status."""
    if wants_help(words):
        names = textwrap.fill(", ".join(sorted(recommenders())), 78, subsequent_indent=" " * 25)
        own = textwrap.fill(", ".join(sorted(own_names())), 78, subsequent_indent=" " * 25)
        print(HELP.format(prog=prog, own=own, recbole=names))
        return 0
    words, files = split_config_files(words)
    config = make_config(config_file_list=files, arguments=words)
    from recbole_kd.cli.terminal import Terminal  # slow to import, and not for a command that is refused
    from recbole_kd.experiments.report.of_run import write_report
    from recbole_kd.training.run import train_and_test

    with Terminal() as terminal:
        result = train_and_test(config, [terminal])
        if config["report_dir"]:
            print(f"table and training curves: {', '.join(map(str, write_report(result)))}")
    return 0
