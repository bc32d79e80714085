"""One modality from its inputs: encoded block by block, counted, and written when all is there."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

from recbole_kd.data.content.blocks import encoded, forget
from recbole_kd.data.content.encoder import Encoder
from recbole_kd.data.content.report import Report
from recbole_kd.data.content.writing import Target
from recbole_kd.foundation.allocator import keep_freed_memory
from recbole_kd.foundation.digest import sha256_of_values
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.files import alone_in, own_folder

Input = TypeVar("Input")
BLOCK = 128  # inputs, or a batch where that is more; a kill loses no more
FORMAT = 1  # of the record, and of the blocks


class Made(NamedTuple):
    """What was written: how many rows, how wide, in how many seconds, and how many items of the data set have none."""

    rows: int
    width: int
    seconds: float
    without: int


class Source(NamedTuple):
    """Where inputs come from.

    Attributes:
        digest: SHA-256 of the file, or of the files.
        facts: plain values for the record, with the name of the file or folder.
        inputs: SHA-256 of what is encoded, in the order of the rows: the same file read by other columns, or in another
            encoding, gives other texts.
    """

    digest: str
    facts: dict[str, Any]
    inputs: str


def make_modality(
    inputs: Mapping[str, Input],
    encoder: Encoder[Input],
    source: Source,
    target: Target,
    items: Collection[str],
    report: Report,
    *,
    float16: bool = False,
    unit: str = "item",
    show_progress: bool = True,
) -> Made:
    """Encode inputs and write them as a modality.

    Args:
        inputs: of each item, by raw token, in the order of the rows.
        encoder: see there.
        source: of the inputs.
        target: the files to write; what they were before they are until the end.
        items: raw tokens of the data set.
        report: gets what the encoder says of inputs, and the items without a row.
        float16: store halves; encoding is in float32 whatever this says.
        unit: what an input is called beside the progress bar.
        show_progress: whether there is one.

    Raises:
        UserError: no input gets a row, or another process makes the same modality.
        CannotWrite: the disk refuses.
    """
    from recbole_kd.foundation.bars import tqdm
    from recbole_kd.foundation.versions import versions

    began = time.perf_counter()
    keep_freed_memory()
    tokens, parts = list(inputs), list(inputs.items())
    size = max(BLOCK, encoder.settings["batch_size"])
    work = sha256_of_values([FORMAT, encoder.identity.files, source.inputs, encoder.settings, size, tokens])
    own_folder(target.blocks)
    with alone_in(target.blocks, "features", "--modality"):
        written: list[str] = []
        begin = 0
        with tqdm(total=len(parts), unit=unit, desc="Encode", disable=not show_progress) as bar:
            for block in encoded(parts, encoder, size, target.blocks, work):
                of_block = tokens[begin : begin + len(block.kept)]
                begin += len(block.kept)
                bar.update(len(block.kept))
                written += [token for token, kept in zip(of_block, block.kept, strict=True) if kept]
                for what, which in block.notes.items():
                    report.add_all(what, which)
        if not written:
            raise UserError(f"nothing could be encoded: {'; '.join(report.lines())}")
        without = _without(items, written)
        report.add_all("items of the data set without a row", without)
        record = {
            "format": FORMAT,
            "rows": len(written),
            "width": encoder.width,
            "dtype": "float16" if float16 else "float32",
            "encoder": {"name": encoder.identity.name, "weights_sha256": encoder.identity.weights},
            "settings": encoder.settings,
            "source": {**source.facts, "sha256": source.digest},
            "report": report.record(),
            "versions": {**versions(), **_library_versions()},
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        rows = (block.rows for block in encoded(parts, encoder, size, target.blocks, work))
        target.write(rows, written, encoder.width, "<f2" if float16 else "<f4", record)
        forget(target.blocks)
    with suppress(OSError):
        target.blocks.rmdir()
    return Made(len(written), encoder.width, time.perf_counter() - began, len(without))


def _without(items: Collection[str], written: Collection[str]) -> list[str]:
    there = set(written)
    return [item for item in items if item not in there]


def _library_versions() -> dict[str, str]:
    from importlib import metadata

    found = {}
    for name in ("sentence-transformers", "transformers", "tokenizers", "pillow", "pyarrow"):
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
