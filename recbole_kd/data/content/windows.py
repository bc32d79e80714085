"""Cutting a text that is longer than a model reads into pieces that it reads whole."""

from __future__ import annotations

from collections.abc import Sequence


def windows(text: str, offsets: Sequence[tuple[int, int]], size: int) -> list[tuple[str, int]]:
    """Return pieces of a text, each with its number of tokens; together they hold all tokens, in order.

    Args:
        text: any.
        offsets: where each token begins and ends, in characters.
        size: tokens of a piece at most. A piece ends between words where it can, so that tokens of a piece are those
            of the text.
    """
    pieces: list[tuple[str, int]] = []
    begin = 0
    while begin < len(offsets):
        end = min(begin + size, len(offsets))
        if end < len(offsets):
            cut = end
            while cut > begin + size // 2 and not _between_words(text, offsets[cut]):
                cut -= 1
            end = cut if cut > begin + size // 2 else end
        pieces.append((text[offsets[begin][0] : offsets[end - 1][1]], end - begin))
        begin = end
    return pieces


def _between_words(text: str, token: tuple[int, int]) -> bool:
    """Whether a token begins a word."""
    start = token[0]
    return start == 0 or text[start - 1].isspace() or text[start : start + 1].isspace()
