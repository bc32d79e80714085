"""Turning sparse word counts or titles into a dense text modality: TF-IDF, then a truncated SVD."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy import sparse


def counts_to_text(counts: sparse.csr_matrix, dim: int, seed: int = 2020) -> np.ndarray:
    """Reduce a bag of words.

    Args:
        counts: (items, words) word counts.
        dim: columns wanted; fewer come out where the matrix is smaller.
        seed: of the randomised SVD.

    Returns:
        float32 (items, dim); an item without words has a zero row.
    """
    from sklearn.feature_extraction.text import TfidfTransformer

    return _reduce(TfidfTransformer(sublinear_tf=True).fit_transform(counts), dim, seed)


def titles_to_text(titles: Sequence[str], dim: int, seed: int = 2020) -> np.ndarray:
    """Reduce short texts by their words and their character n-grams.

    Args:
        titles: one text an item.
        dim: columns wanted; fewer come out where there are few texts.
        seed: of the randomised SVD.

    Returns:
        float32 (items, dim).
    """
    from scipy import sparse
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")  # no password  # nosec B106
    # n-grams find "Star Trek II" near "Star Trek: First Contact", and survive inflected forms
    grams = TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(3, 5), min_df=2)
    return _reduce(sparse.hstack([words.fit_transform(titles), grams.fit_transform(titles)]).tocsr(), dim, seed)


def _reduce(weights: sparse.csr_matrix, dim: int, seed: int) -> np.ndarray:
    from sklearn.decomposition import TruncatedSVD

    # the randomised solver needs more columns than it returns
    dim = max(1, min(dim, weights.shape[0] - 1, weights.shape[1] - 1))
    found: np.ndarray = TruncatedSVD(dim, random_state=seed).fit_transform(weights).astype(np.float32)
    return found
