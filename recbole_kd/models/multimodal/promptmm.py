"""PromptMM's teacher: IDs on the user–item graph, modalities reduced and propagated, one soft prompt for all."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbole_kd.bridge.recbole import BPRLoss, Config, EmbLoss, xavier_uniform_initialization
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.foundation.settings import Count, CountOrZero, NonNegative, Probability, Settings
from recbole_kd.models.multimodal.base import MultiModalRecommender
from recbole_kd.models.multimodal.prompt import (
    FrozenReduction,
    Prompt,
    freeze_reduction,
    principal_components,
    reduce_frozen,
    reduce_modality_prompt,
)
from recbole_kd.ops.graph import (
    bipartite_graph,
    bipartite_halves,
    layer_mean,
    propagate,
)
from recbole_kd.ops.losses import Batch


class TeacherSettings(Settings):
    """Hyperparameters of :class:`PromptMMTeacher`; ``properties/model/PromptMMTeacher.yaml`` explains each."""

    embedding_size: Count
    heads: Count
    n_layers: CountOrZero
    n_modality_layers: Count
    reg_weight: NonNegative
    prompt: bool
    prompt_dropout: Probability
    feature_dropout: Probability
    modality_prompt_weight: NonNegative
    id_prompt_weight: NonNegative
    modality_weight: NonNegative
    modality_loss_weight: NonNegative
    prompt_loss_weight: NonNegative


class Views(NamedTuple):
    """What the teacher knows, after propagation.

    ``user`` (n_users, heads · d) and ``item`` (n_items, heads · d) give the scores; each modality and the prompt are
    pairs of (n_users, d) and (n_items, d).
    """

    user: Tensor
    item: Tensor
    modalities: dict[str, tuple[Tensor, Tensor]]
    prompt: tuple[Tensor, Tensor] | None

    def pairs(self) -> list[tuple[Tensor, Tensor]]:
        """Final users and items, then those of each modality."""
        return [(self.user, self.item), *self.modalities.values()]

    def detached(self) -> Views:
        """The same values without gradients, and without the prompt."""
        final, *modalities = ((users.detach(), items.detach()) for users, items in self.pairs())
        return Views(*final, dict(zip(self.modalities, modalities, strict=True)), None)


class Frozen(NamedTuple):
    """The parts of a trained teacher that its prompt does not change."""

    ids: Tensor
    reductions: dict[str, FrozenReduction]


class PromptMMTeacher(MultiModalRecommender[TeacherSettings]):
    """PromptMM's multi-modal teacher (Wei et al., WWW 2024, section 3.2).

    Reads every modality that the data set has. ``prompt: false`` is the paper's "w/o prompt".
    """

    settings_class = TeacherSettings
    prompt: Prompt | None

    def __init__(self, config: Config, dataset: MultiModalDataset) -> None:
        super().__init__(config, dataset)
        settings = self.settings
        self.user_embedding = nn.Embedding(self.n_users, settings.heads * settings.embedding_size)
        self.item_embedding = nn.Embedding(self.n_items, settings.heads * settings.embedding_size)
        self.reductions = self.make_projections(settings.embedding_size)
        self.dropout = nn.Dropout(settings.feature_dropout)
        features = {name: self.features(name) for name in self.modalities}
        self.prompt = _prompt(features, self.interactions, settings) if settings.prompt else None
        self.normalise_features()
        self.bpr_loss, self.reg_loss = BPRLoss(), EmbLoss()
        self.graph = bipartite_graph(self.interactions).to(self.device)
        self.to_users, self.to_items = (half.to(self.device) for half in bipartite_halves(self.interactions))
        self.apply(xavier_uniform_initialization)

    def forward(self) -> tuple[Tensor, Tensor]:
        """Return the final user and item embeddings."""
        views = self.views()
        return views.user, views.item

    def views(self, frozen: Frozen | None = None) -> Views:
        """Compute everything that the losses read.

        Args:
            frozen: from :meth:`freeze`, in evaluation mode; with it only what depends on the prompt is computed.
        """
        settings = self.settings
        prompt = self.prompt() if self.prompt is not None else None
        ids = self._propagated_ids(prompt, frozen)
        user, item = ids[: self.n_users], ids[self.n_users :]
        modalities = {name: self._propagate_modality(self._reduced(name, prompt, frozen)) for name in self.reductions}
        of_users = torch.stack([F.normalize(users, dim=1) for users, _ in modalities.values()]).sum(dim=0)
        of_items = torch.stack([F.normalize(items, dim=1) for _, items in modalities.values()]).sum(dim=0)
        user = user + settings.modality_weight * _along(of_users, user)
        item = item + settings.modality_weight * _along(of_items, item)
        return Views(user, item, modalities, prompt)

    @torch.no_grad()
    def freeze(self) -> Frozen:
        """Compute once what stays while only the prompt is tuned."""
        ids = layer_mean(self.graph, self._ids(), self.settings.n_layers)
        return Frozen(ids, {name: self._frozen_reduction(name) for name in self.reductions})

    def _frozen_reduction(self, name: str) -> FrozenReduction:
        reduced = self._reduce(name)
        if self.prompt is None:
            return FrozenReduction(reduced, reduced.new_empty(0), reduced.new_empty(0))
        components = self.prompt.get_buffer("item_components")
        return freeze_reduction(components, self.features(name), self._weight(name), reduced)

    def _weight(self, name: str) -> Tensor:
        return self.get_parameter(f"reductions.{name}.weight")

    def _ids(self) -> Tensor:
        return torch.cat([self.user_embedding.weight, self.item_embedding.weight])

    def _reduced(self, name: str, prompt: tuple[Tensor, Tensor] | None, frozen: Frozen | None) -> Tensor:
        """Eq. 4: ``dropout((x + λ1 p^m) W + b)``, (n_items, d)."""
        reduced = frozen.reductions[name].reduced if frozen else self._reduce(name)
        if prompt is not None:
            assert self.prompt is not None
            if frozen:
                modal = reduce_frozen(prompt[1], self.prompt.item, frozen.reductions[name])
            else:
                modal = reduce_modality_prompt(prompt[1], self.features(name), self._weight(name))
            reduced = reduced + self.settings.modality_prompt_weight * modal
        found: Tensor = self.dropout(reduced)
        return found

    def _reduce(self, name: str) -> Tensor:
        """The part of eq. 4 without the prompt: ``x W + b``, (n_items, d)."""
        found: Tensor = self.reductions[name](self.features(name))
        return found

    def _propagated_ids(self, prompt: tuple[Tensor, Tensor] | None, frozen: Frozen | None) -> Tensor:
        """LightGCN from the IDs plus the prompt; linear, so the frozen IDs need no second pass."""
        start = frozen.ids if frozen else self._ids()
        if prompt is None:
            return start if frozen else layer_mean(self.graph, start, self.settings.n_layers)
        added = self.settings.id_prompt_weight * _along(F.normalize(torch.cat(prompt), dim=1), self._ids())
        if frozen:
            return start + layer_mean(self.graph, added, self.settings.n_layers)
        return layer_mean(self.graph, start + added, self.settings.n_layers)

    def _propagate_modality(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """``n_modality_layers`` times to the users and back: (n_users, d) and (n_items, d).

        The item keeps itself at each return, which would otherwise wash its own content out. One modality after
        another: side by side in one product they take longer, as fewer rows of theirs fit a processor's caches.
        """
        users = torch.empty(0)
        for _ in range(self.settings.n_modality_layers):
            users = propagate(self.to_users, items)
            items = items + propagate(self.to_items, users)
        return users, items

    def loss(self, batch: Batch) -> Tensor:
        """``Σ_heads BPR(final) + λ_m Σ_m BPR(F^m) + λ_pr BPR(prompt) + λ_reg L2``, a scalar."""
        settings, views = self.settings, self.views()
        loss = self._bpr(views.user, views.item, batch, settings.heads)
        for users, items in views.modalities.values():
            loss = loss + settings.modality_loss_weight * self._bpr(users, items, batch)
        if views.prompt is not None:
            loss = loss + settings.prompt_loss_weight * self._bpr(*views.prompt, batch)
        rows = self.user_embedding(batch.user), self.item_embedding(batch.positive), self.item_embedding(batch.negative)
        found: Tensor = loss + settings.reg_weight * self.reg_loss(*rows, require_pow=True).squeeze()
        return found

    def _bpr(self, users: Tensor, items: Tensor, batch: Batch, heads: int = 1) -> Tensor:
        """BPR, summed over ``heads`` groups of dimensions, each of which ranks on its own."""
        user = F.embedding(batch.user, users)
        scores = (
            (user * F.embedding(ids, items)).unflatten(1, (heads, -1)).sum(dim=2)
            for ids in (batch.positive, batch.negative)
        )
        found: Tensor = heads * self.bpr_loss(*scores)
        return found


def _prompt(features: dict[str, Tensor], interactions: sp.csr_array, settings: TeacherSettings) -> Prompt:
    parts = [principal_components(matrix, settings.embedding_size) for matrix in features.values()]
    components = torch.stack(parts).mean(dim=0)
    components = components / components[1:].norm(dim=1).mean()
    degree = np.maximum(interactions.sum(axis=1), 1)
    of_users = (interactions @ components.numpy()) / degree[:, None]
    return Prompt(components, torch.from_numpy(of_users.astype(np.float32)), settings.prompt_dropout)


def _along(directions: Tensor, measure: Tensor) -> Tensor:
    """Add-on for every head: ``directions`` (n, d) in the lengths of the rows of ``measure`` (n, heads · d).

    An item's popularity lives in the length of its ID embedding. Parts of one length for all items would level it,
    and with it most of what is known on sparse data. No gradient goes to the lengths.
    """
    lengths = measure.detach().unflatten(1, (-1, directions.shape[1])).norm(dim=2, keepdim=True)
    found: Tensor = (directions.unsqueeze(1) * lengths).flatten(1)
    return found


MODEL = PromptMMTeacher
