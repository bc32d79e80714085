"""Tables of Parquet, by pyarrow where it is installed; a small file may claim a terabyte, and is refused for less."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from recbole_kd.data.tables.arrow import cell_lengths, fixed_width, is_plain, why_no_cells
from recbole_kd.data.tables.blocks import Block, shown
from recbole_kd.foundation.errors import UserError

_STEP = 1 << 10  # rows that are decoded at once
_STEP_OF_PREFIXES = 8  # likewise, of texts of which each is written as what it adds to the one before
_PREFIXES = "DELTA_BYTE_ARRAY"
_UNSHARED = {_PREFIXES, "DELTA_LENGTH_BYTE_ARRAY"}  # encodings that Arrow does not read as a dictionary
_DECODED = 1 << 26  # bytes that such rows should not go beyond
_VALUES = 1 << 28  # of lists in a row group


class Parquet:
    """A Parquet file.

    Attributes:
        names: of the columns.
    """

    def __init__(self, path: Path, longest: int) -> None:
        """Read the schema.

        Args:
            path: of the file.
            longest: characters of a cell; of a list, those of all its texts.

        Raises:
            UserError: pyarrow is not installed, or the file is cut short or broken.
        """
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError:
            raise UserError(
                f"{path} is a Parquet file, for which pyarrow has to be installed: pip install 'recbole-kd[content]'"
            ) from None
        # the others are of values that Python has not: times after the year 9999, zones, texts that are no UTF-8
        self._path, self._faults = path, (pyarrow.ArrowException, OSError, ValueError, OverflowError, KeyError)
        self._longest = longest
        try:
            self._file = parquet.ParquetFile(path)
            # the same with each text of a row group's dictionary once, however many rows refer to it; slower to read
            self._coded = parquet.ParquetFile(path, read_dictionary=list(_texts(self._file)))
        except self._faults as error:
            raise self._broken(error) from None
        self.names: list[str] = list(self._file.schema_arrow.names)

    def blocks(self, wanted: Sequence[str]) -> Iterator[Block]:
        """The rows; a value is what Python calls it, None where there is none.

        Raises:
            UserError: the file is broken, a column holds no cells, or a cell is too long (row named).
        """
        columns = list(dict.fromkeys(wanted))
        self._check_types(columns)
        done = 0
        with tqdm(total=self._file.metadata.num_rows, desc=self._path.name, unit=" rows", delay=2) as progress:
            try:
                for batch in self._batches(columns):
                    for part in self._parts(batch, columns, done):
                        values: list[Sequence[Any]] = [part.column(name).to_pylist() for name in wanted]
                        yield Block(values, lambda row, done=done: f"{self._path}, row {done + row + 1}")  # type: ignore[misc]
                        done += part.num_rows
                        progress.update(part.num_rows)
            except self._faults as error:
                raise self._broken(error) from None

    def _check_types(self, columns: Sequence[str]) -> None:
        for name in columns:
            kind = self._type(name)
            if why := why_no_cells(kind, self._longest):
                raise UserError(f"{self._path}: the column {name} is of the type {shown(kind)}, {why}")

    def _batches(self, columns: list[str]) -> Iterator[Any]:
        for group in range(self._file.num_row_groups):
            step = self._step(group, columns)
            file = self._coded if self._is_long(group, columns, step) else self._file
            yield from file.iter_batches(batch_size=step, row_groups=[group], columns=columns)

    def _step(self, group: int, columns: Sequence[str]) -> int:
        """How many rows of a row group are decoded at once, as far as the file tells their size."""
        about = self._file.metadata.row_group(group)
        step, size = _STEP, 0
        for place in range(about.num_columns):
            chunk = about.column(place)
            name = next((name for name in columns if f"{chunk.path_in_schema}.".startswith(f"{name}.")), None)
            if name is None:
                continue
            if chunk.num_values > max(_VALUES, about.num_rows):
                raise UserError(
                    f"{self._path}: the lists of {name} have {chunk.num_values:,} values in one row group; write the "
                    "table with smaller row groups"
                )
            size += chunk.total_uncompressed_size
            if _PREFIXES in chunk.encodings:
                step = _STEP_OF_PREFIXES
        width = size // max(1, about.num_rows) + sum(fixed_width(self._type(name)) for name in columns)
        return int(max(1, min(step, _DECODED // max(1, width))))

    def _type(self, name: str) -> Any:
        return self._file.schema_arrow.field(self.names.index(name)).type

    def _is_long(self, group: int, columns: list[str], step: int) -> bool:
        """Whether texts of a row group's dictionary are so long that rows must not hold them one by one."""
        if not all(is_plain(self._type(name)) for name in columns):
            return True
        first = next(self._coded.iter_batches(batch_size=1, row_groups=[group], columns=columns), None)
        words = [] if first is None else [getattr(column, "dictionary", None) for column in first.columns]
        lengths = [cell_lengths(found) for found in words if found is not None]
        return step * max((int(found.max(initial=0)) for found in lengths if found is not None), default=0) > _DECODED

    def _parts(self, batch: Any, columns: Sequence[str], done: int) -> Iterator[Any]:
        """A batch in pieces that Python can hold.

        Raises:
            UserError: a cell is too long (row named).
        """
        sizes = np.zeros(batch.num_rows, dtype=np.int64)
        for name in columns:
            found = cell_lengths(batch.column(name))
            if found is None:
                continue
            if (found > self._longest).any():
                row = int(np.argmax(found > self._longest))
                raise UserError(
                    f"{self._path}, row {done + row + 1}: {name} has {found[row]:,} characters, more than the "
                    f"{self._longest:,} of a cell; take it out of the table, or name another column"
                )
            sizes += found
        if sizes.sum() <= _DECODED:
            yield batch
            return
        starts = np.flatnonzero(np.diff(np.cumsum(sizes) // _DECODED, prepend=-1))
        for start, end in zip(starts, [*starts[1:], batch.num_rows], strict=True):
            yield batch.slice(int(start), int(end - start))

    def _broken(self, error: Exception) -> UserError:
        return UserError(
            f"{self._path} is cut short or no sound Parquet file ({' '.join(str(error).split())[:200]}); copy it again"
        )


def _texts(file: Any) -> Iterator[str]:
    """The columns, or what lists of them hold, that may be read as a dictionary and references to it."""
    about = file.metadata
    groups = [about.row_group(group) for group in range(about.num_row_groups)]
    for place in range(about.num_columns):
        leaf = file.schema.column(place)
        if leaf.physical_type == "BYTE_ARRAY" and not any(
            _UNSHARED.intersection(one.column(place).encodings) for one in groups
        ):
            yield leaf.path
