"""Which users and items a model knows, by name, kept in its checkpoint; and how other data differ from them."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from recbole_kd.bridge.histories import interactions_of
from recbole_kd.bridge.recbole import Dataset
from recbole_kd.foundation.digest import sha256_of_values

_PARTS = ("users", "items")
_BYTES_AT_MOST = 2**28  # of all names of one part; a damaged file must not fill the memory
_NAMED = 3


def kept_tokens(dataset: Dataset) -> dict[str, Any]:
    """What a checkpoint keeps beside :func:`recbole_kd.data.identity.identity_of`, which holds digests alone.

    Args:
        dataset: the training part.

    Returns:
        ``users`` and ``items``: the names, in the order of their ids, as compressed UTF-8 lines, uint8 (n_bytes,);
        ``interactions``: how many there are for training.
    """
    packed = {part: _pack(tokens) for part, tokens in _tokens_of(dataset).items()}
    return {**packed, "interactions": len(interactions_of(dataset))}


def difference(state: Mapping[str, Any], here: Mapping[str, Any], dataset: Dataset) -> tuple[str, str] | None:
    """How the data of a checkpoint differ from a data set.

    Args:
        state: the checkpoint; ``data`` is its identity, and ``tokens`` what :func:`kept_tokens` gave, which those of
            release 0.1.0 have not.
        here: identity of the data set.
        dataset: its training part.

    Returns:
        What differs, such as ``other users and items``, and how, such as ``1 item is new here ('i9')``, which is empty
        where the checkpoint does not tell; None where nothing differs, or the checkpoint says nothing of its data.
    """
    recorded = state.get("data")
    if not isinstance(recorded, Mapping):
        return None
    kept = state.get("tokens")
    kept = kept if isinstance(kept, Mapping) else {}
    other = [part for part in _PARTS if recorded.get(part) != here[part]]
    if other:
        there = {part: _unpack(kept.get(part), recorded.get(part)) for part in other}
        how = [_how(part[:-1], there[part], tokens) for part, tokens in _tokens_of(dataset).items() if part in other]
        return f"other {' and '.join(other)}", "; ".join(filter(None, how))
    if recorded.get("train") == here["train"]:
        return None
    count, found = kept.get("interactions"), len(interactions_of(dataset))
    told = isinstance(count, int) and count != found
    return "other training interactions", f"{count:,} there and {found:,} here" if told else ""


def sizes_differ(state: Mapping[str, Any], model: Any, dataset: Dataset) -> str:
    """How the numbers of users and items in a checkpoint's weights differ, where that is why they do not fit.

    Args:
        state: the checkpoint, with ``state_dict``.
        model: of the same class, made for the data set.
        dataset: its training part.

    Returns:
        ``it was trained with 24 items, and here are 25``; empty where the sizes say nothing of the data.
    """
    mine, theirs = model.state_dict(), state.get("state_dict") or {}
    said = []
    for what, count in (("users", dataset.user_num), ("items", dataset.item_num)):
        rows = {
            len(theirs[name])
            for name, value in mine.items()
            if what[:-1] in name and name in theirs and value.dim() and len(value) == count and theirs[name].dim()
        }
        if len(rows) == 1 and rows != {count}:
            said.append(f"{rows.pop() - 1:,} {what}, and here are {count - 1:,}")
    return f"it was trained with {'; with '.join(said)}" if said else ""


def _tokens_of(dataset: Dataset) -> dict[str, list[str]]:
    fields = zip(_PARTS, (dataset.uid_field, dataset.iid_field), strict=True)
    return {part: [str(token) for token in dataset.field2id_token[field]] for part, field in fields}


def _pack(tokens: Sequence[str]) -> Tensor:
    content = zlib.compress("\n".join(tokens).encode("utf-8", "surrogatepass"))
    return torch.frombuffer(bytearray(content), dtype=torch.uint8)


def _unpack(packed: Any, digest: Any) -> list[str] | None:
    """The names, if they are there and have the digest that the checkpoint's identity gives."""
    if not isinstance(packed, Tensor) or packed.dtype != torch.uint8:
        return None
    try:
        content = zlib.decompressobj().decompress(packed.cpu().numpy().tobytes(), _BYTES_AT_MOST)
        tokens = content.decode("utf-8", "surrogatepass").split("\n")
    except (zlib.error, UnicodeDecodeError):
        return None
    return tokens if sha256_of_values(tokens) == digest else None


def _how(what: str, there: Sequence[str] | None, here: Sequence[str]) -> str:
    if there is None:
        return ""
    gone, new = _without(there, here), _without(here, there)
    said = [f"{_count(gone, what)} not here ({_some(gone)})"] * bool(gone)
    said += [f"{_count(new, what)} new here ({_some(new)})"] * bool(new)
    return ", ".join(said) or f"the same {len(here) - 1:,} {what}s in another order"


def _without(tokens: Sequence[str], others: Sequence[str]) -> list[str]:
    left_out = set(others)
    return [token for token in tokens if token not in left_out]


def _count(tokens: Sequence[str], what: str) -> str:
    return f"{len(tokens):,} {what}{'s are' if len(tokens) > 1 else ' is'}"


def _some(tokens: Sequence[str]) -> str:
    return ", ".join(map(repr, tokens[:_NAMED])) + ", …" * (len(tokens) > _NAMED)
