"""The command line: ``recbole-kd train | teach | tune | compare | recommend | convert``.

``run_recbole_kd.py`` is ``train``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from recbole_kd.errors import UserError, did_you_mean
from recbole_kd.foundation import requirements

_TRAIN_HELP = """\
usage: {prog} --model=MODEL --dataset=NAME [--config_files="a.yaml b.yaml"] [--any_key=value ...]

Train a model, or a teacher and its distilled student, and evaluate it with RecBole's full ranking.

  --model=MODEL          {own}
                         or any general recommender of RecBole:
                         {recbole}
  --dataset=NAME         a folder of RecBole's atomic files in --data_path (default dataset/), or ml-100k
  --config_files=FILES   YAML files, separated by spaces
  --any_key=value        any key of RecBole or of properties/; teacher_KEY and student_KEY set it for one stage

a distillation method also takes
  --teacher=MODEL        any of these models
  --student=MODEL        likewise; it is saved as a plain checkpoint of that model
  --cache_dir=FOLDER     the teacher's scores, read from there or kept there
  --teacher_checkpoint=PATH  take the teacher's weights from this file instead of training it

often used:
  --baseline=true        also train the student alone, from the same initialisation
  --result_file=PATH     write the result as JSON
  --report_dir=FOLDER    write the table and a picture of the training curves
  --resume=false         train again what checkpoint_dir holds already
  --show_progress=false  no progress bars
  --seed=2020 --epochs=300 --stopping_step=10 --learning_rate=0.001

The command line beats YAML files, which beat <data_path>/<name>/<name>.yaml, which beats properties/.
"""


_TEACH_HELP = """\
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

_TUNE_HELP = """\
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


_COMPARE_HELP = """\
usage: recbole-kd compare --models=LABELS --dataset=NAME [--seeds=N] [--jobs=N] [--out=FOLDER] [--any_key=value ...]

Train several models over several seeds, what is not trained yet, and write one table of accuracy, significance and
cost, and one page of pictures:

  recbole-kd compare --models='BPR,VBPR,RCEKD:VBPR>BPR' --dataset=NAME --seeds=5

  --models=LABELS        separated by commas: any model that train takes, or METHOD:TEACHER>STUDENT, which needs quotes;
                         beside a distilled student stand its teacher and the same student alone. Values of its own
                         may follow: 'MTS4MM,MTS4MM[rank_weight=0 gated=False]'; baseline=true adds the student alone
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


_RECOMMEND_HELP = """\
usage: recbole-kd recommend --checkpoint=PATH --users=TOKENS [--topk=10] [--any_key=value ...]

Print the best items of users by a trained model, a distilled student among them. Model, data set and settings come
from the checkpoint; stdout holds the result alone.

  --checkpoint=PATH      a checkpoint of ours or one that RecBole saved; no code in it is executed
  --users=TOKENS         raw user tokens, separated by commas; @FILE: one a line; all: every user
  --topk=10              length of the lists
  --seen=true            keep items that the user has interacted with in training
  --skip_unknown=true    leave unknown users out with a warning
  --cache_dir=FOLDER     a teacher's scores, made by recbole-kd teach: its lists stand beside, with what both share
  --format=FORMAT        table (on a terminal, up to {few} users), json (one object a line, a user each; otherwise),
                         or csv (user,rank,item,score; with --cache_dir also teacher_item,teacher_score)
  --output=FILE          write there, whole or not at all; all users on a terminal need it
  --show_progress=false  no progress bar
  --data_path=FOLDER     the folder that holds the data set's folder, if it is no longer where it was in training
  --any_key=value        any other key that shall beat the checkpoint's
"""


def train_main(words: Sequence[str], prog: str = "recbole-kd train") -> int:
    """Run ``train``; returns the exit status."""
    from recbole_kd.registry import own_names, recbole_models

    if {"-h", "--help"} & set(words):
        import textwrap

        names = textwrap.fill(", ".join(sorted(recbole_models())), 78, subsequent_indent=" " * 25)
        print(_TRAIN_HELP.format(prog=prog, own=", ".join(sorted(own_names())), recbole=names))
        return 0
    from recbole_kd.pipeline import run

    words, files = _join_config_files(words)
    run(config_file_list=files, arguments=words)
    return 0


