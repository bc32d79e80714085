"""Recommendations of a trained model: raw item tokens and scores for raw user tokens, beside a teacher's."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from logging import getLogger
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from recbole_kd.bridge.targets import trained_items
from recbole_kd.data.interactions import positives_of
from recbole_kd.foundation.errors import UserError, did_you_mean
from recbole_kd.scoring.cache import TeacherCache
from recbole_kd.scoring.history_scores import HistoryScores
from recbole_kd.scoring.ranking import Block, score_blocks
from recbole_kd.scoring.scores import Scores
from recbole_kd.serving.histories import HISTORY, NAMES_FOR_A_HINT, scores_now
from recbole_kd.serving.new_items import NewSource, read_new_items
from recbole_kd.serving.raw_users import Unknown, unknown_users
from recbole_kd.serving.trained_model import TrainedModel, open_trained
from recbole_kd.training.content import content_path_file


class Listed(NamedTuple):
    """One item of a list; the score is the float32 that the model gave, in its shortest decimal form."""

    item: str
    score: float


class Recommendation(NamedTuple):
    """A user's best items, best first, and the teacher's where there is one; all there are where topk is more."""

    user: str
    items: tuple[Listed, ...]
    teacher: tuple[Listed, ...] | None = None

    @property
    def overlap(self) -> int | None:
        """How many items both lists hold; None without a teacher."""
        if self.teacher is None:
            return None
        return len({listed.item for listed in self.items} & {listed.item for listed in self.teacher})


def recommend(
    checkpoint: str | os.PathLike[str],
    users: Sequence[str] | None = None,
    *,
    topk: int = 10,
    seen: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
    skip_unknown: bool = False,
    hide: Literal["training", "all"] = "training",
    untrained: bool = False,
    new_items: NewSource | str | os.PathLike[str] | None = None,
    history: Sequence[str] | None = None,
    config_dict: Mapping[str, Any] | None = None,
) -> Iterator[Recommendation]:
    """Yield each user's best items by a checkpoint's model.

    Everything is checked before this returns; users are then scored block by block while the iterator is read.

    Args:
        checkpoint: a file of ours or of stock RecBole.
        users: raw tokens, or one of them; None for all users of the data set, in the order of RecBole's ids.
        topk: length of the lists.
        seen: keep items of the user's training interactions.
        cache_dir: a teacher's cache, whose lists are given too.
        skip_unknown: leave unknown users out, with a warning, instead of refusing them.
        hide: which interactions' items are left out besides: those of validation and test too, or of training alone.
        untrained: rank items without a training interaction too; a model that reads no item features knows nothing of
            them, and leaves them out. So with new items without features.
        new_items: items that the data set does not have, which a student with a content path ranks among the others; a
            table, or a :class:`~recbole_kd.serving.new_items.NewSource` with pictures.
        history: instead of users, raw item tokens, the earliest first, of somebody who need not be in the data set; for
            sequential models, whose single list is called ``history``.
        config_dict: values that beat those of the checkpoint, such as ``data_path``.

    Raises:
        UserError: the checkpoint, the data set and the cache cannot be read or do not belong together, a user is
            unknown, or ``topk`` is more than there are items; from the iterator: a score is no number.
    """
    if users is not None:
        users = [users] if isinstance(users, str) else [str(user) for user in users]
    trained = open_trained(checkpoint, config_dict)
    kept: dict[str, Any] = {"seen": seen, "cache_dir": cache_dir, "untrained": untrained, "hide": hide}
    if new_items is not None and not isinstance(new_items, NewSource):
        new_items = NewSource(os.fspath(new_items))
    recommender = Recommender(trained, topk, **kept, new_items=new_items, history=history)
    ids, unknown = recommender.find(users, skip_unknown=skip_unknown)
    if unknown:
        getLogger().warning(skipped(unknown))
    untaught = recommender.untaught(ids)
    if untaught:
        getLogger().warning(untaught)
    for warning in recommender.warnings:
        getLogger().warning(warning)
    for told in recommender.told:
        getLogger().info(told)
    return recommender.lists(ids)


def _reads_features(trained: TrainedModel) -> bool:
    return trained.content is not None or bool(getattr(trained.config.model_class, "reads_features", False))


def _never_known(trained: TrainedModel) -> Tensor | None:
    """Which items a model knows nothing of, by clicks or by features it reads, bool (n_items,); None without such."""
    never = ~trained_items(trained.train)
    never[0] = False
    if _reads_features(trained):
        never &= ~trained.train.described_items()
    return never.to(trained.config["device"]) if never.any() else None


def skipped(unknown: Sequence[Unknown]) -> str:
    """The warning about users that were left out: those who never were, and those who were filtered out."""
    said = f"skipped {len(unknown)} unknown user{'s' * (len(unknown) > 1)}, the first is {unknown[0].token!r}"
    dropped = [user for user in unknown if user.reason]
    if not dropped:
        return said
    first = f"{len(dropped)} of them {'were' if len(dropped) > 1 else 'was'} filtered out"
    return f"{said}; {first}, as {dropped[0].token!r}, who {dropped[0].reason}"


class Recommender:
    """A trained model, and perhaps its teacher's scores, with what a list of it needs."""

    def __init__(
        self,
        trained: TrainedModel,
        topk: int,
        *,
        seen: bool = False,
        cache_dir: str | os.PathLike[str] | None = None,
        hide: Literal["training", "all"] = "training",
        untrained: bool = False,
        new_items: NewSource | None = None,
        history: Sequence[str] | None = None,
    ) -> None:
        """Arguments and errors are those of :func:`recommend`."""
        self.trained = trained
        train = trained.train
        self._topk = topk
        self._users = train.field2id_token[train.uid_field]
        self._items = list(map(str, train.field2id_token[train.iid_field]))
        self._trained = positives_of(train)
        held_out = trained.held_out if hide == "all" else ()
        self._hidden = [*(() if seen else (self._trained,)), *map(positives_of, held_out)]
        self._never = None if untrained else _never_known(trained)
        self._sources: list[Scores] = [trained.scores]
        self._history = history
        if history is not None or isinstance(trained.scores, HistoryScores):
            now = scores_now(trained, history, compares=cache_dir is not None)
            self._sources, self._trained = [now], now.states.seen
            self._hidden = [] if seen else [self._trained]
            self._users = self._users if history is None else np.array([HISTORY])
        self._new: list[str] = []
        self.warnings: list[str] = []  # of the source of new items
        if new_items is not None:
            self._add(new_items, untrained)
        if not 1 <= topk < len(self._items):
            raise UserError(
                f"topk={topk} must be from 1 to the {len(self._items) - 1} items of {trained.config.dataset}"
            )
        if cache_dir is not None:
            cache = TeacherCache.open(cache_dir)
            cache.check(trained.identity)
            self._sources.append(cache.to(trained.config["device"]))

    @property
    def compares(self) -> bool:
        """Whether the teacher's lists are given too."""
        return len(self._sources) > 1

    @property
    def told(self) -> list[str]:
        """What is said of the items that lists hold and do not hold, beyond those of training."""
        return [said for said in (*self._new, self.left_out) if said]

    def _add(self, source: NewSource, untrained: bool) -> None:
        """Rank new items too."""
        trained = self.trained
        if trained.content is None and trained.had_content:
            raise UserError(
                f"new_items: {trained.checkpoint} was trained with a content path, which is not beside it; copy "
                f"{content_path_file(trained.checkpoint).name} there from where the student was trained"
            )
        if trained.content is None:
            raise UserError(
                f"new_items: beside {trained.checkpoint} lies no content path, which alone can tell anything of an "
                "item that the data set does not have; train the student with --student_content=linear"
            )
        new = read_new_items(source, trained.content, trained.config, untrained)
        self._new, self.warnings = new.told, new.warnings
        if not new.tokens:
            return
        self._items += new.tokens
        self._sources[0] = trained.scores.with_items(new.embeddings)
        if self._never is not None:
            self._never = torch.cat([self._never, self._never.new_zeros(len(new.tokens))])
        many = f"{len(new.tokens):,} new item{'s are' if len(new.tokens) > 1 else ' is'}"
        self._new = [*new.told, f"{many} ranked by the content path, the first is {new.tokens[0]!r}"]

    @property
    def left_out(self) -> str:
        """What is said of items that no list holds; empty without such."""
        if self._never is None:
            return ""
        count = int(self._never.sum())
        many = (
            f"{count:,} item{'s' * (count > 1)} without a training interaction {'are' if count > 1 else 'is'} left out"
        )
        why = f"of which {self.trained.config.model} has learnt nothing"
        if _reads_features(self.trained):
            why = "since they have no features either"
        return f"{many}, {why}; --untrained=true ranks them"

    def find(self, users: Sequence[str] | None, *, skip_unknown: bool = False) -> tuple[Tensor, list[Unknown]]:
        """Internal ids (B,) of raw tokens, None being all of them, and the tokens that there are none of.

        Raises:
            UserError: a token is unknown, unless ``skip_unknown``.
        """
        if self._history is not None:
            return torch.zeros(1, dtype=torch.int64), []
        if users is None:
            return torch.arange(1, len(self._users)), []
        ids = self.trained.train.field2token_id[self.trained.train.uid_field]
        found = [ids.get(user, 0) for user in users]  # 0 is the padding's, whose token is no user
        without = [user for user, place in zip(users, found, strict=True) if place == 0]
        unknown = unknown_users(self.trained.config, without) if without else []
        if unknown and not skip_unknown:
            raise UserError(self._sentence(unknown))
        return torch.tensor([place for place in found if place], dtype=torch.int64), unknown

    def _sentence(self, unknown: Sequence[Unknown]) -> str:
        """What is said of the first user without an id, and of how many there are."""
        first, others = unknown[0], len(unknown) - 1
        more = f" ({others:,} more {'are' if others > 1 else 'is'} unknown)" * (others > 0)
        leave = "; --skip_unknown=true leaves unknown users out"
        if first.reason:
            return f"user {first.token!r} {first.reason}{more}{leave}"
        few = len(self._users) <= NAMES_FOR_A_HINT
        hint = did_you_mean(first.token, map(str, self._users[1:])) if few else ""
        return f"there is no user {first.token!r} in the data set in {self.trained.data_path}{more}{hint or leave}"

    def untaught(self, users: Tensor) -> str:
        """The warning about users of whom the model has seen no training interaction; empty without such."""
        without = users[~torch.isin(users, self._trained.filled())]
        if not len(without):
            return ""
        many = f"{len(without):,} user{'s have' if len(without) > 1 else ' has'}"
        return (
            f"{many} no training interaction, but only some for validation or test, or none; the first is "
            f"{str(self._users[int(without[0])])!r}: the model has learnt nothing of such a user"
        )

    def lists(self, users: Tensor) -> Iterator[Recommendation]:
        """Yield the lists of internal user ids (B,), a block of users × items being in memory at a time."""
        sources = [score_blocks(source, users) for source in self._sources]
        for blocks in zip(*sources, strict=True):
            columns = [self._best(block) for block in blocks]
            for user, *lists in zip(blocks[0].states.tolist(), *columns, strict=True):
                yield Recommendation(str(self._users[user]), *lists)

    def _best(self, block: Block) -> list[tuple[Listed, ...]]:
        """The list of each of a block of users."""
        finite = block.finite()
        if not finite.all():
            user = self._users[int(block.states[int(finite.int().argmin())])]
            whose = "teacher's" if isinstance(block.source, TeacherCache) else "model's"
            raise UserError(f"the {whose} scores for user {str(user)!r} hold NaN or infinity; train it again")
        for lists in self._hidden:
            block.hide(lists)
        if self._never is not None and not isinstance(block.source, TeacherCache):
            block.scores[:, self._never] = -torch.inf
        items, scores = block.best_alone(self._topk)
        return [
            tuple(
                Listed(self._items[item], float(str(score)))
                for item, score in zip(row, found, strict=True)
                if item  # the padding stands where a user has too few items
            )
            for row, found in zip(items.tolist(), scores.cpu().numpy(), strict=True)
        ]
