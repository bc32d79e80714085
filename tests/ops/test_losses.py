"""Each loss against a value worked out by hand or by brute force, at its optimum, and by gradient check."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from recbole_kd.ops import losses

finite = st.floats(-20, 20, allow_nan=False, width=32)


def matrix(rows: int, columns: int):
    row = st.lists(finite, min_size=columns, max_size=columns)
    return st.lists(row, min_size=rows, max_size=rows).map(lambda values: torch.tensor(values, dtype=torch.float64))


def bernoulli_kl(p: float, q: float) -> float:
    return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


class TestPairwise:
    def test_by_hand(self):
        student, teacher = torch.tensor([0.5, -1.0]), torch.tensor([2.0, 0.0])
        expected = (bernoulli_kl(sigmoid(1.0), sigmoid(0.25)) + bernoulli_kl(0.5, sigmoid(-0.5))) / 2
        assert losses.pairwise_kl(student, teacher, temperature=2.0).item() == pytest.approx(expected, rel=1e-6)

    @given(matrix(1, 6))
    def test_zero_where_margins_agree_and_positive_elsewhere(self, rows):
        margins = rows[0]
        assert losses.pairwise_kl(margins, margins).item() == pytest.approx(0, abs=1e-12)
        assert losses.pairwise_kl(margins + 0.5, margins).item() > 0

    def test_gradient_pulls_the_student_towards_the_teacher(self):
        student = torch.tensor([0.0], requires_grad=True)
        losses.pairwise_kl(student, torch.tensor([3.0])).backward()
        assert student.grad.item() == pytest.approx(sigmoid(0) - sigmoid(3), rel=1e-6)

    def test_huge_margins_stay_finite(self):
        student = torch.tensor([1e4, -1e4], requires_grad=True)
        loss = losses.pairwise_kl(student, torch.tensor([-1e4, 1e4]))
        loss.backward()
        assert torch.isfinite(loss)
        assert torch.isfinite(student.grad).all()


class TestDisentangled:
    @settings(max_examples=50)
    @given(matrix(3, 5), matrix(3, 5), st.floats(0.2, 5))
    def test_equals_plain_listwise_kl_with_the_papers_weights(self, student, teacher, temperature):
        ours = losses.disentangled_kl(student, teacher, temperature)
        brute = F.kl_div(
            F.log_softmax(student / temperature, 1),
            F.log_softmax(teacher / temperature, 1),
            log_target=True,
            reduction="batchmean",
        )
        assert ours.item() == pytest.approx(brute.item(), rel=1e-6, abs=1e-9)
        assert losses.listwise_kl(student, teacher, temperature).item() == pytest.approx(brute.item(), abs=1e-9)

    def test_by_hand_with_own_weights(self):
        student, teacher = torch.zeros(1, 3), torch.tensor([[math.log(2.0), 0.0, math.log(3.0)]])
        two_way = bernoulli_kl(2 / 6, 1 / 3)
        among = 0.25 * math.log(0.25 / 0.5) + 0.75 * math.log(0.75 / 0.5)
        value = losses.disentangled_kl(student, teacher, alpha=2.0, beta=5.0)
        assert value.item() == pytest.approx(2 * two_way + 5 * among, rel=1e-5)

    def test_alpha_and_beta_select_the_terms(self):
        student, teacher = torch.randn(4, 6), torch.randn(4, 6)
        shifted = student.clone()
        shifted[:, 0] += 3  # changes "positive against the rest" and nothing among the rest
        order_only = [losses.disentangled_kl(s, teacher, alpha=0.0, beta=1.0) for s in (student, shifted)]
        assert order_only[0].item() == pytest.approx(order_only[1].item(), rel=1e-5)
        assert losses.disentangled_kl(shifted, teacher, beta=0.0) != losses.disentangled_kl(student, teacher, beta=0.0)

    def test_huge_logits_stay_finite(self):
        student = torch.tensor([[1e4, -1e4, 0.0]], requires_grad=True)
        loss = losses.disentangled_kl(student, -student.detach())
        loss.backward()
        assert torch.isfinite(loss)
        assert torch.isfinite(student.grad).all()


class TestScaledCosine:
    def test_by_hand(self):
        student = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
        teacher = torch.tensor([[0.0, 2.0], [-3.0, 0.0]])
        assert losses.scaled_cosine_error(student, teacher, gamma=2.0).item() == pytest.approx((1 + 4) / 2)

    @given(matrix(3, 4), st.floats(1, 4))
    def test_length_does_not_matter_and_alignment_is_zero(self, rows, gamma):
        rows = rows + torch.eye(3, 4) * 50
        assert losses.scaled_cosine_error(rows, 7 * rows, gamma).item() == pytest.approx(0, abs=1e-9)

    def test_gradient_is_finite_at_alignment_for_a_broken_power(self):
        rows = torch.randn(16, 8, dtype=torch.float32)
        student = rows.clone().requires_grad_()
        losses.scaled_cosine_error(student, rows, gamma=1.5).backward()
        assert torch.isfinite(student.grad).all()


class TestInfoNCE:
    def test_by_hand(self):
        a, b = torch.eye(2), torch.eye(2) * 3
        expected = -math.log(math.exp(2) / (math.exp(2) + 1))
        assert losses.info_nce(a, b, temperature=0.5).item() == pytest.approx(expected, rel=1e-6)

    def test_brute_force(self):
        a, b = torch.randn(5, 3, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)
        total = 0.0
        for i in range(5):
            scores = [F.cosine_similarity(a[i], b[j], dim=0).item() / 0.2 for j in range(5)]
            total -= scores[i] - math.log(sum(map(math.exp, scores)))
        assert losses.info_nce(a, b, 0.2).item() == pytest.approx(total / 5, rel=1e-9)


@pytest.mark.parametrize(
    ("loss", "shape"),
    [
        (lambda s, t: losses.pairwise_kl(s, t, 0.7), (4,)),
        (lambda s, t: losses.disentangled_kl(s, t, 0.7), (3, 5)),
        (lambda s, t: losses.disentangled_kl(s, t, 0.7, 0.5, 2.0), (3, 5)),
        (lambda s, t: losses.listwise_kl(s, t, 0.7), (3, 5)),
        (lambda s, t: losses.scaled_cosine_error(s, t, 2.0), (3, 5)),
        (lambda s, t: losses.info_nce(s, t, 0.3), (3, 5)),
    ],
)
def test_gradients_of_both_arguments(loss, shape):
    torch.manual_seed(0)
    arguments = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(loss, arguments)


@pytest.mark.parametrize("name", ["pairwise_kl", "disentangled_kl", "listwise_kl", "scaled_cosine_error"])
def test_a_batch_is_the_mean_of_its_rows(name):
    torch.manual_seed(1)
    loss = getattr(losses, name)
    shape = (6,) if name == "pairwise_kl" else (6, 4)
    student, teacher = torch.randn(shape), torch.randn(shape)
    rows = torch.stack([loss(student[i : i + 1], teacher[i : i + 1]) for i in range(6)])
    assert loss(student, teacher).item() == pytest.approx(rows.mean().item(), rel=1e-5)


class TestSetCrossEntropy:
    def test_by_hand(self):
        student, teacher = torch.tensor([[2.0, 0.0, 5.0]]), torch.tensor([[0.0, 2.0, 7.0]])
        p = sigmoid(-1.0)  # softmax of (0, 2) / 2
        expected = -(p * math.log(sigmoid(1.0)) + (1 - p) * math.log(sigmoid(-1.0)))
        mask = torch.tensor([[True, True, False]])
        assert losses.set_cross_entropy(student, teacher, 2.0, mask).item() == pytest.approx(expected, rel=1e-6)

    @given(matrix(3, 5), matrix(3, 5), st.floats(0.2, 5))
    def test_is_torchs_cross_entropy_with_soft_targets(self, student, teacher, temperature):
        brute = F.cross_entropy(student / temperature, F.softmax(teacher / temperature, 1), reduction="none")
        assert torch.allclose(losses.set_cross_entropy(student, teacher, temperature), brute)

    def test_masked_items_have_no_effect_and_no_gradient(self):
        student = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
        teacher, mask = torch.randn(2, 4, dtype=torch.float64), torch.tensor([[True, True, False, True]] * 2)
        whole = losses.set_cross_entropy(student, teacher, mask=mask)
        part = losses.set_cross_entropy(student[:, [0, 1, 3]], teacher[:, [0, 1, 3]])
        assert torch.allclose(whole, part)
        whole.sum().backward()
        assert not student.grad[:, 2].any()

    def test_empty_sets_give_zero_and_huge_logits_stay_finite(self):
        student = torch.tensor([[1e4, -1e4, 0.0], [1.0, 2.0, 3.0]], requires_grad=True)
        teacher = torch.tensor([[-1e4, 1e4, 0.0], [1.0, 2.0, 3.0]])
        mask = torch.tensor([[True, True, True], [False, False, False]])
        loss = losses.set_cross_entropy(student, teacher, mask=mask)
        loss.sum().backward()
        assert loss.tolist() == [2e4, 0.0]
        assert torch.isfinite(student.grad).all()

    def test_gradient(self):
        student = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
        teacher, mask = torch.randn(2, 4, dtype=torch.float64), torch.tensor([[True, False, True, True]] * 2)
        assert torch.autograd.gradcheck(lambda s: losses.set_cross_entropy(s, teacher, 0.7, mask), (student,))

    def test_is_least_where_the_student_agrees(self):
        teacher = torch.randn(1, 6)
        agreed = losses.set_cross_entropy(teacher + 3.0, teacher)
        assert agreed < losses.set_cross_entropy(-teacher, teacher)
        assert agreed.item() == pytest.approx(-(teacher.softmax(1) * teacher.log_softmax(1)).sum().item(), rel=1e-5)


class TestEnsemble:
    def test_by_hand(self):
        student = torch.tensor([[0.0, 1.0]])
        teachers = torch.tensor([[[2.0, 0.0]], [[0.0, 0.0]]])
        p = 0.75 * sigmoid(1.0) + 0.25 * 0.5
        expected = 4 * bernoulli_kl(p, sigmoid(-0.5))
        found = losses.ensemble_kl(student, teachers, 2.0, torch.tensor([0.75, 0.25]))
        assert found.item() == pytest.approx(expected, rel=1e-6)

    @settings(max_examples=50)
    @given(matrix(3, 4), st.floats(0.3, 4))
    def test_zero_for_teachers_that_agree_with_the_student(self, student, temperature):
        teachers = student.expand(3, -1, -1)
        assert losses.ensemble_kl(student, teachers, temperature).item() == pytest.approx(0, abs=1e-9)
        assert losses.ensemble_kl(student, teachers + torch.arange(4.0), temperature).item() >= -1e-12

    def test_gradient(self):
        student = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
        teachers = torch.randn(2, 2, 3, dtype=torch.float64)
        assert torch.autograd.gradcheck(lambda x: losses.ensemble_kl(x, teachers, 0.7), student)


class TestDirection:
    def test_by_hand(self):
        student = torch.tensor([[2.0, 0.0], [0.0, 3.0], [1.0, 0.0]])
        teacher = torch.tensor([[1.0, 0.0], [0.0, -1.0], [0.0, 5.0]])
        assert losses.direction_error(student, teacher).item() == pytest.approx((0 + 4 + 2) / 3)

    def test_gradient(self):
        student, teacher = (torch.randn(3, 4, dtype=torch.float64) for _ in range(2))
        assert torch.autograd.gradcheck(lambda x: losses.direction_error(x, teacher), student.requires_grad_())


def test_squared_norm_of_tables_is_the_sum_of_squared_norms_with_the_same_gradients():
    torch.manual_seed(0)
    batch = losses.Batch(*(torch.randint(0, 5, (7,)) for _ in range(3)))
    users, *items = (torch.randn(5, 3, requires_grad=True) for _ in range(3))
    side_by_side = losses.squared_norm(users, torch.cat(items, dim=1), batch)
    found = losses.squared_norm_of_tables(users, items, batch)
    torch.testing.assert_close(found, side_by_side)
    gradients = [torch.autograd.grad(loss, [users, *items]) for loss in (found, side_by_side)]
    torch.testing.assert_close(*gradients)
    without = losses.squared_norm(torch.zeros(5, 0), items[0], batch)
    torch.testing.assert_close(losses.squared_norm_of_tables(None, items[:1], batch), without)
