"""What all models of users, items and item features share: RecBole's contract around two embedding matrices."""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbole_kd.bridge.recbole import Config, GeneralRecommender, InputType, Interaction
from recbole_kd.data.dataset import MultiModalDataset, read_features
from recbole_kd.data.interactions import matrix_of
from recbole_kd.foundation.settings import Settings
from recbole_kd.ops.all_products import all_products
from recbole_kd.ops.losses import Batch

OwnSettings = TypeVar("OwnSettings", bound=Settings)


class MultiModalRecommender(GeneralRecommender, Generic[OwnSettings]):
    """A model whose scores are dot products of final embeddings, computed from IDs and any number of modalities.

    A subclass names its settings twice, as a type (``MultiModalRecommender[MySettings]``) and as
    :attr:`settings_class`, builds its layers in ``__init__``, and gives :meth:`forward` and :meth:`loss`.

    Attributes:
        modalities: names, in the order of the data set.
        interactions: 0/1 SciPy matrix (n_users, n_items) of the training split.
    """

    input_type = InputType.PAIRWISE
    settings_class: ClassVar[type[Settings]]
    settings: OwnSettings
    reads_features = True
    restore_user_e: Tensor | None
    restore_item_e: Tensor | None

    def __init__(self, config: Config, dataset: MultiModalDataset) -> None:
        """Args:
        config: holds the keys of :attr:`settings_class`.
        dataset: the training split.

        Raises:
            UserError: a key is out of range, or the data set has no item features.
        """
        super().__init__(config, dataset)
        self.settings = self.settings_class.read(config)  # type: ignore[assignment]
        self.modalities = read_features(type(self).__name__, dataset)
        for name in self.modalities:
            self.register_buffer(f"features_{name}", dataset.features(name), persistent=False)
        self.interactions = matrix_of(dataset)
        self.restore_user_e = self.restore_item_e = None
        self.other_parameter_name = ["restore_user_e", "restore_item_e"]

    def features(self, modality: str) -> Tensor:
        """Features of all items, (n_items, d_m)."""
        return self.get_buffer(f"features_{modality}")

    def normalise_features(self) -> None:
        """Give each item's features length 1; an item without any keeps zeros."""
        for name in self.modalities:
            self.register_buffer(f"features_{name}", F.normalize(self.features(name), dim=1), persistent=False)

    @torch.no_grad()
    def forget_items(self, items: Tensor) -> None:
        """Set the ID embeddings of ``items``, bool (n_items,), to zero: what no interaction will ever teach."""
        for name, module in self.named_modules():
            if isinstance(module, nn.Embedding) and "item" in name and module.num_embeddings == self.n_items:
                module.weight[items] = 0

    def make_projections(self, size: int, bias: bool = True) -> nn.ModuleDict:
        """One linear map of each modality to ``size`` dimensions."""
        return nn.ModuleDict({name: nn.Linear(self.features(name).shape[1], size, bias) for name in self.modalities})

    def forward(self) -> tuple[Tensor, Tensor]:
        """Return the final user and item embeddings, (n_users, d) and (n_items, d)."""
        raise NotImplementedError

    def loss(self, batch: Batch) -> Tensor:
        """The training loss, a scalar."""
        raise NotImplementedError

    def embeddings(self) -> tuple[Tensor, Tensor]:
        """What a score is the dot product of, as :func:`~recbole_kd.scoring.model_scores.scores_of` asks."""
        return self.forward()

    def calculate_loss(self, interaction: Interaction) -> Tensor:
        """RecBole's entry to :meth:`loss`."""
        self.forget()
        return self.loss(Batch(*(interaction[key] for key in (self.USER_ID, self.ITEM_ID, self.NEG_ITEM_ID))))

    def predict(self, interaction: Interaction) -> Tensor:
        """Scores of user-item pairs, (B,)."""
        users, items = self._restored()
        return (users[interaction[self.USER_ID]] * items[interaction[self.ITEM_ID]]).sum(dim=1)

    def full_sort_predict(self, interaction: Interaction) -> Tensor:
        """Scores of all items for the users of the batch, flat, (B · n_items,)."""
        users, items = self._restored()
        return all_products(users[interaction[self.USER_ID]], items).view(-1)

    def forget(self) -> None:
        """Compute the embeddings anew at the next scoring; called where parameters change."""
        self.restore_user_e = self.restore_item_e = None

    def _restored(self) -> tuple[Tensor, Tensor]:
        """The final embeddings, kept between two scorings as RecBole's graph models keep theirs."""
        if self.restore_user_e is None or self.restore_item_e is None:
            # not a parameter itself, which PyTorch would take for another one of the model's
            self.restore_user_e, self.restore_item_e = (part.view_as(part) for part in self.embeddings())
        return self.restore_user_e, self.restore_item_e

    def inference_parameters(self) -> int:
        """Numbers read to score from a checkpoint: the parameters, and the feature matrices."""
        parameters = sum(parameter.numel() for parameter in self.parameters())
        return parameters + sum(self.features(name).numel() for name in self.modalities)
