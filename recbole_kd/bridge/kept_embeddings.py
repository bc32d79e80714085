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
    """What RecBole's models keep beside their parameters (``other_parameter``), without kept embeddings and layers."""
    others = _no_layers(model.other_parameter() or {})
    return {name: value for name, value in others.items() if not is_kept_embedding(name)}


def without_embeddings(other: Mapping[str, Any]) -> dict[str, Any]:
    """An ``other_parameter`` with None for kept embeddings, which are made again when needed."""
    return {name: None if is_kept_embedding(name) else value for name, value in _no_layers(other).items()}


def _no_layers(other: Mapping[str, Any]) -> dict[str, Any]:
    """Without the layers that SASRecF and its like name there, whose parameters are the model's."""
    return {name: value for name, value in other.items() if not isinstance(value, nn.Module)}


@contextmanager
def propagate_once(model: nn.Module) -> Iterator[None]:
    """Within the block, every call of ``model.forward()`` without arguments returns the first one's tensors.

    A graph student's forward is its propagation, so the base loss and all distillation losses share one pass and
    one backward. So do they that of a model which says ``encodes_once``: of the same tensors its forward is the same.
    Other models whose forward takes arguments are left alone.
    """
    forward, encodes_once = model.forward, getattr(model, "encodes_once", False)
    kept: dict[tuple[int, ...], tuple[Any, Any]] = {}

    def once(*args: Any, **kwargs: Any) -> Any:
        if kwargs or (args and not encodes_once):
            return forward(*args, **kwargs)
        which = tuple(map(id, args))
        if which not in kept:
            kept[which] = args, forward(*args)  # with the tensors, so that no other one gets their ids
        return kept[which][1]

    model.forward = once
    try:
        yield
    finally:
        del model.forward
