"""Where an encoder's files are: a folder, an installed package that carries a model, or a name of the hub.

Nothing in them is run: no code beside the weights, no pickled weights, no package imported for its files' sake.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from recbole_kd.data.content.encoder import Identity
from recbole_kd.foundation.digest import sha256_of_file, sha256_of_values
from recbole_kd.foundation.errors import UserError

WEIGHTS = ".safetensors"
_READ = (".json", ".txt", ".model", ".jinja", WEIGHTS)  # what a model is loaded from, by its ending
_ST_MODULES = ("Transformer", "Pooling", "Normalize", "Dense")
_ON_HUB = ["*.json", "*.txt", "*.model", f"*{WEIGHTS}"]


def find_folder(encoder: str) -> Path:
    """Return the folder of a model's files.

    Args:
        encoder: a folder, the name of an installed package, or ``owner/name`` of the hub, whence the files are fetched.

    Raises:
        UserError: it is none of these, or the hub does not give it.
    """
    folder = Path(encoder).expanduser()
    if folder.is_dir():
        return folder
    if folder.is_file():
        raise UserError(f"encoder={encoder} is a file; give the folder that holds config.json and model{WEIGHTS}")
    carried = carried_folder(encoder)
    if carried is not None:
        return carried
    if encoder.count("/") == 1 and not encoder.startswith((".", "/", "~")):
        return _fetched(encoder)
    raise UserError(
        f"encoder={encoder!r} is no folder, no installed package that carries a model, and no owner/name of the hub; "
        "give one of these"
    )


def carried_folder(package: str) -> Path | None:
    """The folder in an installed package that holds a model; the package is not imported. None where there is none."""
    try:
        files = metadata.files(package) or []
    except (metadata.PackageNotFoundError, ValueError):
        return None
    weights = sorted(Path(str(file.locate())) for file in files if file.name == f"model{WEIGHTS}")
    folders = [path.parent for path in weights if (path.parent / "config.json").is_file()]
    return min(folders, key=lambda folder: len(folder.parts), default=None)


def _fetched(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        # the user names the model; what comes is checked, and its digest is recorded
        return Path(snapshot_download(name, allow_patterns=_ON_HUB))  # nosec B615
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise UserError(
            f"encoder={name} cannot be fetched from the hub ({type(error).__name__}: {reason[:120]}); give a folder "
            "with the model, or an installed package that carries one"
        ) from None


def check_model(folder: Path, encoder: str) -> None:
    """Refuse a model that is not plain: whose weights are pickled, or that brings code.

    Args:
        folder: of its files.
        encoder: what messages call it.

    Raises:
        UserError: saying what it lacks or has.
    """
    where = f"encoder={encoder}"
    config = _json(folder / "config.json", where) if (folder / "config.json").is_file() else None
    modules = folder / "modules.json"
    if config is None and not modules.is_file():
        raise UserError(f"{where} has no config.json; give the folder of a model as transformers saves it")
    if (folder / "adapter_config.json").exists():
        raise UserError(f"{where} is an adapter of another model; merge it into that and save the whole")
    needing = [] if modules.is_file() else [folder]
    for module in _json(modules, where) if modules.is_file() else []:
        kind, place = (str(module.get(key, "")) if isinstance(module, dict) else "" for key in ("type", "path"))
        name = kind.rpartition(".")[2]
        if not kind.startswith("sentence_transformers.") or name not in _ST_MODULES:
            raise UserError(f"{where} has a part {kind!r} in modules.json; only {', '.join(_ST_MODULES)} are read")
        if Path(place).is_absolute() or ".." in Path(place).parts:
            raise UserError(f"{where} names {place!r} in modules.json, which leads out of its folder; do not use it")
        if name in ("Transformer", "Dense"):
            needing.append(folder / place)
        if name == "Dense":
            _check_dense(_json(folder / place / "config.json", where), where)
    for part in dict.fromkeys([folder, *needing]):
        if (part / "config.json").is_file():
            found = _json(part / "config.json", where)
            if isinstance(found, dict) and "auto_map" in found:
                raise UserError(f"{where} brings code of its own (auto_map), which is not run; give another model")
        if part in needing and not list(part.glob(f"*{WEIGHTS}")):
            raise UserError(
                f"{where} has no weights in safetensors in {part}; pickled weights are not opened, so save it again "
                "with save_pretrained"
            )


def _check_dense(config: Any, where: str) -> None:
    """Refuse a layer whose activation is a name from anywhere, since the library imports and calls it."""
    kind = str(config.get("activation_function", "")) if isinstance(config, dict) else ""
    if kind and not kind.startswith("torch.nn.modules."):
        raise UserError(f"{where} has a layer with the activation {kind!r}; only those of torch.nn.modules are called")


def identity_of(folder: Path, encoder: str) -> Identity:
    """Digest a model's files. That of a single file of weights is that file's own."""
    digests = {str(path.relative_to(folder)): sha256_of_file(path) for path in _files(folder)}
    weights = {name: digest for name, digest in digests.items() if name.endswith(WEIGHTS)}
    one = next(iter(weights.values())) if len(weights) == 1 else sha256_of_values(weights)
    return Identity(encoder, one, sha256_of_values(digests))


def _files(folder: Path) -> Iterator[Path]:
    parts = [folder, *sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))]
    for part in parts:
        yield from sorted(path for path in part.iterdir() if path.suffix in _READ and path.is_file())


def _json(path: Path, where: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise UserError(f"{where}: {path.name} is no JSON; copy the model again") from None
