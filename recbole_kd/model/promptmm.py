"""PromptMM's teacher: IDs on the user–item graph, modalities reduced and propagated, one soft prompt for all."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from recbole.data.interaction import Interaction
from recbole.model.abstract_recommender import GeneralRecommender
from recbole.model.init import xavier_uniform_initialization
from recbole.model.loss import BPRLoss, EmbLoss
from recbole.utils import InputType
from torch import Tensor, nn

from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.errors import UserError
from recbole_kd.graph import (
    Graph,
    bipartite_graph,
    interaction_matrix,
    knn_graph,
    layer_mean,
    propagate,
    symmetric_normalise,
)
from recbole_kd.model.prompt import Prompt, principal_components
from recbole_kd.settings import Count, CountOrZero, NonNegative, Probability, Settings


class TeacherSettings(Settings):
    """Hyperparameters of :class:`PromptMMTeacher`; ``properties/model/PromptMMTeacher.yaml`` explains each."""

    embedding_size: Count
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
    knn_k: Count
    knn_weight: NonNegative


class Views(NamedTuple):
    """What the teacher knows, after propagation. Users (n_users, d), items (n_items, d)."""

    user: Tensor
    item: Tensor
    modalities: dict[str, tuple[Tensor, Tensor]]
    prompt: tuple[Tensor, Tensor] | None


class Frozen(NamedTuple):
    """The parts of a trained teacher that its prompt does not change."""

    ids: Tensor
    reduced: dict[str, Tensor]


class PromptMMTeacher(GeneralRecommender):
    """PromptMM's multi-modal teacher (Wei et al., WWW 2024, section 3.2), on RecBole's contract.

    Reads every modality that the data set has. ``prompt: false`` is the paper's "w/o prompt".
    """

    input_type = InputType.PAIRWISE
    settings_class = TeacherSettings
    reads_features = True
    prompt: Prompt | None

    def __init__(self, config: Any, dataset: MultiModalDataset) -> None:
        """Args:
        config: holds :class:`TeacherSettings`.
        dataset: the training split.

        Raises:
            UserError: the data set has no item features.
        """
        super().__init__(config, dataset)
        self.settings = settings = TeacherSettings.read(config)
        if not dataset.modalities:
            raise UserError(
                f"{type(self).__name__} needs item features, but data set {config['dataset']!r} has none; put "
                f"{config['dataset']}.<modality>.npy and {config['dataset']}.item_ids beside its atomic files"
            )
        features = {name: dataset.features(name) for name in dataset.modalities}
        pairs = dataset.inter_matrix(form="coo")
        interactions = interaction_matrix(np.asarray(pairs.row), np.asarray(pairs.col), self.n_users, self.n_items)

        self.user_embedding = nn.Embedding(self.n_users, settings.embedding_size)
        self.item_embedding = nn.Embedding(self.n_items, settings.embedding_size)
        self.reductions = nn.ModuleDict(
            {name: nn.Linear(matrix.shape[1], settings.embedding_size) for name, matrix in features.items()}
        )
        self.dropout = nn.Dropout(settings.feature_dropout)
        self.prompt = _prompt(features, interactions, settings) if settings.prompt else None
        self.bpr_loss, self.reg_loss = BPRLoss(), EmbLoss()
        for name, matrix in features.items():
            self.register_buffer(f"features_{name}", F.normalize(matrix, dim=1), persistent=False)
        self.graph = bipartite_graph(interactions).to(self.device)
        self.item_graph = _item_graph(features, settings.knn_k).to(self.device) if settings.knn_weight else None
        self.restore_user_e: Tensor | None = None
        self.restore_item_e: Tensor | None = None
        self.other_parameter_name = ["restore_user_e", "restore_item_e"]
        self.apply(xavier_uniform_initialization)

    def forward(self) -> tuple[Tensor, Tensor]:
        """Return the final user and item embeddings."""
        views = self.views()
        return views.user, views.item

    def embeddings(self) -> tuple[Tensor, Tensor]:
        """The Scorer contract: what a score is the dot product of."""
        return self.forward()

    def views(self, frozen: Frozen | None = None) -> Views:
        """Compute everything that the losses read.

        Args:
            frozen: from :meth:`freeze`; with it only what depends on the prompt is computed.
        """
        settings = self.settings
        prompt = self.prompt() if self.prompt is not None else None
        ids = frozen.ids if frozen else self._propagate_ids(self._ids())
        if prompt is not None:
            direction = F.normalize(torch.cat(prompt), dim=1) * self._length(self._ids())
            ids = ids + settings.id_prompt_weight * self._propagate_ids(direction)
        user, item = ids[: self.n_users], ids[self.n_users :]
        modalities = {}
        for name in self.reductions:
            reduced = frozen.reduced[name] if frozen else self._reduce(name)
            if prompt is not None:
                modal = Prompt.of_modality(prompt[1], getattr(self, f"features_{name}"))
                reduced = reduced + settings.modality_prompt_weight * F.linear(
                    modal, self.get_submodule(f"reductions.{name}").weight
                )
            modalities[name] = self._propagate_modality(self.dropout(reduced))
        of_users = sum(F.normalize(users, dim=1) for users, _ in modalities.values())
        of_items = sum(F.normalize(items, dim=1) for _, items in modalities.values())
        user = user + settings.modality_weight * self._length(user) * of_users
        item = item + settings.modality_weight * self._length(item) * of_items
        return Views(user, item, modalities, prompt)

    @torch.no_grad()
    def freeze(self) -> Frozen:
        """Compute once what stays while only the prompt is tuned."""
        return Frozen(self._propagate_ids(self._ids()), {name: self._reduce(name) for name in self.reductions})

    def _ids(self) -> Tensor:
        return torch.cat([self.user_embedding.weight, self.item_embedding.weight])

    def _reduce(self, name: str) -> Tensor:
        """Eq. 4 without the prompt: ``x W + b``, (n_items, d)."""
        return self.reductions[name](getattr(self, f"features_{name}"))

    def _propagate_ids(self, x: Tensor) -> Tensor:
        """Linear in ``x``: LightGCN, and the items' neighbours by content added on the item side."""
        out = layer_mean(self.graph, x, self.settings.n_layers)
        if self.item_graph is not None:
            near = self.settings.knn_weight * propagate(self.item_graph, x[self.n_users :])
            out = torch.cat([out[: self.n_users], out[self.n_users :] + near])
        return out

    def _propagate_modality(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """``n_modality_layers`` times to the users and back; the item keeps itself at each return."""
        users = items.new_zeros(self.n_users, items.shape[1])
        for _ in range(self.settings.n_modality_layers):
            users = propagate(self.graph, torch.cat([torch.zeros_like(users), items]))[: self.n_users]
            items = items + propagate(self.graph, torch.cat([users, torch.zeros_like(items)]))[self.n_users :]
        return users, items

    @staticmethod
    def _length(rows: Tensor) -> Tensor:
        """Mean length of the rows, without gradient: brings normalised parts to the scale of the ID part."""
        return rows.detach().norm(dim=1).mean()

    def calculate_loss(self, interaction: Interaction) -> Tensor:
        """``BPR(final) + λ_m Σ_m BPR(F^m) + λ_pr BPR(prompt) + λ_reg L2``, a scalar."""
        self.restore_user_e = self.restore_item_e = None
        settings = self.settings
        batch = interaction[self.USER_ID], interaction[self.ITEM_ID], interaction[self.NEG_ITEM_ID]
        views = self.views()
        loss = self._bpr(views.user, views.item, batch)
        for users, items in views.modalities.values():
            loss = loss + settings.modality_loss_weight * self._bpr(users, items, batch)
        if views.prompt is not None:
            loss = loss + settings.prompt_loss_weight * self._bpr(*views.prompt, batch)
        user, positive, negative = batch
        rows = self.user_embedding(user), self.item_embedding(positive), self.item_embedding(negative)
        return loss + settings.reg_weight * self.reg_loss(*rows, require_pow=True).squeeze()

    def _bpr(self, users: Tensor, items: Tensor, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        user, positive, negative = users[batch[0]], items[batch[1]], items[batch[2]]
        return self.bpr_loss((user * positive).sum(dim=1), (user * negative).sum(dim=1))

    def predict(self, interaction: Interaction) -> Tensor:
        """Scores of user–item pairs, (B,)."""
        users, items = self._restored()
        return (users[interaction[self.USER_ID]] * items[interaction[self.ITEM_ID]]).sum(dim=1)

    def full_sort_predict(self, interaction: Interaction) -> Tensor:
        """Scores of all items for the users of the batch, flat, (B · n_items,)."""
        users, items = self._restored()
        return (users[interaction[self.USER_ID]] @ items.T).view(-1)

    def _restored(self) -> tuple[Tensor, Tensor]:
        """The final embeddings, kept between two scorings as RecBole's graph models keep theirs."""
        if self.restore_user_e is None or self.restore_item_e is None:
            self.restore_user_e, self.restore_item_e = self.forward()
        return self.restore_user_e, self.restore_item_e

    def inference_parameters(self) -> int:
        """Numbers read to score from a checkpoint: the parameters, and the feature matrices."""
        parameters = sum(parameter.numel() for parameter in self.parameters())
        return parameters + sum(getattr(self, f"features_{name}").numel() for name in self.reductions)


def _prompt(features: dict[str, Tensor], interactions: sp.csr_array, settings: TeacherSettings) -> Prompt:
    parts = [principal_components(matrix, settings.embedding_size) for matrix in features.values()]
    components = torch.stack(parts).mean(dim=0)
    components = components / components[1:].norm(dim=1).mean()
    degree = np.maximum(interactions.sum(axis=1), 1)
    of_users = (interactions @ components.numpy()) / degree[:, None]
    return Prompt(components, torch.from_numpy(of_users.astype(np.float32)), settings.prompt_dropout)


def _item_graph(features: dict[str, Tensor], k: int) -> Graph:
    """Mean over modalities of the normalised k-nearest-neighbour graphs of the items."""
    graphs = [symmetric_normalise(knn_graph(matrix, k)) for matrix in features.values()]
    total = graphs[0]
    for graph in graphs[1:]:
        total = total + graph
    return Graph.from_scipy(total / len(graphs))
