"""CLCRec: item IDs and content are pulled together, so that content stands for an item that nobody has clicked."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbole_kd.bridge.recbole import Config, xavier_uniform_initialization
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.foundation.settings import Count, NonNegative, Positive, Settings, Share
from recbole_kd.models.multimodal.base import MultiModalRecommender
from recbole_kd.ops.losses import Batch


class CLCRecSettings(Settings):
    """Hyperparameters of :class:`CLCRec`; ``properties/model/CLCRec.yaml`` explains each."""

    embedding_size: Count
    hidden_size: Count
    negatives: Count
    temperature: Positive
    content_temperature: Positive
    content_weight: Share
    content_share: Share
    reg_weight: NonNegative


class CLCRec(MultiModalRecommender[CLCRecSettings]):
    """CLCRec (Wei et al., MM 2021): ``λ L(item, content) + (1 − λ) L(user, item)``, two contrasts.

    In the second a share of the items is given by its content instead of its ID (the paper's hybrid training). An item
    without a training interaction is scored by its content.

    Three things are not the paper's. An item that has interactions is scored by what it was on average in training, its
    ID and its content by that share, where the paper's program takes the ID alone: content is learnt by users to score
    higher than an ID, and items that nobody has clicked then stand above all others. For the same reason the length of
    content is penalised too. The negatives are drawn once a batch, of the items that training has, and not for each
    pair.
    """

    settings_class = CLCRecSettings
    trained: Tensor
    known: Tensor

    def __init__(self, config: Config, dataset: MultiModalDataset) -> None:
        super().__init__(config, dataset)
        settings = self.settings
        self.user_embedding = nn.Embedding(self.n_users, settings.embedding_size)
        self.item_embedding = nn.Embedding(self.n_items, settings.embedding_size)
        width = sum(self.features(name).shape[1] for name in self.modalities)
        self.content = nn.Sequential(
            nn.Linear(width, settings.hidden_size),
            nn.LeakyReLU(),
            nn.Linear(settings.hidden_size, settings.embedding_size),
        )
        counts = torch.from_numpy(self.interactions.sum(axis=0))
        self.register_buffer("trained", (counts > 0).unsqueeze(1), persistent=False)  # (n_items, 1)
        self.register_buffer("known", counts.nonzero().flatten(), persistent=False)  # ids of those
        self.apply(xavier_uniform_initialization)

    def forward(self) -> tuple[Tensor, Tensor]:
        """Users and items (n, d); items by ID and content, or by content alone where training never saw them."""
        by_content = self._by_content(torch.arange(self.n_items, device=self.known.device))
        both = torch.lerp(self.item_embedding.weight, by_content, self.settings.content_share)
        return self.user_embedding.weight, torch.where(self.trained, both, by_content)

    def loss(self, batch: Batch) -> Tensor:
        """Both contrasts, and the mean L2 norm of the users and items that were compared."""
        settings = self.settings
        drawn = self.known[torch.randint(len(self.known), (settings.negatives,), device=self.known.device)]
        items = torch.cat([batch.positive, drawn])
        ids, content = self.item_embedding(items), self._by_content(items)
        by_content = torch.rand(len(items), 1, device=items.device) < settings.content_share
        hybrid = torch.where(by_content, content, ids)
        users = self.user_embedding(batch.user)
        found = _contrast(users, hybrid, items, settings.temperature)
        pairs = F.normalize(ids[: len(batch.user)], dim=1), F.normalize(content, dim=1)
        alike = _contrast(*pairs, items, settings.content_temperature)
        penalty = (users.norm(dim=1).mean() + hybrid.norm(dim=1).mean()) / 2
        weight = settings.content_weight
        loss: Tensor = weight * alike + (1 - weight) * found + settings.reg_weight * penalty
        return loss

    def _by_content(self, items: Tensor) -> Tensor:
        features = torch.cat([F.embedding(items, self.features(name)) for name in self.modalities], dim=1)
        found: Tensor = self.content(features)
        return found


def _contrast(anchors: Tensor, candidates: Tensor, items: Tensor, temperature: float) -> Tensor:
    """``−log e^(a·c⁺/τ) / (e^(a·c⁺/τ) + Σ_n e^(a·c_n/τ))``, a mean over rows.

    Args:
        anchors: (B, d).
        candidates: (B + N, d), first the positive of each anchor, then N negatives of all.
        items: ids (B + N,) of the candidates; a negative that is an anchor's positive does not count for it.
        temperature: τ.
    """
    size = len(anchors)
    own = (anchors * candidates[:size]).sum(dim=1, keepdim=True)
    others = anchors @ candidates[size:].T
    others = others.masked_fill(items[:size, None] == items[None, size:], -torch.inf)
    logits = torch.cat([own, others], dim=1) / temperature
    return -F.log_softmax(logits, dim=1)[:, 0].mean()


MODEL = CLCRec
