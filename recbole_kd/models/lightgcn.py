"""RecBole's LightGCN on the fast graph core: the same parameters, the same values, a tenth of the time."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from recbole_kd.bridge.recbole import Interaction, RecBoleLightGCN
from recbole_kd.ops.all_products import all_products
from recbole_kd.ops.graph import Graph, bipartite_graph, interaction_matrix, layer_mean
from recbole_kd.ops.margins import pair_margins


class LightGCN(RecBoleLightGCN):
    """LightGCN (He et al., SIGIR 2020), drop-in for RecBole's: a state dict of one loads in the other."""

    def get_norm_adj_mat(self) -> Graph:
        """Return ``D^-1/2 A D^-1/2`` over (n_users + n_items) nodes; RecBole's constructor stores it."""
        pairs = self.interaction_matrix
        return bipartite_graph(
            interaction_matrix(np.asarray(pairs.row), np.asarray(pairs.col), self.n_users, self.n_items)
        )

    def forward(self) -> tuple[Tensor, Tensor]:
        """Return the final user and item embeddings, (n_users, d) and (n_items, d)."""
        final = layer_mean(self.norm_adj_matrix, self.get_ego_embeddings(), self.n_layers)
        return final[: self.n_users], final[self.n_users :]

    def calculate_loss(self, interaction: Interaction) -> Tensor:
        """BPR of a batch and the L2 of its IDs, (1,), as RecBole has it."""
        self.restore_user_e = self.restore_item_e = None
        user, positive, negative = ids = [interaction[key] for key in (self.USER_ID, self.ITEM_ID, self.NEG_ITEM_ID)]
        margins = pair_margins(*self.forward(), *ids)
        rows = self.user_embedding(user), self.item_embedding(positive), self.item_embedding(negative)
        penalty: Tensor = self.reg_loss(*rows, require_pow=self.require_pow)
        loss: Tensor = self.mf_loss(margins, torch.zeros((), device=margins.device))
        return loss + self.reg_weight * penalty

    def full_sort_predict(self, interaction: Interaction) -> Tensor:
        """Scores of all items for the users of the batch, flat, (B · n_items,)."""
        if self.restore_user_e is None or self.restore_item_e is None:
            self.restore_user_e, self.restore_item_e = self.forward()
        return all_products(self.restore_user_e[interaction[self.USER_ID]], self.restore_item_e).view(-1)

    def embeddings(self) -> tuple[Tensor, Tensor]:
        """What a score is the dot product of, as :func:`~recbole_kd.scoring.model_scores.scores_of` asks."""
        return self.forward()


MODEL = LightGCN
