"""Where a value comes from, what is refused before data is read, and what a fingerprint depends on."""

import sys
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from recbole_kd.bridge import properties
from recbole_kd.bridge.config import KDConfig
from recbole_kd.bridge.written_values import literal, parse_arguments
from recbole_kd.foundation.errors import UserError
from recbole_kd.models.multimodal.promptmm import PromptMMTeacher
from recbole_kd.registry import make_config
from recbole_kd.training.plan import make_plan


def config(*arguments: str, model: str = "PromptMM", dataset: str = "board", files=(), **values) -> KDConfig:
    return make_config(model, dataset, config_file_list=files, config_dict=values, arguments=arguments)


@pytest.fixture
def own_properties(tmp_path, monkeypatch) -> Path:
    """A copy of ``properties/`` that a test may write into."""
    folder = tmp_path / "own_properties"
    for file in properties.FOLDER.rglob("*.yaml"):
        copy = folder / file.relative_to(properties.FOLDER)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(file.read_text())
    monkeypatch.setattr(properties, "FOLDER", folder)
    return folder


class TestPrecedence:
    def test_each_source_beats_the_one_below(self, checkerboard, own_properties, tmp_path):
        """Seven sources of one key, taken away from the strongest to the weakest."""
        (own_properties / "tuned").mkdir(exist_ok=True)
        data_set_file = tmp_path / "dataset" / "board" / "board.yaml"
        plain = data_set_file.read_text()
        tuned_file = own_properties / "tuned" / "PromptMM_on_board.yaml"
        tuned_file.write_text("seed: 14\n")
        data_set_file.write_text(plain + "seed: 15\n")
        Path("first.yaml").write_text("seed: 16\n")
        Path("second.yaml").write_text("seed: 17\n")
        files = ["first.yaml", "second.yaml"]
        assert config("--seed=19", files=files, seed=18)["seed"] == 19
        assert config(files=files, seed=18)["seed"] == 18
        assert config(files=files)["seed"] == 17
        assert config(files=files[:1])["seed"] == 16
        assert config()["seed"] == 14  # found for this model on this data set
        tuned_file.unlink()
        assert config()["seed"] == 15
        data_set_file.write_text(plain)
        (own_properties / "model" / "PromptMM.yaml").open("a").write("seed: 13\n")
        assert config()["seed"] == 13
        assert config(model="BPR")["seed"] == 2020

    def test_tuned_values_can_be_left_out(self, checkerboard, own_properties):
        (own_properties / "tuned").mkdir(exist_ok=True)
        (own_properties / "tuned" / "PromptMM_on_board.yaml").write_text("pair: 0.25\nteacher_n_layers: 4\n")
        assert config()["pair"] == 0.25
        assert make_plan(config()).configs["teacher"]["n_layers"] == 4
        assert config(tuned=False)["pair"] != 0.25
        assert make_plan(config("--tuned=false")).configs["teacher"]["n_layers"] != 4

    def test_the_data_sets_own_file_is_read(self, checkerboard):
        assert config()["benchmark_filename"] == ["train", "valid", "test"]

    def test_model_and_data_set_may_come_from_any_source(self, checkerboard):
        Path("run.yaml").write_text("model: BPR\ndataset: board\n")
        assert make_config(config_file_list=["run.yaml"]).model == "BPR"
        assert make_config(config_file_list=["run.yaml"], arguments=["--model=NeuMF"]).model == "NeuMF"
        assert make_config(arguments=["--model=BPR", "--dataset=board"]).dataset == "board"
        for key, rest in (("model", "--dataset=board"), ("dataset", "--model=BPR")):
            with pytest.raises(UserError, match=f"no {key} is given; add --{key}=NAME"):
                make_config(arguments=[rest])

    def test_sys_argv_is_never_read(self, checkerboard, monkeypatch):
        monkeypatch.setattr(sys, "argv", ["prog", "--seed=5", "--model=Pop", "--no_such_key=1"])
        assert config()["seed"] == 2020
        assert config().model == "PromptMM"


