"""From an item's content to a student's item embedding: what ranks an item that nobody has clicked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbole_kd.bridge.recbole import Interaction
from recbole_kd.bridge.targets import trained_items
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.foundation.digest import sha256_of_tensors
from recbole_kd.foundation.errors import UserError
from recbole_kd.ops.losses import set_cross_entropy
from recbole_kd.scoring.scores import Pair, Scores

Kind = Literal["linear", "mlp"]

_HIDDEN = 256
_USERS, _ITEMS = 128, 256  # that a step compares at most


def make_map(kind: Kind, width: int, size: int) -> nn.Module:
    """A map from features (n, width) to item embeddings (n, size): one layer, or two with 256 between."""
    if kind == "linear":
        return nn.Linear(width, size)
    return nn.Sequential(nn.Linear(width, _HIDDEN), nn.LeakyReLU(), nn.Linear(_HIDDEN, size))


class ContentPath(nn.Module):
    """Learnt beside a student that is distilled, which it changes in nothing: no gradient of it reaches the student.

    A step draws items that have features, whether training has them or not. Of those that it has the path learns the
    student's embedding (mean squared error); of all of them, what the teacher scores for the batch's users (a
    cross-entropy over the drawn items), where its scores are given: a teacher that reads features ranks items that
    nobody has clicked. A user's scores by the teacher are first brought to the student's scale, without which the path
    would put all unseen items above those that training has, or below.

    Attributes:
        modalities: whose features it reads, side by side, as the data set gives them.
        share: of the path in the embedding of an item that training never saw. The rest is the student's own, which
            the distillation may have taught: a teacher of features lists such items too.
    """

    features: Tensor
    trained: Tensor
    described: Tensor
    share: float = 1.0
    learning_rate = 0.005  # its own: a map has far fewer values than embeddings, each moved by every step

    def __init__(self, kind: Kind, train: MultiModalDataset, size: int, teacher: Scores | None, seed: int) -> None:
        """Args:
        kind: of the map.
        train: the training part, which has features.
        size: d of the student's embeddings.
        teacher: whose scores are learnt; None for those of the student.
        seed: of the first weights and of the draws.
        """
        super().__init__()
        self.kind, self.modalities = kind, tuple(train.modalities)
        features = torch.cat([train.features(name) for name in self.modalities], dim=1)
        self.register_buffer("features", features, persistent=False)
        self.register_buffer("trained", trained_items(train), persistent=False)
        self.register_buffer("described", train.described_items(), persistent=False)
        self._user_field, self._teacher = train.uid_field, teacher
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.map = make_map(kind, features.shape[1], size)
            self.best = make_map(kind, features.shape[1], size).requires_grad_(False)
        self.generator = torch.Generator().manual_seed(seed)
        self.keep()

    def get_extra_state(self) -> Tensor:
        """The generator's state."""
        return self.generator.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        """Go on with the numbers that a run that was cut off would have drawn."""
        self.generator.set_state(state.cpu())

    def keep(self) -> None:
        """Remember the weights as they are, as those that belong to the student's best."""
        self.best.load_state_dict(self.map.state_dict())

    def loss(self, student: Scores, batch: Interaction) -> Tensor:
        """The two terms of a step, a scalar."""
        users, items = (part.detach() for part in student.embeddings())
        readers = self._some(batch[self._user_field].unique(), _USERS)
        drawn = self._some(self.described.nonzero().flatten(), _ITEMS)
        made = self.map(self.features[drawn])
        known = self.trained[drawn]
        near = F.mse_loss(made[known], items[drawn][known]) if known.any() else made.sum() * 0
        with torch.no_grad():
            asked = drawn.expand(len(readers), -1)
            own = users[readers] @ items[drawn].T
            theirs = (
                own if self._teacher is None else scaled_like(self._teacher.score(readers, asked).float(), own, known)
            )
        mine = users[readers] @ made.T
        return near + set_cross_entropy(mine, theirs).mean()

    def _some(self, ids: Tensor, wanted: int) -> Tensor:
        return ids[torch.randperm(len(ids), generator=self.generator)[:wanted].to(ids.device)]

    @torch.no_grad()
    def filled(self, embeddings: Pair) -> Pair:
        """``embeddings`` with what the path makes of those items that training never saw and that have features."""
        users, items = embeddings
        return users, mixed(items, self.best(self.features), ~self.trained & self.described, self.share)

    def state(self) -> dict[str, Any]:
        """What :class:`recbole_kd.serving.content.StudentContent` reads: tensors and plain values."""
        weights = dict(self.best.state_dict())
        of_map: dict[str, Any] = {"kind": self.kind, "modalities": list(self.modalities), "weights": weights}
        of_map["sha256"] = sha256_of_tensors(weights)
        return {**of_map, "share": self.share, "features": sketch_of(self.features)}


def mixed(items: Tensor, made: Tensor, unseen: Tensor, share: float) -> Tensor:
    """Item embeddings (n, d), with a share of what a path ``made`` (n, d) where items are ``unseen``, bool (n,)."""
    return torch.where(unseen.unsqueeze(1), torch.lerp(items, made, share), items)


def sketch_of(features: Tensor) -> Tensor:
    """A number a row, float32 (n,), that tells whether features are those of before: a projection, up to rounding.

    The same texts encoded again differ in last digits, by who else is in their batch.
    """
    direction = torch.randn(features.shape[1], generator=torch.Generator().manual_seed(0))
    found: Tensor = (features.cpu() @ direction) / float(features.shape[1]) ** 0.5
    return found


def scaled_like(scores: Tensor, others: Tensor, known: Tensor) -> Tensor:
    """Scores (B, n), shifted and stretched row by row so that mean and deviation over some columns are those of others.

    Args:
        scores: a teacher's.
        others: (B, n), a student's of the same items.
        known: the columns that count, bool (n,); with fewer than two ``scores`` are returned as they are.
    """
    if known.sum() < 2:
        return scores
    of, to = scores[:, known], others[:, known]
    stretch = to.std(dim=1, keepdim=True) / of.std(dim=1, keepdim=True).clamp_min(1e-9)
    return (scores - of.mean(dim=1, keepdim=True)) * stretch + to.mean(dim=1, keepdim=True)


def content_embeddings(state: Mapping[str, Any], features: Tensor) -> Tensor:
    """Item embeddings (n, d) of ``features`` (n, width) by a path that :meth:`ContentPath.state` tells of.

    Raises:
        UserError: the state is none.
    """
    try:
        weights = {str(name): value for name, value in state["weights"].items()}
        last = [value for name, value in weights.items() if name.endswith("bias")][-1]
        path = make_map(state["kind"], features.shape[1], len(last))
        path.load_state_dict(weights)
    except (KeyError, IndexError, TypeError, AttributeError, RuntimeError) as error:
        raise UserError(f"the content path does not fit features {features.shape[1]} wide; train it again") from error
    with torch.no_grad():
        found: Tensor = path(features)
    return found
