"""Nothing is cut off, however long the names."""

import json

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from recbole_kd.experiments.report.pictures import losses, metrics, overlap, pareto


@pytest.mark.parametrize("picture", [losses.PICTURE, metrics.PICTURE, overlap.PICTURE, pareto.PICTURE])
@pytest.mark.parametrize("cutoffs", [1, 2])
def test_nothing_is_cut_off(compared, picture, cutoffs):
    for number, row in enumerate(compared.rows):
        long = f"ADistillationMethod:SomeLargeTeacher>AStudent number {number}"
        for seed, path in row.histories.items():
            history = json.loads(path.read_text())[row.label]
            for entry in history:
                entry["valid"] = {name: value for name, value in entry["valid"].items() if "20" in name or cutoffs > 1}
            row.histories[seed] = path.with_name(f"{number}-{seed}.json")
            row.histories[seed].write_text(json.dumps({long: history}))
        row.label = long
    figure = picture.draw(compared).figure
    FigureCanvasAgg(figure).draw()
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert box.x0 > -0.05
    assert box.y0 > -0.05
    assert box.x1 < width + 0.05
    assert box.y1 < height + 0.05