class TestLiterals:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("true", True),
            ("False", False),
            ("None", None),
            ("null", None),
            ("3", 3),
            ("1e-3", 1e-3),
            ("-0.5", -0.5),
            ("[10,20]", [10, 20]),
            ("(1, 2)", (1, 2)),
            ("['a','b']", ["a", "b"]),
            ("[a,b]", ["a", "b"]),
            ("{'alpha': 2.0, 'beta': None}", {"alpha": 2.0, "beta": None}),
            ("{alpha: 2.0}", {"alpha": 2.0}),
            ("a=b", "a=b"),
            ("a b", "a b"),
            ("", ""),
            ("{[]: 1}", "{[]: 1}"),
            ("[1, ", "[1, "),
            ("text,image", "text,image"),
            ("(" * 500, "(" * 500),
        ],
    )
    def test_a_value_is_the_literal_that_it_spells(self, text, value):
        found = literal(text)
        assert found == value
        assert type(found) is type(value)

    @pytest.mark.parametrize(
        "code",
        ["__import__('os').system('touch pwned')", "open('pwned','w')", "[__import__('os').system('touch pwned')]"],
    )
    def test_nothing_is_evaluated(self, checkerboard, code):
        with suppress(UserError):  # a list is no name
            config(f"--wandb_project={code}")
        with suppress(UserError):
            config(wandb_project=code)
        Path("evil.yaml").write_text(f'wandb_project: "{code}"\n')
        config(files=["evil.yaml"])
        assert not Path("pwned").exists()

    def test_yaml_makes_no_objects(self, checkerboard):
        Path("evil.yaml").write_text("wandb_project: !!python/object/apply:os.system ['touch pwned']\n")
        with pytest.raises(UserError, match=r"evil.yaml is not valid YAML"):
            config(files=["evil.yaml"])
        assert not Path("pwned").exists()

    def test_words_of_another_form(self):
        assert parse_arguments(["--a=b=c", "--a=b=c"]) == {"a": "b=c"}
        for word in ("seed=3", "--seed", "--=3", "-s=3", "seed"):
            with pytest.raises(UserError, match="write it as --key=value"):
                parse_arguments([word])
        with pytest.raises(UserError, match="--seed is given twice, as '1' and '2'"):
            parse_arguments(["--seed=1", "--seed=2"])


