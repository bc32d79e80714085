"""TensorBoard's events: named after their run, written by the thread that trains, given up where they cannot be."""

import logging
import resource

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from recbole_kd.bridge.events import Events


def test_what_is_written_is_read_by_tensorboard(tmp_path):
    folder = tmp_path / "run"
    writer = Events(str(folder))
    assert not folder.exists()
    for step in range(3):
        writer.add_scalar("Loss/Train", 0.5 * step, step)
    writer.add_hparams({"learning_rate": 0.1, "model": "BPR"}, {"hparam/best": 0.25})
    writer.close()
    found = EventAccumulator(str(folder)).Reload()
    assert [(event.step, event.value) for event in found.Scalars("Loss/Train")] == [(0, 0.0), (1, 0.5), (2, 1.0)]
    assert EventAccumulator(str(folder / "hparams")).Reload().Scalars("hparam/best")[0].value == 0.25


@pytest.mark.parametrize("limit", [0, 200])
def test_a_full_disk_is_told_once(tmp_path, caplog, capfd, limit):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with caplog.at_level(logging.WARNING):
            writer = Events(str(tmp_path / "run"))
            for step in range(1000):
                writer.add_scalar("Loss/Train", 0.5, step)
            writer.flush()
            writer.add_hparams({"learning_rate": 0.1}, {"hparam/best": 0.25})
            writer.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caplog.messages == [f"TensorBoard's events are not kept in {tmp_path / 'run'}: file too large"]
    assert capfd.readouterr().err == ""
