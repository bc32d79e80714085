import re

from hypothesis import given
from hypothesis import strategies as st

from recbole_kd.data.content.windows import windows


def tokens(text: str) -> list[tuple[int, int]]:
    """Pieces of words of three letters at most, as a tokenizer has them."""
    return [found.span() for found in re.finditer(r"\w{1,3}", text)]


def test_a_piece_ends_between_words():
    text = "aaabbb ccc dddeee fff"
    assert windows(text, tokens(text), 4) == [("aaabbb ccc", 3), ("dddeee fff", 3)]


def test_a_word_longer_than_a_piece_is_cut():
    assert windows("a" * 12, tokens("a" * 12), 2) == [("a" * 6, 2), ("a" * 6, 2)]


@given(text=st.text("ab ", max_size=60), size=st.integers(1, 9))
def test_pieces_hold_all_tokens_in_order(text, size):
    pieces = windows(text, tokens(text), size)
    assert sum(count for _, count in pieces) == len(tokens(text))
    assert all(1 <= count <= size for _, count in pieces)
    assert "".join(piece for piece, _ in pieces).replace(" ", "") == text.replace(" ", "")
    assert all(len(tokens(piece)) == count for piece, count in pieces)
