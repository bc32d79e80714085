"""Texts by a sentence-transformers model: truncated as it does, or cut into pieces whose mean is taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from recbole_kd.data.content.blocks import Block
from recbole_kd.data.content.encoder import Identity
from recbole_kd.data.content.model_files import check_model, find_folder, identity_of
from recbole_kd.data.content.windows import windows
from recbole_kd.foundation.errors import UserError

_UNIT = 1e-3  # how far from 1 the length of a normalised row may be


class Sentences:
    """An encoder of texts; see :class:`~recbole_kd.data.content.encoder.Encoder`."""

    def __init__(self, identity: Identity, model: Any, batch_size: int, long: str) -> None:
        """Args:
        identity: of the model.
        model: a ``SentenceTransformer``.
        batch_size: texts that it works on at once.
        long: ``truncate`` or ``mean``, for texts of more tokens than the model reads. The mean is that of the pieces'
            rows, weighted by their tokens, and of length 1 where theirs are.

        Raises:
            UserError: ``mean`` is asked of a tokenizer that does not say where its tokens are.
        """
        self.identity, self.module = identity, model
        self._batch_size, self._long = batch_size, long
        tokenizer = model.tokenizer
        most = getattr(model, "max_seq_length", None)
        self._size = max(int(most) - tokenizer.num_special_tokens_to_add(), 1) if most else None
        if long == "mean" and not getattr(tokenizer, "is_fast", False):
            raise UserError(f"encoder={identity.name} has a slow tokenizer, with which --long=mean does not work")
        self.settings: dict[str, Any] = {"batch_size": batch_size, "long": long, "tokens": self._size}
        self.width = len(self._encode(["a"])[0])

    def __call__(self, inputs: Sequence[tuple[str, str]], /) -> Block:
        """The rows of texts, each with its item's token; every text has one."""
        longer: list[str] = []
        pieces: list[tuple[str, int]] = []
        owners: list[int] = []
        for position, (token, text) in enumerate(inputs):
            offsets = self._offsets(text)
            if offsets is not None:
                longer.append(token)
            cut = windows(text, offsets, self._size) if offsets and self._size and self._long == "mean" else [(text, 1)]
            pieces += cut
            owners += [position] * len(cut)
        rows = self._encode([text for text, _ in pieces])
        how = "cut off" if self._long == "truncate" else "read in pieces"
        notes = {f"texts longer than the {self._size} tokens that the encoder reads, {how}": longer} if longer else {}
        if len(pieces) > len(inputs):
            rows = _means(rows, np.array(owners), np.array([weight for _, weight in pieces]), len(inputs))
        return Block(rows, np.ones(len(inputs), dtype=bool), notes)

    def _offsets(self, text: str) -> list[tuple[int, int]] | None:
        """Where the tokens of a text are, if there are more than the model reads."""
        if self._size is None or len(text.encode()) <= self._size:  # a token has a byte at least
            return None
        tokenizer = self.module.tokenizer
        fast = bool(getattr(tokenizer, "is_fast", False))
        read = tokenizer(
            text, add_special_tokens=False, truncation=False, return_offsets_mapping=fast, verbose=False, padding=False
        )
        if len(read["input_ids"]) <= self._size:
            return None
        return list(read["offset_mapping"]) if fast else []

    def _encode(self, texts: list[str]) -> np.ndarray:
        rows = self.module.encode(texts, batch_size=self._batch_size, show_progress_bar=False, convert_to_numpy=True)
        return np.asarray(rows, dtype=np.float32)


def _means(rows: np.ndarray, owners: np.ndarray, weights: np.ndarray, count: int) -> np.ndarray:
    """The weighted mean of the rows of each owner: float32 (count, width)."""
    lengths = np.linalg.norm(rows, axis=1)
    sums = np.zeros((count, rows.shape[1]))
    np.add.at(sums, owners, rows.astype(np.float64) * weights[:, None])
    means = sums / np.bincount(owners, weights, count)[:, None]
    if np.abs(lengths - 1).max() < _UNIT:
        means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    return means.astype(np.float32)


def load_sentences(name: str, device: Any, batch_size: int, long: str) -> Sentences:
    """Load a model of a folder, a package or the hub, in float32.

    Args:
        name: see :func:`~recbole_kd.data.content.model_files.find_folder`.
        device: of PyTorch.
        batch_size: see :class:`Sentences`.
        long: likewise.

    Raises:
        UserError: there is none, it is not plain, or the library cannot load it.
    """
    folder = find_folder(name)
    check_model(folder, name)
    import torch
    from sentence_transformers import SentenceTransformer  # slow to import, and not for a model that is refused
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # of the library, about weights that are read in a second
    try:
        model = SentenceTransformer(
            str(folder),
            device=str(device),
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"use_safetensors": True, "dtype": torch.float32},
        )
        model.eval()
        return Sentences(identity_of(folder, name), model, batch_size, long)
    except (UserError, MemoryError):
        raise
    except Exception as error:  # a broken model makes the libraries raise nearly anything
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise UserError(f"encoder={name} cannot be loaded as a model of texts ({reason}); give another") from error
