import torch

from recbole_kd.models.sequential.sasrec_all import Block, SASRecAllSettings
from tests.models.sequential.contract import SequentialContract

ONE = {"embedding_size": 2, "n_layers": 1, "n_heads": 1, "inner_size": 2, "dropout": 0.0, "loss_temperature": 1.0}


class TestSASRecAll(SequentialContract):
    model = "SASRecAll"


def test_a_block_is_attention_over_what_came_before():
    block = Block(SASRecAllSettings(**ONE, negatives=0, normalised=False))
    states = torch.tensor([[[1.0, 3.0], [2.0, -1.0]]])
    normed = block.before(states)[0]
    queries, (keys, values) = block.queries(normed), block.pairs(states[0]).chunk(2, dim=1)
    weights = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    weights[1] = (queries[1] @ keys.T / 2**0.5).softmax(dim=0)
    middle = block.after(normed + block.joined(weights @ values))
    expected = middle + block.outer(block.inner(middle).relu())
    torch.testing.assert_close(block(states)[0], expected)
