"""Tables of Parquet, by pyarrow where it is installed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from recbole_kd.data.tables.blocks import ROWS, Block
from recbole_kd.foundation.errors import UserError


class Parquet:
    """A Parquet file.

    Attributes:
        names: of the columns.
    """

    def __init__(self, path: Path) -> None:
        """Read the schema.

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
        try:
            self._file = parquet.ParquetFile(path)
        except self._faults as error:
            raise self._broken(error) from None
        self.names: list[str] = list(self._file.schema_arrow.names)

    def blocks(self, wanted: Sequence[str]) -> Iterator[Block]:
        """The rows; a value is what Python calls it, None where there is none.

        Raises:
            UserError: the file is broken.
        """
        done = 0
        with tqdm(total=self._file.metadata.num_rows, desc=self._path.name, unit=" rows", delay=2) as progress:
            try:
                for batch in self._file.iter_batches(batch_size=ROWS, columns=list(dict.fromkeys(wanted))):
                    columns: list[Sequence[Any]] = [batch.column(name).to_pylist() for name in wanted]
                    yield Block(columns, lambda row, done=done: f"{self._path}, row {done + row + 1}")  # type: ignore[misc]
                    done += batch.num_rows
                    progress.update(batch.num_rows)
            except self._faults as error:
                raise self._broken(error) from None

    def _broken(self, error: Exception) -> UserError:
        return UserError(
            f"{self._path} is cut short or no sound Parquet file ({' '.join(str(error).split())[:200]}); copy it again"
        )
