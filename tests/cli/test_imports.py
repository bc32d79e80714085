"""Which modules a command imports: nobody waits for what a command does not need. No time is measured."""

import json
from pathlib import Path

import pytest

from tests.processes import python

# Seconds each, and nothing that is needed to refuse a word.
SLOW = ["torch", "recbole", "pandas", "scipy", "sklearn", "matplotlib", "tensorboard", "optuna", "tqdm.auto"]
# What RecBole's packages ask for, or a report, a search, a comparison or a compiler, and no list of items.
NOT_FOR_A_LIST = ["sklearn", "matplotlib", "tensorboard", "google.protobuf", "optuna", "sympy", "jinja2", "wcwidth"]
NOT_FOR_A_LIST += ["scipy.stats", "scipy.optimize", "torch._dynamo", "torch._inductor", "torch.utils.tensorboard"]
NOT_FOR_A_LIST += ["recbole.trainer", "recbole.quick_start", "ray", "hyperopt"]
NOT_FOR_A_RUN = ["sklearn", "matplotlib", "optuna", "jinja2", "scipy.stats", "recbole.quick_start", "ray"]

CODE = """
import json, sys
from recbole_kd.cli import main
try:
    status = main(sys.argv[2:])
except SystemExit as ended:  # argparse, after its help
    status = ended.code
print("\\n" + json.dumps([status, [name for name in json.loads(sys.argv[1]) if name in sys.modules]]))
"""


def imported(names: list[str], *words: str) -> tuple[int, list[str], str]:
    """The exit status of a command, those of ``names`` that it has imported, and what it said on standard error."""
    run = python("-c", CODE, json.dumps(names), *words)
    status, found = json.loads(run.stdout.splitlines()[-1])
    return status, found, run.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("trian", "there is no command 'trian'; did you mean train"),
        ("train --model=LightGNC --dataset=board", "no model called 'LightGNC'; did you mean LightGCN"),
        ("train --model=BPR --dataset=bord", "no data set 'bord' in dataset; did you mean board"),
        ("train --model=BPR --dataset=board --learning_rat=1", "'learning_rat' is not a key of RecBole"),
        ("train --model=BPR --dataset=board --epochs=many", "epochs='many' is not valid"),
        ("train --model=BPR --dataset=board --embedding_size=big", "embedding_size='big' is not valid"),
        ("train --model=BPR --dataset=board --metrics=[Recal]", "RecBole has no metric 'Recal'; did you mean recall"),
        ("train --model=RCEKD --dataset=board --teacher=BRP", "no model called 'BRP'; did you mean BPR"),
        ("train --model=BPR --dataset=board now", "cannot read the argument 'now'"),
        ("teach --model=DIEN --dataset=board", "DIEN is a sequential (with a data set of its own) model of RecBole"),
        ("tune --model=BPR --dataset=board --trials=few", "trials='few' is not valid"),
        ("tune --model=BPR --dataset=board --trails=3", "'trails' is not a key of RecBole"),
        ("compare --models=BPR,NeuFM --dataset=board", "no model called 'NeuFM'; did you mean NeuMF"),
        ("compare --models=RCEKD:BPR>BRP --dataset=board", "no model called 'BRP'"),
        ("compare --models=BPR --dataset=board --sedes=3", "BPR: 'sedes' is not a key of RecBole"),
        ("recommend --checkpoint=gone.pth --users=1", "there is no checkpoint at gone.pth"),
        ("recommend --checkpoint=kept.pth --users=1 --topk=ten", "topk='ten' is not valid"),
        ("recommend --checkpoint=kept.pth --users=1 --tokp=3", "'tokp' is not a key of RecBole"),
        ("check bord", "no data set 'bord' in dataset; did you mean board"),
        ("check board --lode_col=3", "'lode_col' is not a key of RecBole"),
        ("convert mmrce source name", "layout 'mmrce' is unknown"),
        ("convert mmrec source name --overwriet", "unrecognized arguments: --overwriet"),
        ("convert table orders.csv name --split=randm", "did you mean random"),
        ("convert table orders.csv name", "orders.csv does not exist"),
        ("features texts", "features are of text or image, not of 'texts'"),
        ("features text --table=gone.csv --columns=a --dataset=board", "gone.csv does not exist or is no file"),
        (
            "features text --table=kept.csv --columns=a --dataset=bord",
            "no data set 'bord' in dataset; did you mean board",
        ),
        ("features image --folder=dataset --dataset=board --modality=noise", "modality 'noise' is there already"),
        ("features image --folder=dataset --dataset=board --encoder=gone", "'gone' is no folder and no installed"),
    ],
)
def test_what_is_refused_has_imported_nothing_slow(checkerboard, words, says):
    Path("kept.pth").touch()
    Path("kept.csv").touch()
    status, found, said = imported(SLOW, *words.split())
    assert (status, found) == (2, [])
    assert says in said


@pytest.mark.parametrize("command", ["train", "teach", "tune", "compare", "recommend", "check", "convert", "features"])
def test_help_imports_nothing_slow(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    assert imported(SLOW, command, "--help")[1] == []


def test_a_list_of_items_imports_what_it_needs(bpr):
    status, found, _ = imported(NOT_FOR_A_LIST, "recommend", f"--checkpoint={bpr}", "--users=u1")
    assert (status, found) == (0, [])


def test_a_run_imports_what_it_needs(checkerboard):
    words = ["--model=BPR", "--dataset=board", "--epochs=1", "--topk=[3]", "--valid_metric=NDCG@3"]
    status, found, _ = imported(NOT_FOR_A_RUN, "train", *words)
    assert (status, found) == (0, [])


def test_the_package_alone_imports_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["pydantic", "yaml", "numpy", *SLOW]
    code = "import json, sys, recbole_kd; print([name for name in json.loads(sys.argv[1]) if name in sys.modules])"
    assert python("-c", code, json.dumps(names)).stdout == "[]\n"
