"""Pictures by a transformers model: prepared by its own processor with Pillow, pooled as its kind is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recbole_kd.data.content.blocks import Block
from recbole_kd.data.content.encoder import Identity
from recbole_kd.data.content.model_files import check_model, find_folder, identity_of
from recbole_kd.data.content.opening import NoPicture, open_picture
from recbole_kd.foundation.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor, nn


class Vision:
    """An encoder of pictures; see :class:`~recbole_kd.data.content.encoder.Encoder`."""

    def __init__(
        self,
        identity: Identity,
        module: nn.Module,
        prepare: Callable[[Sequence[Image]], Tensor],
        pooled: Callable[[Tensor], Tensor],
        device: Any,
        batch_size: int,
        size: int,
    ) -> None:
        """Args:
        identity: of the model.
        module: in evaluation mode, on ``device``.
        prepare: pictures to float32 (n, 3, height, width).
        pooled: these to (n, width).
        device: of PyTorch.
        batch_size: pictures that the model works on at once.
        size: pixels that the shorter side of a picture needs.
        """
        self.identity, self.module = identity, module
        self._prepare, self._pooled, self._device = prepare, pooled, device
        self._batch_size, self._size = batch_size, size
        self.settings: dict[str, Any] = {"batch_size": batch_size, "size": size}
        from PIL import Image

        self.width = int(self._rows([Image.new("RGB", (size, size))]).shape[1])

    def __call__(self, inputs: Sequence[tuple[str, Path]], /) -> Block:
        """The rows of pictures, each with its item's token; one that cannot be read has none."""
        kept = np.zeros(len(inputs), dtype=bool)
        rows = [np.zeros((0, self.width), dtype=np.float32)]
        broken: list[str] = []
        batch: list[Image] = []
        for position, (_, path) in enumerate(inputs):
            try:
                batch.append(open_picture(path, self._size))
                kept[position] = True
            except NoPicture as why:
                broken.append(f"{path.name}: {why}")
            if len(batch) == self._batch_size:
                rows.append(self._rows(batch))
                batch = []
        if batch:
            rows.append(self._rows(batch))
        notes = {"pictures that cannot be read, left out": broken} if broken else {}
        return Block(np.concatenate(rows), kept, notes)

    def _rows(self, batch: Sequence[Image]) -> np.ndarray:
        import torch

        with torch.inference_mode():
            rows = self._pooled(self._prepare(batch).to(self._device))
        found: np.ndarray = rows.float().cpu().numpy()
        return found


def load_vision(name: str, device: Any, batch_size: int) -> Vision:
    """Load a model of a folder, a package or the hub, in float32.

    Args:
        name: see :func:`~recbole_kd.data.content.model_files.find_folder`.
        device: of PyTorch.
        batch_size: see :class:`Vision`.

    Raises:
        UserError: there is none, it is not plain, its file lacks weights, or the library cannot load it.
    """
    folder = find_folder(name)
    check_model(folder, name)
    import torch
    from transformers import AutoImageProcessor, AutoModel  # slow to import, and not for a model that is refused
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # of the library, about weights that are read in a second
    plain: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
    try:
        # from a folder that was checked, and not from a hub
        processor = AutoImageProcessor.from_pretrained(str(folder), backend="pil", **plain)  # nosec B615
        how = {"use_safetensors": True, "dtype": torch.float32, "output_loading_info": True, **plain}
        model, told = AutoModel.from_pretrained(str(folder), **how)  # nosec B615
        model = model.to(device).eval()
        lacking = sorted(map(str, told["missing_keys"]))
        pooled = _pooling(model, [key for key in lacking if "pooler" in key])
        lacking = [key for key in lacking if "pooler" not in key]
        if lacking:
            raise UserError(
                f"encoder={name} lacks {len(lacking):,} of its weights (first: {lacking[0]}), which would be random; "
                "give a whole model"
            )

        def prepare(batch: Sequence[Image]) -> Tensor:
            found: Tensor = processor(images=list(batch), return_tensors="pt")["pixel_values"]
            return found

        return Vision(identity_of(folder, name), model, prepare, pooled, device, batch_size, _size_of(processor))
    except (UserError, MemoryError):
        raise
    except Exception as error:  # a broken model makes the library raise nearly anything
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise UserError(f"encoder={name} cannot be loaded as a model of pictures ({reason}); give another") from error


def _size_of(processor: Any) -> int:
    """The longest side that a processor asks for; 224 where it says nothing."""
    sizes = [getattr(processor, name, None) or {} for name in ("size", "crop_size")]
    numbers = [value for size in sizes for value in dict(size).values() if isinstance(value, int)]
    return max(numbers, default=224)


def _pooling(model: Any, random: Sequence[str]) -> Callable[[Tensor], Tensor]:
    """How pictures become rows.

    That of a pair of texts and pictures (CLIP) has a projection. Else it is the model's own pooled output, or the class
    token where the pooling layer's weights are not in the file, or the mean over tokens or places.

    Args:
        model: of transformers.
        random: weights of the pooling layer that are not in its file.
    """
    if hasattr(model, "get_image_features"):
        return lambda pixels: _tensor(model.get_image_features(pixel_values=pixels))
    has_class = any("cls_token" in key or "class_embedding" in key for key, _ in model.named_parameters())

    def pooled(pixels: Tensor) -> Tensor:
        found = model(pixel_values=pixels)
        whole: Tensor | None = getattr(found, "pooler_output", None)
        if whole is not None and not random:
            return whole.flatten(1)
        hidden: Tensor = found.last_hidden_state
        if hidden.ndim == 4:
            return hidden.mean((2, 3))
        return hidden[:, 0] if has_class else hidden.mean(1)

    return pooled


def _tensor(found: Any) -> Tensor:
    """Of what a version of the library returns: a tensor, or an output that holds one."""
    pooled: Tensor = getattr(found, "pooler_output", found)
    return pooled
