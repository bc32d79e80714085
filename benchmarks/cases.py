"""What ``make bench`` measures: a script, its words, and the bound of its ratio."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Attributes:
        what: its title.
        words: the script in this folder, and its words; ``{data}`` is the folder of data sets, ``{cache}`` that of the
            teachers' scores that ``make bench`` makes.
        ours: the field of the JSON line that is ours, with its unit.
        peer: the field of what it is measured against, "" where there is none.
        limit: of ``ratio``.
        at_most: whether the ratio may be no more than the limit, or no less.
        ratio: the field of the ratio.
        needs: a data set of ``--data_path`` without which the case is left out.
        teacher: words of ``recbole-kd teach`` for ``{cache}``.
        slow: minutes by itself; run with ``--slow``.
    """

    what: str
    words: str
    ours: str
    peer: str
    limit: float
    at_most: bool = True
    ratio: str = "ratio"
    needs: str = ""
    teacher: str = ""
    slow: bool = False


_PAPER = "--kd_users=0 --kd_every=1 --kd_renew=1"
_CITEULIKE = "--model=BPR --dataset=citeulike --embedding_size=400 --epochs=30 --eval_step=10 --learning_rate=0.003"
_OFFICE = "--model=LightGCN --dataset=office --embedding_size=64 --epochs=40 --eval_step=10 --learning_rate=0.005"


def _method(model: str, dataset: str, limit: float, to: str) -> Case:
    data = "" if dataset == "ml-100k" else " --data_path={data}"
    words = f"method_epoch.py --model={model} --dataset={dataset}{data} --threads=1"
    return Case(
        f"{model} on {dataset}, an epoch against {'the student alone' if to == 'alone' else 'LightGCN'}",
        words,
        "distilled_cpu_seconds",
        f"{to}_cpu_seconds",
        limit,
        needs=dataset,
    )


def _rcekd(student: str, dataset: str, limit: float, how: str, teacher: str, settings: str = "") -> Case:
    return Case(
        f"RCE-KD on {dataset}, {student} of 20, {how}",
        f"distil_epoch.py --dataset={dataset} --data_path={{data}} --cache_dir={{cache}} --student={student} "
        f"--student_embedding_size=20 --epochs=10 --warm_up=5 --threads=1 {settings}",
        "distilled_seconds",
        "alone_seconds",
        limit,
        needs=dataset,
        teacher=f"{teacher} --data_path={{data}}",
    )


def _ranking(dataset: str, limit: float) -> Case:
    words = "full_ranking.py --threads=1" + (f" --dataset={dataset}" if dataset else "")
    words += " --data_path={data}" if dataset not in ("", "ml-100k") else ""
    what = f"full ranking of {dataset or '6,000 × 4,000'} against RecBole's default"
    return Case(what, words, "ours_seconds", "recbole_seconds", limit, at_most=False, needs=dataset)


def _stock(model: str, limit: float, epochs: int) -> Case:
    return Case(
        f"{model}, an epoch at 6,000 × 4,000 × 1 M, against stock RecBole",
        f"stock_epoch.py --model={model} --epochs={epochs} --threads=1",
        "ours_cpu_seconds",
        "recbole_cpu_seconds",
        limit,
        at_most=False,
    )


def _growth(model: str, words: str, users: str = "100,000", slow: bool = False) -> Case:
    title = f"{model}, an interaction at {users} users against one at 10,000 ({words})"
    words = f"growth.py --model={model} --users=10000,{users.replace(',', '')} {words}"
    return Case(title, words, "", "", 1.5, slow=slow)


CASES = [
    *(_method("PromptMM", dataset, 1.5, "alone") for dataset in ("ml-100k", "lfm2k", "tiktok")),
    *(_method("MTS4MM", dataset, 3, "lightgcn") for dataset in ("lfm2k", "tiktok")),
    _rcekd("BPR", "citeulike", 2, "as the paper has it", _CITEULIKE, _PAPER),
    _rcekd("LightGCN", "citeulike", 1.5, "as the paper has it", _CITEULIKE, _PAPER),
    _rcekd("BPR", "citeulike", 1.2, "with its tuned settings", _CITEULIKE),
    _rcekd("LightGCN", "citeulike", 1.1, "with its tuned settings", _CITEULIKE),
    _rcekd("BPR", "office", 2, "by default", _OFFICE),
    _rcekd("LightGCN", "office", 2, "by default", _OFFICE),
    _rcekd("BPR", "office", 2, "lists every 20 epochs", _OFFICE, "--kd_renew=20 --epochs=20"),
    _rcekd("LightGCN", "office", 2, "lists every 20 epochs", _OFFICE, "--kd_renew=20 --epochs=20"),
    _stock("BPR", 4, 5),
    _stock("LightGCN", 15, 1),
    *(_ranking(dataset, limit) for dataset, limit in (("gowalla", 10.0), ("", 10.0))),
    *(_ranking(dataset, 6.0) for dataset in ("ml-100k", "lfm2k", "tiktok")),
    Case(
        "PromptMM's teacher beside a busy process", "busy.py --steps=10", "busy_milliseconds", "quiet_milliseconds", 1.2
    ),
    Case("a refused argument, of 0.5 s", "starting.py", "", "", 1.0),
    Case("a list for one user, of 2 s", "starting.py", "", "", 1.0, ratio="recommend_ratio"),
    _growth("BPR", "--lazy_adam=true"),
    _growth("BPR", "--lazy_adam=true", "1,000,000", slow=True),
    _growth("LightGCN", "--scaled_batch --steps=4"),
    _growth("RCEKD", "--steps=20"),
    Case("kNN graph, 50,000 × 4,096, of 2 minutes", "knn_graph.py", "", "", 1.0, slow=True),
]
