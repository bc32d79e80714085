"""Whether two models differ, the user being the unit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def paired_test(values: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """Compare per-user values of two models, the user being the unit.

    Args:
        values: (n_users,), or (n_seeds, n_users), whose mean over seeds is compared.
        reference: likewise, the same users in the same order.

    Returns:
        ``{"difference", "t_p", "wilcoxon_p"}``: mean difference and two-sided p values.
    """
    ours, theirs = (np.atleast_2d(np.asarray(one, np.float64)).mean(axis=0) for one in (values, reference))
    difference = ours - theirs
    if not difference.any():
        return {"difference": 0.0, "t_p": 1.0, "wilcoxon_p": 1.0}
    from scipy import stats  # slow to import, and for comparisons alone

    return {
        "difference": float(difference.mean()),
        "t_p": float(stats.ttest_1samp(difference, 0.0).pvalue),
        "wilcoxon_p": float(stats.wilcoxon(difference).pvalue),
    }


def holm(values: Sequence[float]) -> list[float]:
    """Correct p values by Holm's step-down procedure (1979), which bounds the chance of any false finding."""
    given = np.asarray(values, np.float64)
    order = given.argsort(kind="stable")
    stepped = np.maximum.accumulate(given[order] * np.arange(len(given), 0, -1)).clip(max=1)
    corrected = np.empty_like(stepped)
    corrected[order] = stepped
    return [float(value) for value in corrected]
