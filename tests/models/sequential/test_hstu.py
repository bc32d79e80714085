import math

import pytest
import torch
import torch.nn.functional as F

from recbole_kd.models.sequential.hstu import Block, HSTUSettings, RelativeBias, following, time_buckets
from tests.models.sequential.contract import SequentialContract, build

TWO = {"embedding_size": 2, "n_layers": 1, "n_heads": 1, "attention_size": 1, "value_size": 1, "dropout": 0.0}
TWO |= {"loss_temperature": 1.0, "negatives": 0, "normalised": True, "relative_bias": "none", "norm": "padded"}


class TestHSTU(SequentialContract):
    model = "HSTU"


class TestHSTUByTime(SequentialContract):
    model = "HSTU"
    values = {"relative_bias": "time", "norm": "length", "n_heads": 2, "epochs": 60}  # noqa: RUF012

    def test_a_later_item_changes_no_earlier_state(self, made):
        """Nor does a later time, but for the next one, which the bias reads."""
        super().test_a_later_item_changes_no_earlier_state(made)
        model, items = made.model.eval(), torch.randint(1, 13, (1, 6))
        times = torch.arange(6.0).unsqueeze(0) * 100
        later = times.clone()
        later[:, 4:] += 1e6
        with torch.no_grad():
            torch.testing.assert_close(model(items, times)[:, :3], model(items, later)[:, :3])
            assert not torch.allclose(model(items, times)[:, 3], model(items, later)[:, 3])


class TestHSTUWithoutBias(SequentialContract):
    model = "HSTU"
    values = {"relative_bias": "none", "negatives": 4, "normalised": False, "loss_temperature": 1.0}  # noqa: RUF012


def silu(x: float) -> float:
    return x / (1 + math.exp(-x))


def normed(values: list[float]) -> list[float]:
    mean = sum(values) / len(values)
    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values) + 1e-5)
    return [(value - mean) / spread for value in values]


def test_a_block_by_hand_of_two_items_and_one_head():
    """``Y = SiLU(Q Kᵀ + R) / n ⊙ M · V``; with one value a head its norm is 0, so the value size is two."""
    settings = HSTUSettings(**{**TWO, "value_size": 2})
    block = Block(settings)
    with torch.no_grad():
        block.inner.copy_(torch.tensor([[1.0, 0.5, -1.0, 2.0, 0.3, 0.7], [0.2, -0.4, 0.6, 1.0, -0.8, 0.9]]))
        block.outer.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        block.outer.bias.copy_(torch.tensor([0.1, 0.2]))
    states, bias = [[1.0, 2.0], [-1.0, 0.5]], [[0.1, 9.0], [0.2, 0.3]]
    found = block(torch.tensor([states]), torch.tensor(bias), torch.ones(2, 2).tril() / 3)[0]

    inner = block.inner.tolist()
    parts = [[silu(sum(n * inner[k][c] for k, n in enumerate(normed(row)))) for c in range(6)] for row in states]
    for i in range(2):
        mixed = [0.0, 0.0]
        for j in range(i + 1):
            weight = silu(parts[i][4] * parts[j][5] + bias[i][j]) / 3
            mixed = [have + weight * parts[j][2 + c] for c, have in enumerate(mixed)]
        gated = [parts[i][c] * value for c, value in enumerate(normed(mixed))]
        expected = [states[i][0] + gated[0] + 2 * gated[1] + 0.1, states[i][1] + 3 * gated[0] + 4 * gated[1] + 0.2]
        assert found[i].tolist() == pytest.approx(expected, abs=1e-5)


def test_relative_bias_against_a_loop():
    bias = RelativeBias(5, with_times=True).requires_grad_(False)
    times = torch.tensor([[0.0, 1.0, 50.0, 4000.0], [7.0, 7.0, 9e9, 9e9]])
    found = bias(4, times, following(torch.ones(2, 4), times))
    for row in range(2):
        for i in range(4):
            for j in range(4):
                after = float(times[row, min(i + 1, 3)])
                seconds = abs(after - float(times[row, j]))
                bucket = min(int(math.log(max(seconds, 1.0)) / 0.301), 128)
                expected = float(bias.position[j - i + 4]) + float(bias.time[bucket])
                assert float(found[row, i, j]) == pytest.approx(expected, abs=1e-6)


def test_after_the_last_event_no_time_is_known(ring):
    """So that padding, whose times are 0, tells nothing."""
    times, items = torch.tensor([[5.0, 9.0, 0.0], [5.0, 9.0, 11.0]]), torch.tensor([[1, 2, 0], [1, 2, 3]])
    assert following(items, times).tolist() == [[9.0, 9.0, 0.0], [9.0, 11.0, 11.0]]
    model = build("HSTU", ring, relative_bias="time").model.eval()
    with torch.no_grad():
        short, padded = model(items[:1, :2], times[:1, :2]), model(items, times)
    torch.testing.assert_close(short[0], padded[0, :2])


def test_buckets_end_at_128():
    assert time_buckets(torch.tensor([0.0, -1.0, 1.4, 1e30])).tolist() == [0, 0, 1, 128]


@pytest.mark.parametrize("normalised", [True, False])
def test_the_loss_is_that_of_float64(ring, normalised):
    made = build("HSTU", ring, normalised=normalised, loss_temperature=0.5, dropout=0.0)
    model, items = made.model, made.batch["item_id_list"]
    states, table = model(items).double(), model.item_embedding.weight.double()
    if normalised:
        states, table = F.normalize(states, dim=-1) / 0.5, F.normalize(table, dim=-1)
    losses = []
    for row, history in enumerate(items.tolist()):
        for place, target in enumerate(history[1:]):
            if target:
                logits = table[1:] @ states[row, place]
                losses.append(torch.logsumexp(logits, dim=0) - logits[target - 1])
    assert float(model.calculate_loss(made.batch)) == pytest.approx(float(torch.stack(losses).mean()), rel=1e-5)


def test_sampled_softmax_never_counts_the_target_twice(ring):
    made = build("HSTU", ring, negatives=500)
    states, targets = torch.randn(3, 50), torch.tensor([1, 5, 9])
    loss = float(made.model.next_item_loss(states, targets))
    others = [[item for item in range(1, made.dataset.item_num) if item != target] for target in targets.tolist()]
    scores = states @ made.model.item_table().T
    per_item = 500 / (made.dataset.item_num - 1)  # how often an item is drawn on average
    expected = [
        math.log(1 + sum(per_item * math.exp(float(scores[row, item] - scores[row, target])) for item in others[row]))
        for row, target in enumerate(targets.tolist())
    ]
    assert loss == pytest.approx(sum(expected) / 3, rel=0.05)
