"""The command ``recbole-kd recommend``: its own options, where the users come from, and where the lists go."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from recbole_kd.bridge.written_values import parse_arguments
from recbole_kd.cli import streams
from recbole_kd.cli.words import joined, wants_help
from recbole_kd.experiments.options import read_options
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.files import check_checkpoint, replacing
from recbole_kd.foundation.settings import Count, Settings
from recbole_kd.foundation.surroundings import check_file
from recbole_kd.registry import check_overrides
from recbole_kd.serving.users_file import read_users

if TYPE_CHECKING:
    from recbole_kd.serving.new_items import NewSource
    from recbole_kd.serving.recommend import Recommendation
    from recbole_kd.serving.trained_model import TrainedModel

FEW_USERS = 20  # of which a table is still read

HELP = """\
usage: recbole-kd recommend --checkpoint=PATH --users=TOKENS | --history=ITEMS [--topk=10] [--any_key=value ...]

Print the best items of users by a trained model, a distilled student among them. Model, data set and settings come
from the checkpoint; stdout holds the result alone.

  --checkpoint=PATH      a checkpoint of ours or one that RecBole saved; no code in it is executed
  --users=TOKENS         raw user tokens, separated by commas; @FILE: one a line, or a table whose first line names
                         the column; all: every user
  --history=ITEMS        instead of users, raw item ids separated by commas, the earliest first: the list of somebody
                         who is in no data, by a sequential model
  --topk=10              length of the lists
  --seen=true            keep items that the user has interacted with in training; a sequential model goes by all that
                         is known of a user, and leaves all of it out
  --hide=all             leave out those of validation and test too: all that the user is known to have
  --untrained=true       rank items without a training interaction too, of which most models have learnt nothing
  --new_items=FILE       rank items too that the data set does not have: a table with the columns that their features
                         were made of; needs a student trained with --student_content
  --new_pictures=FOLDER  the pictures of new items, <item>.jpg and so on; without --new_items they tell which there are
  --new_items_encoding=NAME  of the table (default: UTF-8, or what its first bytes say)
  --text_encoder=WHICH   that the features were made with, if it was named then, and --image_encoder=WHICH
  --skip_unknown=true    leave unknown users out with a warning
  --cache_dir=FOLDER     a teacher's scores, made by recbole-kd teach: its lists stand beside, with what both share
  --format=FORMAT        table (on a terminal, up to 20 users), json (one object a line, a user each; otherwise),
                         or csv (user,rank,item,score; with --cache_dir also teacher_item,teacher_score)
  --output=FILE          write there, whole or not at all; all users on a terminal need it
  --show_progress=false  no progress bar
  --data_path=FOLDER     the folder that holds the data set's folder, if it is no longer where it was in training
  --any_key=value        any other key that shall beat the checkpoint's
