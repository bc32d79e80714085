"""A test seen apart: items that training has and items that it never saw, with and without a content path."""

from __future__ import annotations

from typing import Any

from recbole_kd.bridge.config import KDConfig
from recbole_kd.bridge.loaders import Loaders, apart_tests, ranks_all_items
from recbole_kd.foundation.plain import plain_values
from recbole_kd.training.content import settle_content, with_content
from recbole_kd.training.record import WITH_CONTENT


def further_tests(trainer: Any, config: KDConfig, loaders: Loaders) -> dict[str, dict[str, float]]:
    """Test metrics of a model whose best weights are loaded, besides those of the whole test.

    Args:
        trainer: the model's.
        config: of the stage.
        loaders: of the stage.

    Returns:
        ``warm`` and ``cold`` of a split that holds items out. With a content path, whose share validation settles
        first, and under a full ranking, ``with content``, ``with content, warm`` and ``with content, cold``. ``{}``
        where there is neither.
    """
    parts = apart_tests(config, loaders)
    found = {name: trainer.evaluate(part, load_best_model=False) for name, part in parts.items()}
    settle_content(trainer, loaders)
    filled = with_content(trainer, loaders)
    if filled is not None and ranks_all_items(loaders.test):
        found[WITH_CONTENT] = trainer.evaluate_as(filled, loaders.test)
        found |= {f"{WITH_CONTENT}, {name}": trainer.evaluate_as(filled, part) for name, part in parts.items()}
    return {name: plain_values(dict(values)) for name, values in found.items()}
