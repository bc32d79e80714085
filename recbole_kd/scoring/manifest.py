"""What a teacher cache's folder must hold, and whether it does."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from recbole_kd.foundation.digest import sha256_of_file, sha256_of_values
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.files import write_json
from recbole_kd.foundation.npy import Header, NpyError, open_array, read_header

FORMAT = 1
MANIFEST = "manifest.json"
BUILDING = "building.json"
DTYPES = ("float16", "float32")

_DAMAGED = "delete the folder and build the cache again"


@dataclass(frozen=True)
class Layout:
    """The values that decide which files a cache has, and their shapes up to the width of the factors.

    ``kind`` is ``"factors"`` or ``"scores"``, ``dtype`` that of the factors or scores, ``topk`` the best items kept of
    each user, ``shard_users`` the users of a shard (the last may have fewer).
    """

    kind: str
    dtype: str
    n_users: int
    n_items: int
    topk: int
    mask_train_positives: bool
    shard_users: int

    @property
    def factorised(self) -> bool:
        """Whether the scores are dot products of stored factors."""
        return self.kind == "factors"

    @property
    def n_shards(self) -> int:
        """How many shards the users fill."""
        return math.ceil(self.n_users / self.shard_users)

    def users_of(self, shard: int) -> range:
        """The users of a shard."""
        return range(shard * self.shard_users, min((shard + 1) * self.shard_users, self.n_users))

    def n_files(self) -> int:
        """How many files :meth:`files` names."""
        return self.n_shards + (2 if self.factorised else self.n_shards)

    def files(self, width: int) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shape and dtype of every file by its name, for factors of ``width`` columns."""
        found: dict[str, tuple[tuple[int, ...], str]] = {}
        if self.factorised:
            found["users.npy"] = (self.n_users, width), self.dtype
            found["items.npy"] = (self.n_items, width), self.dtype
        for shard in range(self.n_shards):
            rows = len(self.users_of(shard))
            if not self.factorised:
                found[scores_file(shard)] = (rows, self.n_items), self.dtype
            found[topk_file(shard)] = (rows, self.topk), "int32"
        return found


def decisive(identity: Mapping[str, Any]) -> dict[str, Any]:
    """An identity without the teacher's config, which has values of no effect; the weights' digest says it all."""
    return {key: value for key, value in identity.items() if key != "config"}


def scores_file(shard: int) -> str:
    """The name of a dense cache's block of scores."""
    return f"scores-{shard:05d}.npy"


def topk_file(shard: int) -> str:
    """The name of a block of best items."""
    return f"topk-{shard:05d}.npy"