class TestRefusals:
    """One sentence, before any data is read."""

    def test_unknown_key(self, checkerboard):
        with pytest.raises(UserError, match=r"'learning_rat' is not a key .*; did you mean learning_rate"):
            config("--learning_rat=1")
        with pytest.raises(UserError, match=r"'qqqqzzzz' is not a key .*--help"):
            config(qqqqzzzz=1)
        Path("bad.yaml").write_text("1: 2\n")
        with pytest.raises(UserError, match="'1' is not a key"):
            config(files=["bad.yaml"])

    def test_unknown_key_in_the_data_sets_file(self, checkerboard):
        with Path("dataset/board/board.yaml").open("a") as stream:
            stream.write("benchmark_filenam: [a]\n")
        with pytest.raises(UserError, match=r"'benchmark_filenam' in .*board.yaml .*did you mean benchmark_filename"):
            config()

    @pytest.mark.parametrize(
        "line",
        [
            *("data_path: /elsewhere", "checkpoint_dir: /tmp", "dataloaders_save_path: x.pth", "result_file: a.json"),
            *("model: BPR", "teacher: BPR", "dataset: other", "epochs: 1", "learning_rate: 0.1", "features_path: /"),
            *(
                "device: cuda",
                "n_layers: 3",
                "student_seed: 1",
                "resume: false",
                "checkpoint: x.pth",
                "metrics: [NDCG]",
            ),
        ],
    )
    def test_a_data_sets_file_describes_data_and_nothing_else(self, checkerboard, line):
        with Path("dataset/board/board.yaml").open("a") as stream:
            stream.write(f"{line}\n")
        with pytest.raises(UserError, match=f"{line.partition(':')[0]!r}"):
            config(model="BPR")

    def test_what_a_data_sets_file_may_say(self, checkerboard):
        with Path("dataset/board/board.yaml").open("a") as stream:
            stream.write(
                "seed: 7\nmodalities: [board]\nmissing_features: zero\nalias_of_item_id: [it]\nencoding: utf-8\n"
            )
        found = config(model="BPR")
        assert (found["seed"], found["modalities"], found["alias_of_item_id"]) == (7, ["board"], ["it"])

    @pytest.mark.parametrize(
        ("name", "says"),
        [
            ("../board", r"is a path; write --data_path=\.\. --dataset=board"),
            ("/tmp/board", "is a path; write --data_path=/tmp --dataset=board"),
            ("..", "is no name of a data set"),
            ("", "no dataset is given"),
            ("a\0b", "is no name of a data set"),
            (["board"], "is no name of a data set"),
        ],
    )
    def test_a_data_sets_name_leads_nowhere_else(self, checkerboard, name, says):
        with pytest.raises(UserError, match=says):
            make_config("BPR", name)

    def test_a_slash_at_the_end_of_a_name_is_nothing(self, checkerboard):
        assert make_config("BPR", "board/").dataset == "board"

    def test_a_stages_prefix_does_not_hide_a_typo(self, checkerboard):
        assert config("--teacher_n_layers=3")["teacher_n_layers"] == 3
        with pytest.raises(UserError, match="teacher_n_layerz"):
            config("--teacher_n_layerz=3")

    @pytest.mark.parametrize(("name", "near"), [("PromptMN", "PromptMM"), ("lightgn", "LightGCN"), ("NCFF", "NGCF")])
    def test_unknown_model(self, checkerboard, name, near):
        with pytest.raises(UserError, match=f"there is no model called '{name}'.*{near}"):
            make_config(name, "board")

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            *(("DeepFM", "context-aware"), ("deepfm", "context-aware"), ("DIEN", "sequential")),
            *(("KGAT", "knowledge-aware"), ("XGBoost", "decision-tree"), ("LightGBM", "decision-tree")),
        ],
    )
    def test_a_model_of_another_kind_is_not_absent(self, checkerboard, name, kind):
        with pytest.raises(UserError, match=f"{name} is a {kind} .*model of RecBole, of another .* BPR or LightGCN"):
            make_config(name, "board")

    def test_small_letters_will_do(self, checkerboard):
        assert make_config("lightgcn", "board").model == "LightGCN"
        assert make_config("promptmm", "board").model == "PromptMM"
        plan = make_plan(make_config("rcekd", "board", arguments=["--teacher=bm3", "--student=bpr"]))
        assert [stage.model.__name__ for stage in plan.stages] == ["BM3", "BPR"]
        assert make_config("RCEKD", "board", config_dict={"teacher": "bm3, LIGHTGCN"})["teacher"] == "BM3,LightGCN"
        assert plan.config["student"] == "BPR"

    def test_a_number_is_no_model(self, checkerboard):
        with pytest.raises(UserError, match="there is no model called '5'"):
            make_config(arguments=["--model=5", "--dataset=board"])

    def test_unknown_data_set(self, checkerboard):
        with pytest.raises(UserError, match="no data set 'bord' in dataset; did you mean board"):
            make_config("BPR", "bord")
        with pytest.raises(UserError, match=r"no data set 'zzz'.*recbole-kd convert"):
            make_config("BPR", "zzz")

    @pytest.mark.parametrize(
        ("text", "reason"),
        [("a: [1\n", "is not valid YAML"), ("- 1\n", "holds a list"), ("\x00", "is not valid YAML")],
    )
    def test_broken_yaml(self, checkerboard, text, reason):
        Path("bad.yaml").write_text(text)
        with pytest.raises(UserError, match=f"bad.yaml {reason}"):
            config(files=["bad.yaml"])

    def test_other_unreadable_files(self, checkerboard):
        Path("latin.yaml").write_bytes("a: caf\xe9\n".encode("latin-1"))
        with pytest.raises(UserError, match=r"latin.yaml is not valid YAML"):
            config(files=["latin.yaml"])
        with pytest.raises(UserError, match=r"cannot read the config file none.yaml: No such file"):
            config(files=["none.yaml"])
        Path("empty.yaml").write_text("")
        assert config(files=["empty.yaml"])["seed"] == 2020

    @pytest.mark.parametrize(
        ("word", "reason"),
        [
            ("--epochs=ten", "epochs='ten' is not valid"),
            ("--epochs=-1", "epochs=-1 is not valid: .*greater than or equal to 0"),
            ("--epochs=2.5", "epochs=2.5 is not valid"),
            ("--learning_rate=0", "learning_rate=0 is not valid: .*greater than 0"),
            ("--learning_rate=1e999", "learning_rate=inf is not valid"),
            ("--learner=adan", "learner='adan' is not valid"),
            ("--baseline=1", "baseline=1 is not valid"),
            ("--topk=0", "topk=0 is not valid"),
            ("--topk=[10,0]", "is not valid: .*greater than or equal to 1"),
            ("--topk=[]", "topk"),
            ("--eval_mask=none", "eval_mask='none' is not valid: .*'recbole' or 'train'"),
            ("--missing_features=skip", "missing_features='skip' is not valid"),
            ("--metrics=[Recal]", "no metric 'Recal'; did you mean recall"),
            ("--valid_metric=NDCG@7", "valid_metric='NDCG@7' is not computed, only Recall@10"),
            ("--valid_metric=GAUC", "valid_metric='GAUC' is not computed"),
            ("--valid_metric=5", "valid_metric=5 is not valid"),
            ("--eval_args=full", "eval_args='full' is not valid: write it as {split: "),
            ("--eval_args={mode: ful}", "eval_args.mode='ful' is not valid: .*did you mean full"),
            ("--pair=-1", "pair=-1 is not valid"),
            ("--list_negatives=0", "list_negatives=0 is not valid"),
            ("--list_source=teacher", "list_source='teacher' is not valid"),
            ("--disentangle={'alpha':-1.0}", "disentangle.alpha=-1.0 is not valid"),
            ("--prompt_grad=[pears]", "prompt_grad"),
            ("--prompt_dropout=1", "teacher: prompt_dropout=1 is not valid"),
            ("--teacher_n_layers=two", "teacher: n_layers='two' is not valid"),
            ("--teacher_epochs=-1", "teacher: epochs=-1 is not valid"),
            ("--student_learning_rate=-1", "student: learning_rate=-1 is not valid"),
            ("--student_valid_metric=NDCG@3", "student: valid_metric='NDCG@3' is not computed"),
        ],
    )
    def test_wrong_value(self, checkerboard, word, reason):
        with pytest.raises(UserError, match=reason) as caught:
            make_plan(config(word))
        assert "\n" not in str(caught.value)

    def test_a_wrong_value_fails_before_data_is_read(self, checkerboard):
        from recbole_kd.experiments.run import run

        for file in Path("dataset/board").glob("*.inter"):
            file.write_text("no data here")
        with pytest.raises(UserError, match="teacher: n_layers"):
            run("PromptMM", "board", arguments=["--teacher_n_layers=-1"])


