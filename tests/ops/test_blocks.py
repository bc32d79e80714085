import torch
from hypothesis import given
from hypothesis import strategies as st

from recbole_kd.ops import blocks as module
from recbole_kd.ops.blocks import blocks, rows_at_once


@given(st.integers(0, 50), st.integers(1, 40), st.integers(1, 200))
def test_blocks_are_all_rows_in_their_order_and_none_too_large(count, columns, numbers):
    rows = torch.arange(count)
    found = list(blocks(rows, columns, numbers))
    assert torch.cat([*found, rows[:0]]).tolist() == rows.tolist()
    assert all(len(block) == 1 or len(block) * columns <= numbers for block in found)
    assert all(len(block) for block in found)


def test_one_number_rules_them(monkeypatch):
    assert rows_at_once(10) == module.SCORES_AT_ONCE // 10
    monkeypatch.setattr(module, "SCORES_AT_ONCE", 25)
    assert (rows_at_once(10), rows_at_once(100), rows_at_once(10, 70)) == (2, 1, 7)
