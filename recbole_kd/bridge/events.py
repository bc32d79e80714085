"""TensorBoard's events of a run, by its name; where they cannot be written, the run goes on without."""

from __future__ import annotations

import io
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from logging import getLogger
from pathlib import Path
from typing import IO, Any

import recbole.trainer.trainer
from tensorboard.compat.proto import event_pb2
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard import FileWriter, SummaryWriter
from torch.utils.tensorboard.summary import hparams

from recbole_kd.bridge.run_name import run_name
from recbole_kd.foundation.surroundings import fault_of

FOLDER = Path("log_tensorboard")  # RecBole's

_numbers = count()
_told: set[Path] = set()  # the folders of which a fault was told


class Events(SummaryWriter):
    """PyTorch's writer, whose file is made with its first event, and that no full disk ends a training by.

    Its files are written by the thread that trains: TensorBoard's own thread prints a traceback where it cannot write.
    """

    file_writer: Any
    all_writers: Any

    def _get_file_writer(self) -> Any:
        if self.file_writer is None:
            self.file_writer = _EventFile(Path(self.log_dir))
            self.all_writers = {self.log_dir: self.file_writer}
        return self.file_writer

    def add_hparams(self, hparam_dict: Any, metric_dict: Any, *args: Any, **kwargs: Any) -> None:
        """Write the hyperparameters and the result into a folder of their own, ``hparams``."""
        with type(self)(str(Path(self.log_dir) / "hparams")) as writer:
            for summary in hparams(hparam_dict, metric_dict):
                writer._get_file_writer().add_summary(summary)
            for name, value in metric_dict.items():
                writer.add_scalar(name, value)


class _EventFile(FileWriter):
    """PyTorch's writer of event files, over a file of ours."""

    def __init__(self, folder: Path) -> None:
        self.event_writer = _Written(folder)


class _Written:
    """One file of events, with the methods of TensorBoard's writer."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stream: IO[bytes] | None = None
        self._broken = False

    def get_logdir(self) -> str:
        """Where the file is."""
        return str(self._folder)

    def add_event(self, event: Any) -> None:
        """Write an event, or tell once why none can be written."""
        if self._broken:
            return
        try:
            self._open().write(_record(event))
        except (OSError, ValueError) as error:
            self._give_up(error)

    def flush(self) -> None:
        """Write what is held back."""
        if self._stream is not None and not self._broken:
            try:
                self._stream.flush()
            except OSError as error:
                self._give_up(error)

    def close(self) -> None:
        """Flush and close; another event opens another file."""
        self.flush()
        if self._stream is not None:
            with suppress(OSError):
                self._stream.close()
            self._stream = None

    def reopen(self) -> None:
        """Nothing is to be done: the next event opens a file."""

    def _open(self) -> IO[bytes]:
        if self._stream is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}"
            self._stream = open(self._folder / name, "xb")  # noqa: SIM115
            self._stream.write(_record(event_pb2.Event(wall_time=time.time(), file_version="brain.Event:2")))
        return self._stream

    def _give_up(self, error: Exception) -> None:
        self._broken = True
        if not _told & {self._folder, *self._folder.parents}:
            reason = (fault_of(error) or (0, str(error)))[1].lower()
            getLogger().warning(f"TensorBoard's events are not kept in {self._folder}: {reason}")
            _told.add(self._folder)


def events_of(config: Any) -> Events:
    """The writer of a run."""
    return Events(str(FOLDER / run_name(config)))


@contextmanager
def own_events(config: Any) -> Iterator[None]:
    """Within the block RecBole's trainers that are made get :func:`events_of`."""
    module = recbole.trainer.trainer
    before = module.get_tensorboard
    module.get_tensorboard = lambda logger: events_of(config)
    try:
        yield
    finally:
        module.get_tensorboard = before


def _record(event: Any) -> bytes:
    """An event as it stands in a file."""
    stream = io.BytesIO()
    RecordWriter(stream).write(event.SerializeToString())
    return stream.getvalue()
