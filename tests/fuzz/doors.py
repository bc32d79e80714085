"""The doors by which strangers' files and words come in: each gets a folder of good ones, spoils one, and opens it."""

from __future__ import annotations

import gzip
import json
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import yaml

from recbole_kd.atomic.table import AtomicFile, Layout
from recbole_kd.bridge import properties
from recbole_kd.cli import main
from recbole_kd.data.convert import convert
from recbole_kd.data.convert.sparse_pickles import load_sparse
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.data.loaders import make_loaders
from recbole_kd.data.overview import overview_of
from recbole_kd.experiments.results.records import Records
from recbole_kd.experiments.run import run, teach
from recbole_kd.experiments.tune.ranges import read_range
from recbole_kd.experiments.tune.study import Study
from recbole_kd.foundation.errors import UserError
from recbole_kd.registry import make_config
from recbole_kd.scoring.cache import TeacherCache
from recbole_kd.serving.recommend import recommend
from recbole_kd.training.plan import make_plan
from tests.fuzz.damage import damage_one, value

QUIET = {"show_progress": False, "state": "error", "topk": [5], "metrics": ["NDCG"], "valid_metric": "NDCG@5"}
SHORT = [f"--{key}={text}" for key, text in {**QUIET, "epochs": 1, "seeds": 1, "report": False}.items()]
RANGES = {"learning_rate": read_range("learning_rate", ["log", 1e-4, 1e-2])}
LOAD = {"inter": ["user_id", "item_id", "rating", "timestamp"], "item": "*"}


def make_good(folder: Path) -> None:
    """A data set of 30 users and 20 items in ``folder``, the working folder, and one good file for each door."""
    draw = random.Random(7)
    data = folder / "dataset" / "toy"
    data.mkdir(parents=True)
    rows = [(u, i, draw.randint(1, 5)) for u in range(30) for i in draw.sample(range(20), 10)]
    head = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    body = "".join(f"u{u}\ti{i}\t{r}\t{1000 + n}\n" for n, (u, i, r) in enumerate(rows))
    (data / "toy.inter").write_text(head + body)
    (data / "toy.item").write_text(
        "item_id:token\tclass:token_seq\tv:float_seq\n" + "".join(f"i{i}\ta b\t1 {i}\n" for i in range(20))
    )
    (data / "toy.item_ids").write_text("".join(f"i{i}\n" for i in range(20)))
    np.save(data / "toy.text.npy", np.random.default_rng(0).normal(size=(20, 3)))
    (data / "toy.yaml").write_text(yaml.safe_dump({"load_col": LOAD, "rm_dup_inter": "first"}))
    run("BPR", "toy", config_dict={**QUIET, "epochs": 1, "embedding_size": 4})
    (checkpoint,) = (folder / "saved").glob("*.pth")
    checkpoint.rename(folder / "model.pth")
    teach("BPR", "toy", config_dict={**QUIET, "epochs": 1, "embedding_size": 4, "cache_dir": "cache", "cache_topk": 5})
    assert main(["tune", "--model=BPR", "--dataset=toy", "--trials=2", "--study_dir=study", *SHORT[:-2]]) == 0
    assert main(["compare", "--models=BPR", "--dataset=toy", "--out=out", *SHORT]) == 0
    matrix = sp.random(20, 20, 0.2, format="csr", random_state=0)
    (folder / "matrix.pkl").write_bytes(pickle.dumps(matrix))
    tables = folder / "tables"
    tables.mkdir()
    orders = [{"user": f"0{u}", "item": f'"{i}"', "rating": r, "time": f"2024-03-{u + 1:02}"} for u, i, r in rows]
    (tables / "orders.csv").write_text(
        "user;item;rating;time\n" + "".join(";".join(map(str, row.values())) + "\n" for row in orders)
    )
    (tables / "orders.jsonl").write_text("".join(json.dumps(row) + "\n" for row in orders))
    (tables / "orders.csv.gz").write_bytes(gzip.compress((tables / "orders.csv").read_bytes()))


def config(**values: Any) -> Any:
    return make_config("VBPR", "toy", config_dict={**QUIET, **values})


def open_data(**values: Any) -> None:
    given = config(**values)
    data = MultiModalDataset(given)
    overview_of(data)
    make_loaders(given, data)