@dataclass(frozen=True)
class Entry:
    """One file: its checksum, its size on disk, and its array's shape and dtype."""

    sha256: str
    bytes: int
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Manifest:
    """The content of ``manifest.json``."""

    layout: Layout
    identity: dict[str, Any]
    record: dict[str, Any]
    files: dict[str, Entry]

    def write(self, folder: Path) -> None:
        """Write ``manifest.json``, whole or not at all."""
        files = {name: asdict(entry) for name, entry in self.files.items()}
        values = {"format": FORMAT, **asdict(self.layout), "identity": self.identity, "record": self.record}
        write_json(folder / MANIFEST, {**values, "files": files})

    def digest(self) -> str:
        """A sha256 over everything that decides a value read from the cache: files, layout and identity."""
        files = {name: entry.sha256 for name, entry in self.files.items()}
        return sha256_of_values([asdict(self.layout), decisive(self.identity), files], sort_keys=True)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        UserError: the file is no JSON, or holds something else.
    """
    try:
        values = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise UserError(f"{path} is not readable as JSON; {_DAMAGED}") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path} holds a JSON {type(values).__name__} where an object was expected; {_DAMAGED}")
    return values


def read_manifest(folder: Path) -> Manifest:
    """Read ``manifest.json`` and check it in itself; no other file is looked at.

    Raises:
        UserError: there is no such folder or no manifest in it, or the manifest is of another format version, no JSON,
            lacks a key, has a value of a wrong type, or lists other files than such a cache has.
    """
    path = folder / MANIFEST
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}; build the teacher cache first, or correct --cache_dir")
    if not path.is_file():
        raise UserError(f"the teacher cache {folder} is unfinished: run the same command again")
    values = read_json(path)
    version = values.get("format")
    if version != FORMAT or isinstance(version, bool):
        raise UserError(
            f"{path} is of format version {version!r} and this release reads {FORMAT}; build the cache again"
        )
    for key, kind in _KEYS.items():
        if key not in values:
            raise UserError(f"{path} lacks the key {key!r}; {_DAMAGED}")
        if not isinstance(values[key], kind) or (kind is int and isinstance(values[key], bool)):
            raise UserError(f"{path}: {key!r} is a {type(values[key]).__name__}, not a {kind.__name__}; {_DAMAGED}")
    layout = Layout(**{key: values[key] for key in Layout.__dataclass_fields__})
    for key in ("n_users", "n_items", "topk", "shard_users"):
        if not 0 < values[key] < 2**31:
            raise UserError(f"{path}: {key!r} is {values[key]}, which no cache has; {_DAMAGED}")
    for key, valid in (("kind", ("factors", "scores")), ("dtype", DTYPES)):
        if values[key] not in valid:
            raise UserError(f"{path}: {key!r} is {values[key]!r}, not one of {', '.join(valid)}; {_DAMAGED}")
    files = {name: _entry(value, name, path) for name, value in values["files"].items()}
    _check_list(layout, files, path)
    return Manifest(layout, values["identity"], values["record"], files)


_KEYS: dict[str, type] = {
    **{"kind": str, "dtype": str, "n_users": int, "n_items": int, "topk": int, "mask_train_positives": bool},
    **{"shard_users": int, "identity": dict, "record": dict, "files": dict},
}


def _entry(value: Any, name: str, path: Path) -> Entry:
    wrong = UserError(f"{path}: the entry of {name!r} is not a sha256, a size, a shape and a dtype; {_DAMAGED}")
    if not isinstance(value, dict) or set(value) != set(Entry.__dataclass_fields__):
        raise wrong
    if not isinstance(value["sha256"], str) or not isinstance(value["dtype"], str) or type(value["bytes"]) is not int:
        raise wrong
    if not isinstance(value["shape"], list) or not all(type(size) is int for size in value["shape"]):
        raise wrong
    return Entry(value["sha256"], value["bytes"], tuple(value["shape"]), value["dtype"])


def _check_list(layout: Layout, files: Mapping[str, Entry], path: Path) -> None:
    """The files are those that the layout asks for: no other name is ever opened, so none leads out of the folder."""
    if len(files) != layout.n_files():  # before a damaged number makes a list of billions
        raise UserError(f"{path} lists {len(files)} files where its values ask for {layout.n_files()}; {_DAMAGED}")
    width = files["users.npy"].shape[-1] if "users.npy" in files and files["users.npy"].shape else 1
    expected = layout.files(width)
    for name, entry in files.items():
        if name not in expected:
            raise UserError(f"{path} lists {name!r}, which does not belong to such a cache; {_DAMAGED}")
        if (entry.shape, entry.dtype) != expected[name] or width < 1:
            raise UserError(f"{path}: {name} has shape {list(entry.shape)} and dtype {entry.dtype}, which does not fit")


def check_files(folder: Path, manifest: Manifest, verify: bool) -> None:
    """Compare every file with its entry; with ``verify`` its checksum too, read in small pieces.

    Raises:
        UserError: a file is missing, cut short, too long, of another shape or dtype, or changed since it was written.
    """
    for name, entry in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise UserError(f"the teacher cache {folder} lacks its file {name}; {_DAMAGED}")
        size = path.stat().st_size
        if size != entry.bytes:
            what = "cut short" if size < entry.bytes else "too long"
            raise UserError(f"{path} is {what}: {size:,} bytes where {entry.bytes:,} were written; {_DAMAGED}")
        if verify and sha256_of_file(path) != entry.sha256:
            raise UserError(f"{path} has changed since it was written: its checksum differs; {_DAMAGED}")
        header = _header(path)
        if (header.shape, header.dtype.name) != (entry.shape, entry.dtype):
            raise UserError(
                f"{path} holds {header.dtype} of shape {list(header.shape)}, not what {MANIFEST} says; {_DAMAGED}"
            )
        if header.file_size != size:
            raise UserError(f"{path} has another size than its header announces; {_DAMAGED}")
        if verify and entry.dtype == "int32" and _outside(path, manifest.layout.n_items):
            raise UserError(f"{path} holds items that there are none of; {_DAMAGED}")


def _outside(path: Path, n_items: int) -> bool:
    items = open_array(path, "r")
    return bool(items.size) and (int(items.min()) < 0 or int(items.max()) >= n_items)


def describe_file(path: Path) -> Entry:
    """Make a file's entry from what is on disk."""
    header = _header(path)
    return Entry(sha256_of_file(path), path.stat().st_size, header.shape, header.dtype.name)


def _header(path: Path) -> Header:
    """The header of one of a cache's files; an object array is refused like any other unknown dtype."""
    try:
        header = read_header(path)
    except (NpyError, OSError):
        header = None
    if header is None or header.fortran or header.dtype.name not in (*DTYPES, "int32") or not header.dtype.isnative:
        raise UserError(f"{path} is no .npy array that a teacher cache holds; {_DAMAGED}")
    return header
