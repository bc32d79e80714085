"""RecBole's public names that the other rooms use, with the types that RecBole does not declare.

Nothing of RecBole is imported outside of this folder (``import-linter`` holds that), so that a new release of it costs
one room. ``recbole.quick_start`` is never imported: it asks for ray, which no Python after 3.11 can install.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = [
    "AbstractRecommender",
    "BPRLoss",
    "Config",
    "Dataset",
    "EmbLoss",
    "FullSortEvalDataLoader",
    "GeneralRecommender",
    "InputType",
    "Interaction",
    "RecBoleBPR",
    "RecBoleLightGCN",
    "SequentialRecommender",
    "calculate_valid_score",
    "data_preparation",
    "init_seed",
    "xavier_uniform_initialization",
]

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from enum import Enum

    import numpy as np
    import scipy.sparse as sp
    import torch
    from torch import Tensor, nn

    class InputType(Enum):
        """What a training batch holds."""

        POINTWISE = 1
        PAIRWISE = 2
        LISTWISE = 3

    class Config:
        """RecBole's configuration: read like a mapping."""

        final_config_dict: dict[str, Any]
        external_config_dict: dict[str, Any]
        internal_config_dict: dict[str, Any]
        model: str
        model_class: type
        dataset: str

        def __init__(self, *args: Any, **kwargs: Any) -> None: ...
        def __getitem__(self, key: str) -> Any: ...
        def __setitem__(self, key: str, value: Any) -> None: ...
        def __contains__(self, key: object) -> bool: ...

    class Interaction:
        """A batch: tensors by field."""

        def __init__(self, interaction: Mapping[str, Any]) -> None: ...
        def __getitem__(self, key: Any) -> Any: ...
        def __len__(self) -> int: ...
        def __contains__(self, item: object) -> bool: ...
        def update(self, new_inter: Interaction) -> None: ...
        def to(self, device: torch.device | str) -> Interaction: ...

    class Dataset:
        """RecBole's data set, or one part of its split."""

        config: Config
        dataset_name: str
        dataset_path: str
        uid_field: str
        iid_field: str
        user_num: int
        item_num: int
        inter_feat: Any
        field2id_token: dict[str, np.ndarray]
        field2token_id: dict[str, dict[str, int]]

        def __init__(self, config: Config) -> None: ...
        def __len__(self) -> int: ...
        def build(self) -> list[Dataset]: ...

    class FullSortEvalDataLoader:
        """Users whose rankings of all items are evaluated."""

        uid_list: Tensor
        is_sequential: bool

        def __iter__(self) -> Iterator[Any]: ...

    class AbstractRecommender(nn.Module):
        """What any model of RecBole is."""

        def calculate_loss(self, interaction: Interaction) -> Any: ...
        def predict(self, interaction: Interaction) -> Tensor: ...
        def full_sort_predict(self, interaction: Interaction) -> Tensor: ...
        def other_parameter(self) -> dict[str, Any]: ...
        def load_other_parameter(self, para: Mapping[str, Any] | None) -> None: ...

    class GeneralRecommender(AbstractRecommender):
        """A model of users and items without an order."""

        USER_ID: str
        ITEM_ID: str
        NEG_ITEM_ID: str
        n_users: int
        n_items: int
        device: torch.device
        input_type: InputType
        other_parameter_name: list[str]

        def __init__(self, config: Config, dataset: Dataset) -> None: ...

    class SequentialRecommender(AbstractRecommender):
        """A model of histories: columns of them by the names in its attributes."""

        USER_ID: str
        ITEM_ID: str
        ITEM_SEQ: str
        ITEM_SEQ_LEN: str
        NEG_ITEM_ID: str
        n_items: int
        max_seq_length: int
        device: torch.device
        other_parameter_name: list[str]

        def __init__(self, config: Config, dataset: Dataset) -> None: ...

    class RecBoleBPR(GeneralRecommender):
        """RecBole's own matrix factorisation."""

        user_embedding: nn.Embedding
        item_embedding: nn.Embedding
        loss: nn.Module

    class RecBoleLightGCN(GeneralRecommender):
        """RecBole's own LightGCN."""

        user_embedding: nn.Embedding
        item_embedding: nn.Embedding
        mf_loss: nn.Module
        reg_loss: nn.Module
        reg_weight: float
        require_pow: bool
        restore_user_e: Tensor | None
        restore_item_e: Tensor | None
        interaction_matrix: sp.coo_matrix
        norm_adj_matrix: Any
        n_layers: int

        def get_ego_embeddings(self) -> Tensor: ...

    class BPRLoss(nn.Module):
        """``−mean log σ(positive − negative)``."""

        def forward(self, pos_score: Tensor, neg_score: Tensor) -> Tensor: ...

    class EmbLoss(nn.Module):
        """The norms of embeddings, over the length of the last of them."""

        def forward(self, *embeddings: Tensor, require_pow: bool = False) -> Tensor: ...

    def xavier_uniform_initialization(module: nn.Module) -> None:
        """Initialise an embedding or a linear layer."""

    def init_seed(seed: int, reproducibility: bool) -> None:
        """Seed the global random number generators."""

    def calculate_valid_score(valid_result: Mapping[str, float], valid_metric: str | None = None) -> float:
        """The number that early stopping goes by."""

    def data_preparation(config: Config, dataset: Dataset) -> Sequence[Any]:
        """The loaders of training, validation and test."""
else:
    from recbole_kd.bridge import lightly  # noqa: F401

    # isort: split
    from recbole.config import Config
    from recbole.data import data_preparation
    from recbole.data.dataloader import FullSortEvalDataLoader
    from recbole.data.dataset import Dataset
    from recbole.data.interaction import Interaction
    from recbole.model.abstract_recommender import AbstractRecommender, GeneralRecommender, SequentialRecommender
    from recbole.model.general_recommender.bpr import BPR as RecBoleBPR
    from recbole.model.general_recommender.lightgcn import LightGCN as RecBoleLightGCN
    from recbole.model.init import xavier_uniform_initialization
    from recbole.model.loss import BPRLoss, EmbLoss
    from recbole.utils import InputType, calculate_valid_score, init_seed