def atomic_file(draw: random.Random, folder: Path) -> None:
    damage_one(draw, [folder / "dataset/toy/toy.inter", folder / "dataset/toy/toy.item"])
    open_data()


def features(draw: random.Random, folder: Path) -> None:
    damage_one(draw, [folder / "dataset/toy/toy.item_ids", folder / "dataset/toy/toy.text.npy"])
    MultiModalDataset(config()).features("text")


def yaml_of_data(draw: random.Random, folder: Path) -> None:
    path = folder / "dataset/toy/toy.yaml"
    if draw.random() < 0.5:
        damage_one(draw, [path])
    else:
        key = draw.choice(sorted(properties.run_keys()))
        path.write_text(yaml.safe_dump({"load_col": LOAD, key: value(draw)}, allow_unicode=True))
    open_data()


def key_of_run(draw: random.Random, folder: Path) -> None:
    key = draw.choice(sorted(properties.known_keys()))
    if key not in ("data_path", "dataset", "model", "checkpoint_dir", "nproc", "world_size", "local_rank"):
        given = config(load_col=LOAD, **{key: value(draw)} if key != "load_col" else {})
        make_plan(given)
        data = MultiModalDataset(given)
        make_loaders(given, data)


def words(draw: random.Random, folder: Path) -> None:
    keys = ["--model=BPR", "--dataset=toy", "--topk", "5", "--epochs=0", "-m", "-d", "--x", "--", "-", "=", "--=3", ""]
    keys += [f"--{draw.choice(sorted(properties.known_keys()))}={value(draw)}" for _ in range(2)]
    command = draw.choice(["check", "train", "recommend", "tune", "compare", "teach", "convert", "", "trian"])
    chosen = [draw.choice(keys) for _ in range(draw.randrange(5))]
    text = [command, *chosen, *["--epochs=0"] * (command in ("train", "teach", "compare", "tune"))]
    if "--dataset=toy" in text and command != "check":
        text.remove("--dataset=toy")  # nothing is trained here; without data each command ends early
    status = main([word.replace("\0", "") for word in text])
    assert status in (0, 2), f"exit {status} of {text}"
    if status:
        raise UserError("the command has said why")


def checkpoint(draw: random.Random, folder: Path) -> Any:
    damage_one(draw, [folder / "model.pth"])
    return _lists(folder)


def _lists(folder: Path) -> Any:
    return [found.items for found in recommend(str(folder / "model.pth"), users=["u1", "u2"], topk=5)]


def cache(draw: random.Random, folder: Path) -> Any:
    damage_one(draw, [path for path in (folder / "cache").iterdir() if path.is_file()])
    return _scores(folder)


def _scores(folder: Path) -> Any:
    found = TeacherCache.open(folder / "cache")
    return found.digest, [part.tolist() for part in found.embeddings()]


def study(draw: random.Random, folder: Path) -> None:
    damage_one(draw, [folder / "study/study.db"])
    _ = Study(folder / "study", RANGES, "NDCG@5", True, 2020).ranked


def records(draw: random.Random, folder: Path) -> None:
    damage_one(draw, [folder / "out/runs.jsonl"])
    Records(folder / "out/runs.jsonl")


def pickled_matrix(draw: random.Random, folder: Path) -> None:
    damage_one(draw, [folder / "matrix.pkl"])
    load_sparse(folder / "matrix.pkl")


def table(draw: random.Random, folder: Path) -> None:
    path = damage_one(draw, sorted((folder / "tables").iterdir()))
    options = {"time": "time", "rating": "rating"} if draw.random() < 0.7 else {}
    written = convert("table", path, "shop", folder / "dataset", **options) / "shop.inter"
    try:
        found = AtomicFile(written, Layout(ids=frozenset({"user_id", "item_id"}))).read()
    except UserError as error:
        raise AssertionError(f"what was written is not read: {error}") from error
    assert found.notna().all(axis=None)


# A door may give what it made of the file; of those that carry a checksum it must be what it was before the damage.
DOORS: dict[str, Callable[[random.Random, Path], Any]] = {
    door.__name__: door
    for door in (atomic_file, features, yaml_of_data, key_of_run, words, checkpoint, cache, study, records, table)
} | {"pickled_matrix": pickled_matrix}
WHOLE: dict[str, Callable[[Path], Any]] = {"checkpoint": _lists, "cache": _scores}
