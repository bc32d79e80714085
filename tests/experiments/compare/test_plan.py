"""What --models means, and when two runs are the same."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_kd.experiments.compare.labels import parse_label, split_labels
from recbole_kd.experiments.compare.plan import Run, plan, slug
from recbole_kd.foundation.errors import UserError
from recbole_kd.registry import make_config
from recbole_kd.training.plan import pair_name
from tests.experiments.compare.conftest import METRICS, PAIR

WORDS = ["--dataset=board", "--topk=[3,5]", "--valid_metric=NDCG@3", METRICS]
MODELS = ["BPR", "LightGCN", "VBPR", "BM3", "NeuMF", "PromptMMTeacher"]


def one(label: str, *words: str, seed: int = 2020) -> Run:
    (run,) = plan([label], [seed], [*WORDS, *words])
    return run


class TestLabels:
    @settings(deadline=None)
    @given(st.lists(st.sampled_from(MODELS), min_size=1, max_size=3), st.sampled_from(MODELS))
    def test_pairs(self, teachers, student):
        words = parse_label(f"RCEKD:{'+'.join(teachers)}>{student}")
        teacher = f"--teacher={','.join(teachers)}"
        assert words == ["--model=RCEKD", teacher, f"--student={student}", "--baseline=true"]

    def test_an_assistant_stands_between_them(self):
        words = parse_label("RCEKD:BM3+LightGCN > NeuMF > BPR")
        chain = ["--teacher=BM3,LightGCN", "--assistant=NeuMF", "--student=BPR"]
        assert words == ["--model=RCEKD", *chain, "--baseline=true"]

    def test_others(self):
        assert parse_label("BPR") == ["--model=BPR"]
        assert parse_label("MTS4MM") == ["--model=MTS4MM", "--baseline=true"]

    @pytest.mark.parametrize(
        "label",
        [
            "RCEKD:",
            "RCEKD:BM3",
            "RCEKD:>BPR",
            "RCEKD:BM3>",
            "RCEKD>BPR",
            "RCEKD:A+>BPR",
            "RCEKD:BM3>>BPR",
            "RCEKD:BPR>BPR>BPR>BPR",
        ],
    )
    def test_no_pair(self, label):
        with pytest.raises(UserError, match="is no pair; write it as METHOD:TEACHER>STUDENT and quote it"):
            parse_label(label)

    @pytest.mark.parametrize(
        ("label", "says"),
        [
            ("LightGNC", "no model called 'LightGNC'; did you mean LightGCN"),
            ("RCEKD:BM4>BPR", "no model called 'BM4'; did you mean BM3"),
            ("RCEKD:BM3>BRP", "no model called 'BRP'; did you mean BPR"),
            ("BPR:BM3>LightGCN", "BPR is no distillation method; write BPR alone"),
        ],
    )
    def test_refusals(self, label, says):
        with pytest.raises(UserError, match=says):
            parse_label(label)

    def test_values_of_its_own(self):
        assert parse_label("BPR[embedding_size=8 epochs=2]") == ["--model=BPR", "--embedding_size=8", "--epochs=2"]
        assert parse_label("MTS4MM[views=[id,text]]") == ["--model=MTS4MM", "--views=[id,text]"]
        pair = parse_label("RCEKD:BM3>BPR[kd_weight=0 baseline=true]")
        assert pair == ["--model=RCEKD", "--teacher=BM3", "--student=BPR", "--kd_weight=0", "--baseline=true"]

    @given(st.lists(st.sampled_from(["BPR", PAIR, "BPR[x=1]", "MTS4MM[views=[id,text] b=[[1,2],3]]"]), min_size=1))
    def test_commas_within_brackets_part_no_labels(self, labels):
        assert split_labels(",".join(labels)) == labels
        assert split_labels(", ".join([*labels, ""])) == labels

    @pytest.mark.parametrize("label", ["BPR[", "BPR[]", "BPR[epochs]", "BPR[epochs=2", "BPR[epochs=2]x", "BPR[a=1 b]"])
    def test_no_values(self, label):
        with pytest.raises(UserError, match=r"cannot be read; write values as BPR\[key=value key=value\]"):
            parse_label(label)

    @pytest.mark.parametrize("key", ["model", "teacher", "dataset", "seed", "result_file"])
    def test_values_that_no_label_has(self, key):
        with pytest.raises(UserError, match=f"leave out {key}=x, which no label can change"):
            parse_label(f"BPR[{key}=x]")

    def test_names_of_files(self):
        assert slug("RCEKD:A+B>C") == "RCEKD-A-B-C"


class TestPlan:
    def test_rows(self, checkerboard):
        assert one("BPR").rows == {"model": "BPR"}
        rows = {"teacher": f"{PAIR} teacher", "baseline": f"{PAIR} alone", "student": PAIR}
        assert one(PAIR).rows == rows
        assert list(one("MTS4MM").rows.values()) == ["MTS4MM alone", "MTS4MM"]

    def test_values_of_a_label_beat_those_of_all(self, checkerboard):
        runs = plan(["BPR", "BPR[epochs=4]"], [1], [*WORDS, "--epochs=3"])
        assert [run.config["epochs"] for run in runs] == [3, 4]
        assert runs[0].digest != runs[1].digest
        assert runs[1].rows == {"model": "BPR[epochs=4]"}
        assert one("MTS4MM[gated=False]").rows == {"student": "MTS4MM[gated=False]"}

    def test_each_label_with_each_seed(self, checkerboard):
        runs = plan(["BPR", PAIR], [7, 8], WORDS)
        assert [(run.label, run.seed) for run in runs] == [("BPR", 7), ("BPR", 8), (PAIR, 7), (PAIR, 8)]
        assert len({run.name for run in runs}) == 4
        assert all(run.config["seed"] == run.seed for run in runs)
        assert runs[2].config["teacher"] == "VBPR"

    def test_all_are_selected_and_stopped_alike(self, checkerboard):
        runs = plan(["BPR", "PromptMM", "MTS4MM", PAIR], [1], ["--dataset=board"])
        keys = ("metrics", "topk", "valid_metric", "stopping_step", "epochs")
        assert len({str([run.config[key] for key in keys]) for run in runs}) == 1
        assert runs[0].config["topk"] == [10, 20, 50]

    @pytest.mark.parametrize(
        "words", [["--epochs=9"], ["--learning_rate=0.5"], ["--eval_mask=train"], ["--tuned=false"]]
    )
    def test_what_makes_another_run(self, checkerboard, words):
        same = words == ["--tuned=false"]  # there are no tuned values for this data set
        assert (one("BPR", *words).digest == one("BPR").digest) is same

    def test_parts_of_a_pair_make_another_run(self, checkerboard):
        words = [[], ["--kd_weight=2"], ["--teacher_embedding_size=9"], ["--student_epochs=4"], ["--init=teacher"]]
        assert len({one(PAIR, *some).digest for some in words}) == len(words)

    def test_seeds_labels_and_data_make_another_run(self, checkerboard):
        before = one("BPR").digest
        assert one("BPR", seed=3).digest != before
        assert one("BPR", "--gpu_id=3", "--checkpoint_dir=x").digest == before
        assert one("RCEKD:LightGCN>BPR").digest != one("RCEKD").digest
        file = Path("dataset/board/board.test.inter")
        os.utime(file, ns=(1, 1))
        assert one("BPR").digest != before

    @pytest.mark.parametrize(
        ("labels", "words", "says"),
        [
            (["BPR", "BPR"], [], "names 'BPR' twice"),
            (["BPR"], ["--teacher=BM3"], "leave out --teacher=BM3"),
            (["BPR"], ["--baseline=false"], "leave out --baseline=false"),
            (["BPR"], ["--learning_rat=1"], "BPR: 'learning_rat' is not a key of RecBole or recbole_kd; did you mean"),
            (["BPR", PAIR], ["--kd_topk=0"], f"{PAIR}: kd_topk=0 is not valid"),
        ],
    )
    def test_refusals(self, checkerboard, labels, words, says):
        with pytest.raises(UserError, match=says):
            plan(labels, [1], [*WORDS, *words])


class TestTuned:
    def test_the_values_of_the_search(self, checkerboard):
        folder = Path("tune/board-RCEKD-VBPR-BPR")
        folder.mkdir(parents=True)
        (folder / "best.yaml").write_text("student_learning_rate: 0.25\n")
        (run,) = plan([PAIR], [1], WORDS, tune_dir="tune")
        assert run.config["student_learning_rate"] == 0.25
        assert run.config_files[-1] == str(folder / "best.yaml")
        assert run.digest != one(PAIR, seed=1).digest
        (given,) = plan([PAIR], [1], [*WORDS, "--student_learning_rate=0.5"], tune_dir="tune")
        assert given.config["student_learning_rate"] == 0.5

    def test_none_there(self, checkerboard):
        with pytest.raises(
            UserError, match=r"RCEKD:VBPR>BPR: there are no tuned values in .*/best.yaml; make them with"
        ):
            plan([PAIR], [1], WORDS, tune_dir="tune")

    def test_tune_has_the_same_folders(self, checkerboard, monkeypatch):
        from recbole_kd.experiments.tune.search import Search

        for words in (["--model=BPR"], ["--model=RCEKD"], parse_label(PAIR), parse_label("RCEKD:LightGCN>BPR")):
            config = make_config(arguments=[*WORDS, *words])
            assert Search([*WORDS, *words]).folder == Path(f"tune/board-{pair_name(config)}")
        assert pair_name(config) == "RCEKD"  # whose own teacher and student these are


def test_models_of_users_are_ranked_as_those_of_histories_beside_them(ring):
    words = ["--dataset=ring", "--topk=[3]", "--valid_metric=NDCG@3", METRICS]
    alone = plan(["BPR"], [1], words)
    beside = plan(["BPR", "SASRec", "RCEKD:HSTU>BPR"], [1, 2], words)
    assert [run.config["histories"] for run in alone] == [False]
    assert [run.config["histories"] for run in beside] == [True] * 6
    assert {str(run.config["eval_args"]) for run in beside} == {str(beside[2].config["eval_args"])}
    assert alone[0].digest != beside[0].digest
