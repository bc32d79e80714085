"""The notebook runs as it is committed, and shows what it shows there."""

import re
import sys
from html import unescape
from importlib.util import find_spec

import pandas as pd
import pytest

from tests.processes import ROOT

NOTEBOOK = ROOT / "examples" / "quickstart.ipynb"
TOOLS = ("nbclient", "nbformat", "ipykernel")


def outputs(notebook, kind: str) -> list[str]:
    """What its cells show of one kind."""
    cells = (cell for cell in notebook.cells if cell.cell_type == "code")
    return [shown["data"][kind] for cell in cells for shown in cell.outputs if kind in shown.get("data", {})]


def frame_of(page: str) -> pd.DataFrame:
    """The frame that a cell shows, as texts; its index is left out."""
    rows = [
        [unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.S)]
        for row in re.findall(r"<tr.*?</tr>", page, re.S)
    ]
    return pd.DataFrame([row[1:] for row in rows[1:]], columns=rows[0][1:])


@pytest.fixture(scope="module")
def read():
    missing = [name for name in TOOLS if find_spec(name) is None]
    if missing:
        pytest.skip(
            f"the notebook is not executed: {', '.join(missing)} not installed (pip install 'recbole-kd[test]')"
        )
    import nbformat

    return lambda: nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def executed(read, tmp_path_factory):
    """In an empty folder, by this interpreter, which finds this checkout, with one thread."""
    from jupyter_client import KernelManager
    from jupyter_client.kernelspec import KernelSpec
    from nbclient import NotebookClient

    class ThisPython(KernelManager):
        """Starts the running interpreter, whatever kernels the machine has been told of."""

        @property
        def kernel_spec(self):
            words = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=words, language="python", display_name="Python 3")

    notebook = read()
    folder = tmp_path_factory.mktemp("quickstart")
    client = NotebookClient(
        notebook,
        km=ThisPython(),
        timeout=600,
        resources={"metadata": {"path": str(folder)}},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.delenv("MPLBACKEND", raising=False)
        client.execute()
    return notebook


def test_every_cell_ran_and_none_complained(executed):
    cells = [cell for cell in executed.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        for shown in cell.outputs:
            assert shown.output_type != "error"
            assert shown.get("name") != "stderr", shown.text


def test_it_shows_pictures(executed):
    assert len(outputs(executed, "image/png")) == 2


def test_its_table_is_sane(executed):
    (page,) = (text for text in outputs(executed, "text/html") if "recall@20" in text)
    table = frame_of(page)
    assert list(table["label"]) == [
        "BPR",
        "RCEKD:LightGCN>BPR teacher",
        "RCEKD:LightGCN>BPR alone",
        "RCEKD:LightGCN>BPR",
    ]
    assert table["recall@20"].astype(float).between(0.2, 0.45).all()
    assert table["inference_parameters"].astype(int).nunique() == 3


def test_it_is_committed_with_its_pictures_and_small(read):
    committed = read()
    assert len(outputs(committed, "image/png")) == 2
    assert sum(map(len, outputs(committed, "image/png"))) * 3 / 4 < 200_000
    assert NOTEBOOK.stat().st_size < 300_000
    for name in ("/home/", "/tmp/", "site-packages"):
        assert name not in NOTEBOOK.read_text("utf-8")
    assert all(cell.execution_count for cell in committed.cells if cell.cell_type == "code")