def teach_main(words: Sequence[str]) -> int:
    """Run ``teach``; returns the exit status."""
    if {"-h", "--help"} & set(words):
        print(_TEACH_HELP)
        return 0
    from recbole_kd.pipeline import keep_scores

    words, files = _join_config_files(words)
    keep_scores(config_file_list=files, arguments=words)
    return 0


def recommend_main(words: Sequence[str]) -> int:
    """Run ``recommend``; returns the exit status."""
    from recbole_kd import recommend_command

    if {"-h", "--help"} & set(words):
        print(_RECOMMEND_HELP.format(few=recommend_command.FEW_USERS))
        return 0
    return recommend_command.main(words)


def tune_main(words: Sequence[str]) -> int:
    """Run ``tune``; returns the exit status."""
    if {"-h", "--help"} & set(words):
        print(_TUNE_HELP)
        return 0
    from recbole_kd.tune.search import tune

    tune(*_join_config_files(words))
    return 0


def compare_main(words: Sequence[str]) -> int:
    """Run ``compare``; returns the exit status."""
    if {"-h", "--help"} & set(words):
        print(_COMPARE_HELP)
        return 0
    from recbole_kd.compare.command import compare

    return compare(*_join_config_files(words))


def _join_config_files(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Take ``--config_files`` out, and accept ``--model X`` for ``--model=X`` as RecBole's script does."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] in ("--model", "--dataset", "--config_files") and not word.startswith("--"):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    files = [word.partition("=")[2].split() for word in joined if word.startswith("--config_files=")]
    rest = [word for word in joined if not word.startswith("--config_files=")]
    return rest, [file for several in files for file in several]


def convert_main(words: Sequence[str]) -> int:
    """Run ``convert``; returns the exit status."""
    from recbole_kd.data import convert

    parser = argparse.ArgumentParser(
        prog="recbole-kd convert", description="Turn a published layout into RecBole's atomic files and features."
    )
    convert.add_arguments(parser)
    return convert.main(parser.parse_args(words))


COMMANDS = {
    "train": (train_main, "train and distil models"),
    "teach": (teach_main, "train a teacher and keep its scores for many students"),
    "tune": (tune_main, "search the best values on the validation part"),
    "compare": (compare_main, "train several models over several seeds, write one table and a page of pictures"),
    "recommend": (recommend_main, "print the best items of users by a trained model"),
    "convert": (convert_main, "turn a published data layout into RecBole's files"),
}


def main(words: Sequence[str] | None = None) -> int:
    """Entry point of ``recbole-kd`` and ``python -m recbole_kd``; returns the exit status."""
    words = list(sys.argv[1:] if words is None else words)
    if not words or words[0] in ("-h", "--help"):
        print("usage: recbole-kd COMMAND ...\n")
        for name, (_, what) in COMMANDS.items():
            print(f"  {name:10} {what}")
        print("\nrecbole-kd COMMAND --help tells more.")
        return 0 if words else 2
    if words[0] not in COMMANDS:
        return guarded(lambda: _unknown(words[0]))
    return guarded(lambda: COMMANDS[words[0]][0](words[1:]))


def _unknown(command: str) -> int:
    hint = did_you_mean(command, COMMANDS) or f"; use one of {', '.join(COMMANDS)}"
    raise UserError(f"there is no command {command!r}{hint}")


def guarded(command: Callable[[], int]) -> int:
    """Run ``command``; what the user can mend is printed as one sentence, with exit status 2."""
    try:
        requirements.check()
        return command()
    except UserError as error:
        print(f"recbole-kd: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("recbole-kd: interrupted; the same command goes on from the last finished stage", file=sys.stderr)
        return 130


def train_script() -> int:
    """Entry point of ``run_recbole_kd.py``."""
    return guarded(lambda: train_main(sys.argv[1:], prog="python run_recbole_kd.py"))