"""


class Options(Settings):
    """The keys that are the command's own; all others are the config's."""

    checkpoint: str
    users: str | None = None
    history: str | None = None
    topk: Count = 10
    seen: bool = False
    hide: Literal["training", "all"] = "training"
    untrained: bool = False
    new_items: str | None = None
    new_pictures: str | None = None
    new_items_encoding: str = ""
    text_encoder: str | None = None
    image_encoder: str | None = None
    skip_unknown: bool = False
    cache_dir: str | None = None
    format: Literal["table", "json", "csv"] | None = None
    output: str | None = None
    show_progress: bool = True


def main(words: Sequence[str]) -> int:
    """Print or write the lists that ``words`` ask for; returns the exit status.

    Raises:
        UserError: as :func:`recbole_kd.serving.recommend.recommend`, and what is wrong with an option or a file.
    """
    if wants_help(words):
        print(HELP)
        return 0
    given = parse_arguments(joined(words))
    if "config_files" in given:
        raise UserError("recommend reads no --config_files, since the checkpoint has the settings; give --key=value")
    if not given.get("checkpoint"):
        raise UserError("no checkpoint is given; add --checkpoint=PATH")
    if not given.get("users") and "history" not in given:
        raise UserError("no users are given; add --users=TOKENS, or --history=ITEMS of somebody who is in no data")
    if given.get("users") and "history" in given:
        raise UserError("users and history are both given; leave out one")
    options = read_options(Options, given)
    if options.users == "all" and not options.output and sys.stdout.isatty():
        raise UserError("the lists of all users do not fit a terminal; write them to a file with --output=FILE")
    if "stdout" in streams.closed and not options.output:
        raise UserError("standard output is closed, so the lists can go nowhere; write them with --output=FILE")
    if options.output:
        check_file(options.output, "output")
    check_checkpoint(options.checkpoint)
    check_new_items(options.new_items, options.new_pictures)
    overrides = {key: value for key, value in given.items() if key not in Options.model_fields}
    check_overrides(overrides, Options.model_fields)
    from recbole_kd.foundation.logs import warnings_on_screen  # slow to import, and not for a command that is refused
    from recbole_kd.serving.trained_model import open_trained

    result = sys.stdout
    try:
        # RecBole's models print now and then, and what the data set warns of was said when it was trained on
        with redirect_stdout(sys.stderr), warnings_on_screen(ours_alone=True):
            _recommend(options, open_trained(options.checkpoint, overrides), result)
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), result.fileno())
    except KeyboardInterrupt:
        print("recbole-kd: interrupted", file=sys.stderr)
        return 130
    return 0


def _recommend(options: Options, trained: TrainedModel, result: IO[str]) -> None:
    from recbole_kd.foundation.bars import tqdm
    from recbole_kd.serving.list_formats import write_lists
    from recbole_kd.serving.recommend import Recommender, skipped

    kept: dict[str, Any] = {"seen": options.seen, "hide": options.hide, "untrained": options.untrained}
    kept |= {"new_items": _new(options), "history": _history(options.history)}
    recommender = Recommender(trained, options.topk, cache_dir=options.cache_dir, **kept)
    tokens = _tokens(options.users or "all", trained.train.uid_field)
    users, unknown = recommender.find(tokens, skip_unknown=options.skip_unknown)
    unsure = "" if trained.verified else "; it does not name its data, so only sizes were compared"
    print(f"{trained.config.model} of {trained.checkpoint}, data set in {trained.data_path}{unsure}", file=sys.stderr)
    _warn(skipped(unknown) if unknown else "")
    _warn(recommender.untaught(users))
    for warning in recommender.warnings:
        _warn(warning)
    for told in recommender.told:
        print(f"recbole-kd: {told}", file=sys.stderr)
    on_screen = result.isatty() and not options.output
    style = options.format or ("table" if on_screen and len(users) <= FEW_USERS else "json")
    hidden = not options.show_progress or on_screen or len(users) <= FEW_USERS
    lists = _Short(recommender.lists(users), options)
    with _destination(options.output, result) as stream:
        bar = tqdm(lists, total=len(users), unit="user", desc="Recommend", disable=hidden)
        write_lists(bar, stream, style, recommender.compares)
        stream.flush()
    _warn(lists.warning)


def check_new_items(table: str | None, pictures: str | None) -> None:
    """Refuse a table that is no file, and a folder that is none, before anything slow.

    Raises:
        UserError: naming it.
    """
    if table and not Path(table).is_file():
        raise UserError(f"new_items: there is no file {table}")
    if pictures and not Path(pictures).is_dir():
        raise UserError(f"new_pictures: there is no folder {pictures}")


def _new(options: Options) -> NewSource | None:
    from recbole_kd.serving.new_items import NewSource

    if not (options.new_items or options.new_pictures):
        return None
    encoders = options.text_encoder, options.image_encoder
    return NewSource(options.new_items, options.new_pictures, options.new_items_encoding, *encoders)


def _history(items: str | None) -> list[str] | None:
    return None if items is None else [token.strip() for token in str(items).split(",") if token.strip()]


def _warn(said: str) -> None:
    if said:
        print(f"recbole-kd: warning: {said}", file=sys.stderr)


def _tokens(users: str, field: str) -> list[str] | None:
    """Raw tokens of ``--users``, None for all."""
    if users == "all":
        return None
    tokens = read_users(users[1:], field) if users.startswith("@") else [token.strip() for token in users.split(",")]
    tokens = [token for token in tokens if token]
    if not tokens:
        raise UserError(f"--users={users} names no user; give tokens separated by commas, @FILE or all")
    return tokens


class _Short:
    """Passes lists on, and counts those that are shorter than asked for."""

    def __init__(self, lists: Iterable[Recommendation], options: Options) -> None:
        self._lists, self._topk, self._options = lists, options.topk, options
        self._count = 0
        self._first: Recommendation | None = None

    def __iter__(self) -> Iterator[Recommendation]:
        for found in self._lists:
            if len(found.items) < self._topk:
                self._first, self._count = self._first or found, self._count + 1
            yield found

    @property
    def warning(self) -> str:
        """What is said of them; empty without such."""
        if self._first is None:
            return ""
        many = "1 list is" if self._count == 1 else f"{self._count:,} lists are"
        left = len(self._first.items)
        return (
            f"{many} shorter than topk={self._topk}, the first that of user {self._first.user!r}, who has {left} "
            f"item{'s' * (left != 1)} left{self._why()}"
        )

    def _why(self) -> str:
        """What is not in the lists, and what would bring it back."""
        seen, hide_all = self._options.seen, self._options.hide == "all"
        if hide_all:
            known = "those of validation and test" if seen else "all that the user is known to have"
            return f" beside {known}; --hide=training keeps those of validation and test"
        if seen:  # nothing is hidden, so items are left out of all lists
            return "; --untrained=true ranks items without a training interaction too"
        return " beside those of training; --seen=true keeps these"


@contextmanager
def _destination(output: str | None, result: IO[str]) -> Iterator[IO[str]]:
    if not output:
        yield result
        return
    try:
        with replacing(output, "w") as stream:
            yield stream
    except OSError as error:
        raise UserError(f"cannot write {output}: {error.strerror or error}") from None
