import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recbole_kd.ops.all_products import all_products


@given(st.integers(0, 5), st.sampled_from([0, 1, 4095, 4096, 4097, 9000]), st.integers(1, 20))
def test_equals_the_product_in_float64(n_rows: int, n_columns: int, size: int) -> None:
    generator = torch.Generator().manual_seed(n_rows + n_columns + size)
    rows, matrix = (torch.randn(n, size, generator=generator) for n in (n_rows, n_columns))
    torch.testing.assert_close(all_products(rows, matrix), (rows.double() @ matrix.double().T).float())


@pytest.mark.parametrize("which", [0, 1])
def test_gradients_flow(which: int) -> None:
    pair = [torch.randn(2, 3), torch.randn(5000, 3)]
    pair[which].requires_grad_()
    all_products(*pair).sum().backward()
    expected = pair[1 - which].sum(dim=0).expand_as(pair[which])
    torch.testing.assert_close(pair[which].grad, expected, rtol=1e-4, atol=1e-3)


def test_computes_what_needs_no_gradient_by_parts() -> None:
    rows, matrix = torch.randn(3, 8, requires_grad=True), torch.randn(10_000, 8)
    with torch.no_grad():
        found = all_products(rows, matrix)
    assert not found.requires_grad
    torch.testing.assert_close(found, (rows @ matrix.T).detach())
