"""A dollar sign in a name begins no formula, and powers of ten at an axis stay such."""

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from recbole_kd.experiments.report.curves import write_curves
from recbole_kd.experiments.report.plain_text import without_mathematics
from recbole_kd.training.record import StageRecord

NAME = r"a<img src=x onerror=alert(1)>$\frac{$"


def test_all_texts_but_numbers():
    figure = Figure()
    axis = figure.subplots()
    axis.plot([1, 1e6], [1, 1e6], label=NAME)
    axis.set(xscale="log", title=NAME, xlabel=NAME, ylabel=NAME)
    axis.set_yticks([1, 2], [NAME, NAME])
    axis.legend()
    figure.suptitle(NAME)
    figure.legend(*axis.get_legend_handles_labels(), title=NAME)
    with pytest.raises(ValueError, match="frac"):
        FigureCanvasAgg(figure).draw()
    without_mathematics(figure)
    FigureCanvasAgg(figure).draw()
    assert all(label.get_parse_math() for label in axis.get_xticklabels())


def test_curves_of_a_run_with_such_a_name(tmp_path):
    history = [{"epoch": 0, "losses": {NAME: 1.0}, "valid": {NAME: 0.1}}]
    stage = StageRecord(NAME, "BPR", 1, 1.0, {NAME: 0.1}, {NAME: 0.1}, 1, 1, 1.0, history)
    write_curves([stage], tmp_path / "curves.png", NAME)
    assert (tmp_path / "curves.png").stat().st_size > 1000
