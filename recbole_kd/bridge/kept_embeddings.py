"""Embeddings that RecBole's graph models keep between two scorings (``restore_*``), and one propagation for many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn

_PREFIX = "restore_"


def is_kept_embedding(name: str) -> bool:
    """Whether an attribute holds what a model computes anew when it needs it."""
    return name.startswith(_PREFIX)


def forget_embeddings(model: nn.Module) -> None:
    """Have the model compute its embeddings anew when it scores next, its submodules likewise."""
    for module in model.modules():
        for name in vars(module):
            if is_kept_embedding(name):
                setattr(module, name, None)


def other_values(model: Any) -> dict[str, Any]:
    """What RecBole's models keep beside their parameters (``other_parameter``), without kept embeddings."""
    return {name: value for name, value in (model.other_parameter() or {}).items() if not is_kept_embedding(name)}


def without_embeddings(other: Mapping[str, Any]) -> dict[str, Any]:
    """An ``other_parameter`` with None for kept embeddings, which are made again when needed."""
    return {name: None if is_kept_embedding(name) else value for name, value in other.items()}


@contextmanager
def propagate_once(model: nn.Module) -> Iterator[None]:
    """Within the block, every call of ``model.forward()`` without arguments returns the first one's tensors.

    A graph student's forward is its propagation, so the base loss and all distillation losses share one pass and
    one backward. Models whose forward takes arguments are left alone.
    """
    forward = model.forward
    kept: list[Any] = []

    def once(*args: Any, **kwargs: Any) -> Any:
        if args or kwargs:
            return forward(*args, **kwargs)
        if not kept:
            kept.append(forward())
        return kept[0]

    model.forward = once
    try:
        yield
    finally:
        del model.forward