class TestStages:
    def test_prefixes_reach_one_stage(self, checkerboard):
        stages = make_plan(config(epochs=7, teacher_epochs=3, student_learning_rate=0.5, learning_rate=0.25)).configs
        assert (stages["teacher"]["epochs"], stages["student"]["epochs"]) == (3, 7)
        assert (stages["teacher"]["learning_rate"], stages["student"]["learning_rate"]) == (0.25, 0.5)
        assert not any(str(key).startswith(("teacher_", "student_")) for key in stages["teacher"].final_config_dict)

    def test_a_users_plain_key_beats_what_a_file_sets_for_a_stage(self, checkerboard):
        assert make_plan(config()).configs["student"]["learning_rate"] == 0.003  # student_learning_rate of the YAML
        for stages in (
            make_plan(config("--learning_rate=0.25")).configs,
            make_plan(config(learning_rate=0.25)).configs,
        ):
            assert {stage["learning_rate"] for stage in stages.values()} == {0.25}
        stages = make_plan(config("--learning_rate=0.25", "--student_learning_rate=0.5")).configs
        assert (stages["teacher"]["learning_rate"], stages["student"]["learning_rate"]) == (0.25, 0.5)
        Path("mine.yaml").write_text("learning_rate: 0.125\n")
        assert make_plan(config(files=["mine.yaml"])).configs["student"]["learning_rate"] == 0.125
        sizes = make_plan(config("--embedding_size=8", model="RCEKD")).configs
        assert {stage["embedding_size"] for stage in sizes.values()} == {8}
        assert make_plan(config(model="RCEKD")).configs["teacher"]["embedding_size"] == 128

    @pytest.mark.parametrize("stage", ["teacher", "assistant", "student"])
    def test_a_model_that_nobody_would_use(self, checkerboard, stage):
        with pytest.raises(UserError, match=f"^{stage}: BPR is no distillation method, so nobody would use 'LightGCN'"):
            make_plan(config(f"--{stage}=LightGCN", model="BPR"))

    @pytest.mark.parametrize(
        "model", ["ItemKNN", "AsymKNN", "EASE", "Pop", "Random", "SLIMElastic", "ADMMSLIM", "NCEPLRec"]
    )
    def test_a_student_without_a_gradient(self, checkerboard, model):
        with pytest.raises(UserError, match=f"student: {model} is computed from the data at once"):
            make_plan(config(f"--student={model}", model="RCEKD"))

    def test_a_stage_keeps_its_own_defaults(self, checkerboard):
        stages = make_plan(config()).configs
        assert stages["teacher"]["learner"] == "adamw"
        assert stages["student"]["learner"] == "adam"
        assert "prompt_dropout" not in stages["student"]
        assert stages["student"].model == "LightGCN"
        assert stages["teacher"].model == "PromptMMTeacher"
        assert stages["teacher"].model_class is PromptMMTeacher


