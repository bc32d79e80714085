"""What cannot be computed is left out with its reason."""

import pytest

from recbole_kd.experiments.report.left_out import of_each, of_rows
from recbole_kd.foundation.errors import UserError


def compute(number: int) -> int:
    if number < 0:
        raise UserError("there is no file")
    return 10 * number


def test_what_fails_is_left_out_with_the_reason():
    assert of_each({"a": 1, "b": -1, "c": 2}, compute) == ({"a": 10, "c": 20}, "b is left out: there is no file.")
    assert of_each({"a": 1}, compute) == ({"a": 10}, "")


def test_nothing_is_left():
    with pytest.raises(UserError, match=r"^there is no file$"):
        of_each({"a": -1, "b": -2}, compute)
    with pytest.raises(UserError, match="there is no model"):
        of_each({}, compute)


def test_rows_by_their_labels(compared):
    found, left_out = of_rows(compared.rows, lambda row: row.model)
    assert (list(found), left_out) == ([row.label for row in compared.rows], "")
