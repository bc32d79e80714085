"""``register()`` where stock RecBole itself starts: an environment with its own ray, and nothing that stands in."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.processes import ROOT
from tests.sources import copy_sources

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(
        sys.version_info >= (3, 12), reason="the ray that RecBole asks for has no wheel for this Python"
    ),
]

NEEDED = ["recbole==1.2.1", "ray==2.6.3", "numpy==1.26.4", "setuptools<81"]
NEWER = ("numpy", "setuptools", "pip")  # of constraints.txt, with which RecBole does not start
VALUES = {
    **{"epochs": 2, "topk": [3], "metrics": ["Recall", "NDCG"], "valid_metric": "NDCG@3"},
    **{"show_progress": False, "state": "error"},
}
BOARD = {"benchmark_filename": ["train", "valid", "test"], "load_col": {"inter": ["user_id", "item_id"]}}


@pytest.fixture(scope="module")
def stock(tmp_path_factory) -> Path:
    """The interpreter of an environment with RecBole as its authors knew it, and this checkout."""
    folder = tmp_path_factory.mktemp("stock")
    venv.create(folder / "venv", with_pip=True)
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    (folder / "constraints.txt").write_text("\n".join(line for line in lines if line.partition("==")[0] not in NEWER))
    interpreter = folder / "venv" / "bin" / "python"
    sources = copy_sources(tmp_path_factory.mktemp("source"))
    options = ["--quiet", "--constraint", folder / "constraints.txt"]
    command = [interpreter, "-m", "pip", "install", *options, *NEEDED, sources]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"such an environment cannot be made here: {done.stderr.strip().splitlines()[-1]}")
    return interpreter


def answer(interpreter: Path, code: str):
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([interpreter, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert "quick_start" not in done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


def test_stock_recbole_starts_and_so_do_our_models_in_it(stock, checkerboard):
    code = f"""
import json
from recbole.quick_start import run_recbole
values = {{**{VALUES!r}, **{BOARD!r}}}
print(json.dumps(run_recbole(model="BPR", dataset="board", config_dict=values, saved=False)["test_result"]))
"""
    alone = answer(stock, code)
    code = f"""
import json
import recbole_kd
from recbole.config import Config
theirs = Config.compatibility_settings
recbole_kd.register()
from recbole.quick_start import run_recbole
import ray.tune
values = {VALUES!r}
plain = run_recbole(model="BPR", dataset="board", config_dict={{**values, **{BOARD!r}}}, saved=False)["test_result"]
distilled = run_recbole(model="PromptMM", dataset="board", config_dict=values)["test_result"]
ours = recbole_kd.run("PromptMM", "board", config_dict={{**values, "checkpoint_dir": "ours"}}).test
print(json.dumps([plain, distilled, ours, ray.__version__, Config.compatibility_settings is theirs]))
"""
    plain, distilled, ours, ray, untouched = answer(stock, code)
    assert plain == alone
    assert distilled == ours
    assert (ray, untouched) == ("2.6.3", True)
