"""Values as people write them, that no walk ends in."""

import pytest

from recbole_kd.bridge.written_values import of_yaml


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"{c}: &{c} [{', '.join([f'*{chr(ord(c) - 1)}'] * 10)}]\n" for c in "bcdefghij"),
        "a: &a [*a]\n",
        "a: &a {b: *a, c: *a}\n",
    ],
)
def test_aliases_without_end(text):
    with pytest.raises(ValueError, match="its aliases stand for more than"):
        of_yaml(text)
