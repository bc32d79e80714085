"""Embeddings that do not change, with what RecBole's evaluation asks of a model."""

from __future__ import annotations

from torch import Tensor, nn

from recbole_kd.bridge.recbole import Interaction
from recbole_kd.ops.all_products import all_products


class FixedEmbeddings(nn.Module):
    """Users (n_users, d) and items (n_items, d), whose dot products are the scores."""

    def __init__(self, user_field: str, item_field: str, users: Tensor, items: Tensor) -> None:
        super().__init__()
        self.user_field, self.item_field = user_field, item_field
        self.users, self.items = users.detach(), items.detach()

    def predict(self, interaction: Interaction) -> Tensor:
        """Scores of pairs of users and items, (B,)."""
        items = self.items[interaction[self.item_field]]
        return (self.users[interaction[self.user_field]] * items).sum(dim=1)

    def full_sort_predict(self, interaction: Interaction) -> Tensor:
        """Scores of all items for the users of the batch, flat, (B · n_items,)."""
        return all_products(self.users[interaction[self.user_field]], self.items).view(-1)
