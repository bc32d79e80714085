"""Reading a checkpoint that stock RecBole saved, without running anything that it names.

RecBole pickles its whole ``Config`` beside the weights, so PyTorch's safe loader refuses the file, and its other one
runs whatever the file says. Here the tensors are built from the records of :mod:`recbole_kd.foundation.pickles`, with
their sizes checked against the file.
"""

from __future__ import annotations

import os
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recbole_kd.bridge.checkpoint import is_archive, load_checkpoint
from recbole_kd.bridge.checkpoint_schema import Damaged, check_finite, check_state, trusted_config
from recbole_kd.bridge.kept_embeddings import is_kept_embedding
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.files import check_checkpoint
from recbole_kd.foundation.pickles import Record, Sealed, Stored, number_of, read_pickle

_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # how files of PyTorch before 1.6 begin
_VALUES_AT_MOST = 100_000  # of a config; a pickle can make a list of lists that takes for ever to walk


def load_any_checkpoint(path: str | os.PathLike[str], device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a checkpoint of :func:`recbole_kd.bridge.checkpoint.save_checkpoint` or of stock RecBole.

    Args:
        path: the file.
        device: where the tensors go.

    Returns:
        ``state_dict`` (tensors by name), ``other_parameter`` (of stock RecBole only the tensors and plain values, with
        embeddings kept between two scorings as ``None``), ``config`` (plain values; others are left out), and what else
        there is of ``epoch`` and ``best_valid_score``, in our own checkpoints everything.

    Raises:
        UserError: the file is missing, empty, cut short, damaged, no checkpoint, or in PyTorch's format of before 1.6;
            its weights are no numbers, or a name in its config would lead to another folder.
    """
    path = Path(path)
    check_checkpoint(path)
    if not is_archive(path):
        with path.open("rb") as stream:
            if stream.read(len(_LEGACY)) == _LEGACY:
                raise UserError(f"{path} is in the format of PyTorch before 1.6; save it again with a newer one")
        raise UserError(f"{path} is not a whole checkpoint; copy it again")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about the pickle protocol that RecBole takes
        try:
            return _checked(load_checkpoint(path, device), path)
        except Damaged:
            raise
        except UserError:
            pass  # RecBole's
    try:
        with zipfile.ZipFile(path) as archive:
            state = _Archive(archive, device).load()
    except Exception:  # a damaged file makes zipfile, pickle and PyTorch raise nearly anything
        raise UserError(f"{path} is cut short or no checkpoint of a model; copy it again") from None
    check_state(state, path)
    return _checked(state, path)


def _checked(state: dict[str, Any], path: Path) -> dict[str, Any]:
    for key in ("other_parameter", "config"):
        state[key] = state[key] if isinstance(state.get(key), dict) else {}
    check_finite(state, path)
    return {**state, "config": trusted_config(state["config"], path)}


_DTYPES = {
    f"torch.{name}Storage": dtype
    for name, dtype in {
        **{"Double": torch.float64, "Float": torch.float32, "Half": torch.float16, "BFloat16": torch.bfloat16},
        **{"Long": torch.int64, "Int": torch.int32, "Short": torch.int16, "Char": torch.int8, "Byte": torch.uint8},
        "Bool": torch.bool,
    }.items()
}


class _Archive:
    """A file of ``torch.save``: ``NAME/data.pkl`` and the tensors' bytes as ``NAME/data/KEY``, none compressed."""

    def __init__(self, archive: zipfile.ZipFile, device: torch.device | str) -> None:
        names = [name for name in archive.namelist() if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(names) != 1 or any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
            raise ValueError("not written by torch.save")
        self._archive = archive
        self._folder = names[0].removesuffix("data.pkl")
        self._device = device
        self._buffers: dict[str, Tensor] = {}

    def load(self) -> dict[str, Any]:
        """What is wanted of the file's dictionary."""
        order = f"{self._folder}byteorder"
        if order in self._archive.namelist() and self._archive.read(order) != b"little":
            raise ValueError("big-endian")
        found = read_pickle(self._archive.read(f"{self._folder}data.pkl"))
        if not isinstance(found, dict):
            raise ValueError("no dictionary")
        state = {key: _plain(found[key]) for key in ("epoch", "best_valid_score") if key in found}
        return {
            **{key: value for key, value in state.items() if value is not None},
            "state_dict": dict(self._tensors(found.get("state_dict"))),
            "other_parameter": self._other(found.get("other_parameter")),
            "config": _config(found.get("config")),
        }

    def _tensors(self, value: Any) -> Iterator[tuple[str, Tensor]]:
        for name, record in _entries(value).items():
            if not isinstance(name, str) or not _is_tensor(record):
                raise ValueError("a state_dict holds tensors by name")
            yield name, self._tensor(record)

    def _other(self, value: Any) -> dict[str, Any]:
        """Tensors and plain values; embeddings that models keep between two scorings are made again when needed."""
        other: dict[str, Any] = {}
        for name, item in _entries(value).items():
            if not isinstance(name, str):
                continue
            if item is None or is_kept_embedding(name):
                other[name] = None
            elif _is_tensor(item):
                other[name] = self._tensor(item)
            elif (plain := _plain(item)) is not None:
                other[name] = plain
        return other

    def _tensor(self, record: Record) -> Tensor:
        if record.place == "torch._utils._rebuild_parameter":
            return self._tensor(record.args[0])
        stored, offset, size, stride = record.args[:4]
        size, stride = (tuple(map(_integer, _sequence(numbers))) for numbers in (size, stride))
        # as_strided refuses what lies outside the buffer
        return self._buffer(stored).as_strided(size, stride, _integer(offset))

    def _buffer(self, stored: Any) -> Tensor:
        """All values of a storage; tensors that share one share it again."""
        if not isinstance(stored, Stored) or stored.args[0] != "storage":
            raise ValueError("no storage")
        dtype, key = _DTYPES[stored.args[1].place], stored.args[2]
        if not isinstance(key, str):
            raise ValueError("no name of a storage")
        if key not in self._buffers:
            content = bytearray(self._archive.read(f"{self._folder}data/{key}"))
            values = torch.frombuffer(content, dtype=dtype) if content else torch.empty(0, dtype=dtype)
            self._buffers[key] = values.to(self._device)
        if self._buffers[key].dtype != dtype:
            raise ValueError("one storage of two types")
        return self._buffers[key]


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Record) and value.place in (
        "torch._utils._rebuild_tensor_v2",
        "torch._utils._rebuild_parameter",
    )


def _entries(value: Any) -> dict[Any, Any]:
    """The content of a dict or an ``OrderedDict``."""
    if isinstance(value, Record) and value.place == "collections.OrderedDict":
        return value.entries
    return value if isinstance(value, dict) else {}


def _sequence(value: Any) -> tuple[Any, ...]:
    """A tuple, also as ``torch.Size``."""
    if isinstance(value, Record) and value.place == "torch.Size":
        value = value.args[0]
    if not isinstance(value, tuple):
        raise ValueError("no sizes")
    return value


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise ValueError("no integer")
    return value


def _config(value: Any) -> dict[str, Any]:
    """The values of a RecBole ``Config``, or of a plain dict, that are plain."""
    if isinstance(value, Record):
        state = value.state[0] if isinstance(value.state, tuple) and value.state else value.state
        value = state.get("final_config_dict") if isinstance(state, dict) else None
    plain = _plain(value) if isinstance(value, dict) else {}
    return plain if isinstance(plain, dict) else {}


def _plain(value: Any) -> Any:
    """Numbers, strings, bools and containers of them; what is none of these is left out of its container, or None."""
    left = [_VALUES_AT_MOST]

    def copy(value: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise ValueError("too many values")
        if isinstance(value, Record):
            value = _known(value)
        if isinstance(value, dict):
            return {str(key): copy(item) for key, item in value.items() if _is_key(key) and not _unknown(item)}
        if isinstance(value, list | tuple | set | frozenset):
            return [copy(item) for item in value if not _unknown(item)]
        return value if isinstance(value, str | int | float | bool) else None

    return None if _unknown(value) else copy(value)


def _is_key(value: Any) -> bool:
    return isinstance(value, str | int | float | None)


def _unknown(value: Any) -> bool:
    return isinstance(value, Sealed) or (isinstance(value, Record) and _known(value) is None)


def _known(record: Record) -> Any:
    """The value of a record of a harmless class, else None."""
    if record.place in ("torch.device", "torch.Size", "builtins.set", "builtins.frozenset", "__builtin__.set"):
        return record.args[0] if record.args else None
    if record.place == "collections.OrderedDict":
        return record.entries
    try:
        return number_of(record)
    except ValueError:
        return None
