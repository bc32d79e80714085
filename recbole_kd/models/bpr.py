"""RecBole's matrix factorisation with a loss that reads each row once: the same values, up to rounding."""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_kd.bridge.recbole import Interaction, RecBoleBPR
from recbole_kd.ops.all_products import all_products
from recbole_kd.ops.margins import pair_margins


class BPR(RecBoleBPR):
    """Matrix factorisation (Rendle et al., UAI 2009), drop-in for RecBole's: a state dict of one loads in the other."""

    def calculate_loss(self, interaction: Interaction) -> Tensor:
        """BPR of a batch, a scalar."""
        ids = (interaction[field] for field in (self.USER_ID, self.ITEM_ID, self.NEG_ITEM_ID))
        margins = pair_margins(self.user_embedding.weight, self.item_embedding.weight, *ids)
        loss: Tensor = self.loss(margins, torch.zeros((), device=margins.device))
        return loss

    def full_sort_predict(self, interaction: Interaction) -> Tensor:
        """Scores of all items for the users of the batch, flat, (B · n_items,)."""
        return all_products(self.user_embedding(interaction[self.USER_ID]), self.item_embedding.weight).view(-1)

    def embeddings(self) -> tuple[Tensor, Tensor]:
        """What a score is the dot product of, (n_users, d) and (n_items, d)."""
        return self.user_embedding.weight, self.item_embedding.weight


MODEL = BPR