class TestFingerprint:
    @pytest.mark.parametrize(
        "values",
        [
            *({"seed": 1}, {"embedding_size": 8}, {"epochs": 3}, {"learning_rate": 0.5}, {"topk": [10, 3]}),
            *({"eval_mask": "train"}, {"train_neg_sample_args": {"sample_num": 2}}),
        ],
    )
    def test_changes_with_what_changes_numbers(self, checkerboard, values):
        plain = make_config("BPR", "board", config_dict={"topk": [10]})
        assert make_config("BPR", "board", config_dict={"topk": [10], **values}).fingerprint() != plain.fingerprint()

    def test_changes_with_the_model_and_the_parts(self, checkerboard):
        prints = {make_config(model, "board").fingerprint(*parts) for model in ("BPR", "DMF") for parts in ((), ("a",))}
        assert len(prints) == 4

    @pytest.mark.parametrize(
        "values",
        [
            *({"gpu_id": "1"}, {"data_path": "elsewhere"}, {"show_progress": False}, {"result_file": "a.json"}),
            *({"checkpoint_dir": "kept"}, {"state": "error"}, {"baseline": True}, {"eval_batch_size": 7}),
        ],
    )
    def test_does_not_change_with_what_changes_none(self, checkerboard, values):
        Path("elsewhere").symlink_to("dataset")
        plain = make_config("BPR", "board")
        assert make_config("BPR", "board", config_dict=values).fingerprint() == plain.fingerprint()

    def test_a_default_given_by_hand_is_the_default(self, checkerboard):
        assert config(seed=2020, pair=config()["pair"]).fingerprint() == config().fingerprint()


def test_every_properties_file_is_a_mapping():
    files = list(properties.FOLDER.rglob("*.yaml"))
    assert len(files) >= 3
    for file in files:
        assert isinstance(yaml.safe_load(file.read_text(encoding="utf-8")), dict), file
