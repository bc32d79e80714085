"""Strangers' ``.npy`` and ``.npz`` files: the header first, the data memory-mapped, nothing ever unpickled."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import numpy as np

_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
    (3, 0): np.lib.format.read_array_header_2_0,  # it differs in the encoding of field names, and fields are not ours
}


class NpyError(ValueError):
    """What is wrong with a file, as the end of a sentence that begins with its name: "is an empty file; …"."""


class Header(NamedTuple):
    """What a ``.npy`` file says of its array; the data begin at byte ``offset``."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    offset: int

    @property
    def file_size(self) -> int:
        """Bytes of a whole file with this header."""
        return self.offset + math.prod(self.shape) * self.dtype.itemsize


def read_header(path: Path) -> Header:
    """Read a header without touching the data.

    Raises:
        NpyError: the file is missing, empty, cut short inside its header, or no ``.npy`` file.
        OSError: it cannot be read.
    """
    if not path.is_file():
        raise NpyError("does not exist")
    if path.stat().st_size == 0:
        raise NpyError("is an empty file; copy it again")
    with path.open("rb") as stream:
        return _header(stream)


def _header(stream: IO[bytes]) -> Header:
    start = stream.read(len(np.lib.format.MAGIC_PREFIX))
    if start != np.lib.format.MAGIC_PREFIX:
        if np.lib.format.MAGIC_PREFIX.startswith(start):
            raise NpyError("is cut short inside its header; copy it again")
        raise NpyError(f"is not a .npy file (it starts with {start!r}); write it with numpy.save as a float32 matrix")
    stream.seek(0)
    try:
        version = np.lib.format.read_magic(stream)
        if version not in _READERS:
            raise ValueError(f"version {version}")
        header = Header(*_READERS[version](stream), stream.tell())
    except Exception as error:  # a damaged header makes NumPy raise nearly anything
        if "EOF" in str(error):
            raise NpyError("is cut short inside its header; copy it again") from error
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise NpyError(f"has a broken .npy header ({reason}); write it again with numpy.save") from error
    if not all(type(size) is int and size >= 0 for size in header.shape):
        raise NpyError(f"has a broken .npy header (shape {header.shape}); write it again with numpy.save")
    return header


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read all arrays of a ``.npz`` file, each checked against its checksum, and its header against its size.

    Raises:
        NpyError: the file is missing, damaged in any way, or holds Python objects.
    """
    if not path.is_file():
        raise NpyError("does not exist")
    try:
        with zipfile.ZipFile(path) as archive:
            return {part.filename.removesuffix(".npy"): _array(archive, part) for part in archive.infolist()}
    except Exception as error:  # a damaged archive makes zipfile, zlib and NumPy raise nearly anything
        raise NpyError("is damaged; delete it") from error


def _array(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(part) as stream:
        header = _header(stream)
        if header.dtype.hasobject or header.file_size != part.file_size:
            raise ValueError(part.filename)
        content = stream.read()  # to its end, where zipfile compares the checksum
    values = np.frombuffer(bytearray(content), header.dtype)
    return values.reshape(header.shape, order="F" if header.fortran else "C")


def write_header(stream: IO[bytes], shape: tuple[int, ...], dtype: str) -> None:
    """Begin a ``.npy`` file whose rows are written afterwards."""
    descr = np.lib.format.dtype_to_descr(np.dtype(dtype))
    np.lib.format.write_array_header_1_0(stream, {"descr": descr, "fortran_order": False, "shape": shape})


def open_array(path: Path, mode: Literal["r", "c"] = "c") -> np.ndarray:
    """Memory-map an array: read-only, or (``"c"``) so that whoever writes to it writes to a copy of his own."""
    found: np.ndarray = np.load(path, mmap_mode=mode, allow_pickle=False)
    return found
