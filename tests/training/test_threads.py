"""A training has the threads that its sizes are worth, and gives them back."""

import contextlib
import logging

import pytest
import scipy.sparse as sp
import torch
from torch import nn

from recbole_kd.foundation.errors import UserError
from recbole_kd.ops.graph import Graph
from recbole_kd.registry import make_config
from recbole_kd.training.run import train_and_test
from recbole_kd.training.threads import NUMBERS_A_THREAD, numbers_of, threads, threads_for


class Holder(nn.Module):
    """A layer, a graph, and a sparse tensor, the layer twice."""

    def __init__(self):
        super().__init__()
        self.layer = self.again = nn.Linear(3, 4)
        self.graph = Graph.from_scipy(sp.csr_array([[0, 1.0], [1.0, 0]]))
        self.theirs = torch.eye(5).to_sparse()
        self.dense = torch.zeros(100)


def test_parameters_and_edges_are_counted_once():
    holder = Holder()
    assert numbers_of(holder) == 16 + 2 + 5
    assert numbers_of(holder, holder.layer) == 16 + 2 + 5


@pytest.mark.parametrize(
    ("numbers", "most", "expected"),
    [
        (0, 8, 1),
        (2 * NUMBERS_A_THREAD - 1, 8, 1),
        (2 * NUMBERS_A_THREAD, 8, 2),
        (100 * NUMBERS_A_THREAD, 8, 8),
        (100 * NUMBERS_A_THREAD, 1, 1),
    ],
)
def test_threads_by_size(numbers, most, expected):
    assert threads_for(numbers, most) == expected


def test_they_are_given_back_after_an_error_too(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setattr("os.cpu_count", lambda: before + 2)
    with contextlib.suppress(RuntimeError), threads(before + 2) as used:
        assert used == torch.get_num_threads() == before + 2
        raise RuntimeError
    assert torch.get_num_threads() == before


def test_no_more_than_there_are_cores(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    with threads(1000) as used:
        assert used == torch.get_num_threads() == max(2, torch.get_num_threads())


@pytest.mark.parametrize("given", ["auto", 2])
def test_a_run_says_and_records_them(given, checkerboard, caplog, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    before = torch.get_num_threads()
    config = make_config("BPR", checkerboard, config_dict={"threads": given, "epochs": 1, "state": "info"})
    with caplog.at_level(logging.INFO):
        result = train_and_test(config)
    expected = 1 if given == "auto" else 2
    assert result.stages[0].threads == expected
    assert result.made["machine"]["threads"] == expected
    assert f"model: {expected} CPU thread{'s' * (expected > 1)} (threads={given})" in caplog.text
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("given", [0, -1, True, "many", 1.5, 4096])
def test_what_is_no_number_of_threads_is_refused(given, checkerboard):
    with pytest.raises(UserError, match=r"threads.*write auto, or a number from 1 to 1024"):
        make_config("BPR", checkerboard, config_dict={"threads": given})
