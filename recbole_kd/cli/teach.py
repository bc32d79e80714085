"""The command ``recbole-kd teach``."""

from __future__ import annotations

from collections.abc import Sequence

from recbole_kd.cli.words import split_config_files, wants_help
from recbole_kd.registry import make_config

HELP = """\
usage: recbole-kd teach --model=MODEL --dataset=NAME [--cache_dir=FOLDER] [--any_key=value ...]

Train a teacher, or take its weights from a file, and keep its scores in a folder that any student can learn from:

  recbole-kd teach --model=LightGCN --dataset=NAME --cache_dir=FOLDER
  recbole-kd train --model=RCEKD --student=BPR --dataset=NAME --cache_dir=FOLDER

  --cache_dir=FOLDER         where to write (default: beside the teacher's checkpoint)
  --teacher_checkpoint=PATH  a checkpoint of ours or one that RecBole saved; no code in it is executed
  --cache_topk=500           length of the top lists
  --cache_dtype=float16      half the size, scores to three digits

A command that was cut off goes on where it was. Under torchrun the ranks share the work:
  torchrun --nproc-per-node=2 -m recbole_kd teach ...
"""


def main(words: Sequence[str]) -> int:
    """Teach, print the teacher's table and return the exit status."""
    if wants_help(words):
        print(HELP)
        return 0
    words, files = split_config_files(words)
    config = make_config(config_file_list=files, arguments=words)
    from recbole_kd.cli.terminal import Terminal  # slow to import, and not for a command that is refused
    from recbole_kd.training.run import keep_scores

    with Terminal() as terminal:
        cache = keep_scores(config, [terminal])
    print(f"scores, for --cache_dir of a student: {cache.folder}")
    return 0
