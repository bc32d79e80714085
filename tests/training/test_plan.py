"""A run as a graph of stages, made from what the distiller needs; what cannot be is refused before data are read."""

from pathlib import Path
from typing import ClassVar

import pytest
import torch
import torch.nn.functional as F

from recbole_kd.bridge.checkpoint import save_state
from recbole_kd.distillers.base import Distiller, Need, NotAskedFor, Teacher, TrajectorySettings
from recbole_kd.experiments.run import run
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.settings import Settings
from recbole_kd.registry import DISTILLERS, make_config
from recbole_kd.training import fitting
from recbole_kd.training.plan import make_plan
from tests.distillers.contract import QUIET

SMALL = {**QUIET, "epochs": 2, "teacher": "BPR", "student": "BPR", "embedding_size": 4}


class Pull(Distiller[Settings]):
    """Pulls the student's scores of its batch towards the mean of its teachers'; tells of whom it was taught."""

    heard: list

    def forward(self, student, batch):
        users, items = batch["user_id"], batch["item_id"].unsqueeze(1)
        wanted = torch.stack([teacher.scores.score(users, items) for teacher in self.teachers]).mean(dim=0)
        return {"pull": F.mse_loss(student.score(users, items), wanted)}


class ThroughAssistant(Pull):
    needs = frozenset({Need.SCORES, Need.ASSISTANT})
    made: ClassVar[list] = []

    def __init__(self, config, dataset, teachers):
        super().__init__(config, dataset, teachers)
        self.made.append([teacher.name for teacher in teachers])


class Several(Pull):
    several_teachers = True


class OfEmbeddings(Pull):
    needs = frozenset({Need.EMBEDDINGS, Need.POPULARITY})

    def __init__(self, config, dataset, teachers):
        super().__init__(config, dataset, teachers)
        users, items = teachers[0].scores.embeddings()
        assert len(users) == dataset.user_num
        assert len(items) == dataset.item_num
        counts = torch.bincount(dataset.inter_feat["item_id"], minlength=dataset.item_num)
        assert torch.equal(teachers[0].popularity, counts)
        with pytest.raises(NotAskedFor, match=r"Need\.MODEL"):
            _ = teachers[0].model


class OfTrajectory(Pull):
    needs = frozenset({Need.SCORES, Need.TRAJECTORY})
    settings_class = TrajectorySettings

    def __init__(self, config, dataset, teachers):
        super().__init__(config, dataset, teachers)
        (teacher,), users = teachers, torch.arange(1, 4)
        lists = [scores.topk(users, 3)[0] for scores in teacher.trajectory]
        assert all((found > 0).all() for found in lists)
        self.diagnostics_of_trajectory = len(lists)
        last = teacher.trajectory[-1].score_all(users)
        assert not torch.equal(teacher.trajectory[0].score_all(users), last)


@pytest.fixture(autouse=True)
def methods(monkeypatch):
    found = {"Pull": Pull, "ThroughAssistant": ThroughAssistant, "OfEmbeddings": OfEmbeddings, "Several": Several}
    monkeypatch.setattr(DISTILLERS, "_registered", {**found, "OfTrajectory": OfTrajectory})
    ThroughAssistant.made.clear()


def plan_of(model: str, **values):
    return make_plan(make_config(model, "board", config_dict={**SMALL, **values}))


class TestGraph:
    def test_a_single_model(self, checkerboard):
        plan = plan_of("BPR", teacher=None, student=None)
        assert [stage.name for stage in plan.stages] == ["model"]
        assert (plan.distiller, plan.needs, plan.teachers, plan.distilled) == (None, frozenset(), (), ())
        assert plan.result.model.__name__ == "BPR"

    def test_a_teacher_the_student_alone_and_the_student(self, checkerboard):
        plan = plan_of("RCEKD", baseline=True, init="teacher")
        names, taught_by, starts = zip(*((s.name, s.taught_by, s.starts_from) for s in plan.stages), strict=True)
        assert names == ("teacher", "baseline", "student")
        assert taught_by == ((), (), ("teacher",))
        assert starts == (None, "teacher", "teacher")
        assert plan.distilled == ("student",)
        assert list(plan.configs) == ["teacher", "student"]

    def test_teachers_of_its_own(self, checkerboard):
        plan = plan_of("MTS4MM", teacher=None, student="MTS4MMStudent", embedding_size=64)
        assert [stage.name for stage in plan.stages] == ["student"]
        assert plan.distilled == ("student",)

    def test_an_assistant_is_taught_and_teaches(self, checkerboard):
        plan = plan_of("ThroughAssistant", assistant="LightGCN", assistant_embedding_size=8, baseline=True)
        assert [stage.name for stage in plan.stages] == ["teacher", "assistant", "baseline", "student"]
        assert [stage.taught_by for stage in plan.stages] == [(), ("teacher",), (), ("teacher", "assistant")]
        assert [stage.name for stage in plan.teachers] == ["teacher"]
        assert plan.configs["assistant"]["embedding_size"] == 8
        assert plan.configs["student"]["embedding_size"] == 4

    def test_a_source_without_a_prefix_is_the_teachers(self, checkerboard):
        plan = plan_of("ThroughAssistant", assistant="LightGCN", cache_dir="x", checkpoint="y")
        assert [plan.configs[name]["cache_dir"] for name in ("teacher", "assistant", "student")] == ["x", None, None]
        assert [plan.configs[name]["checkpoint"] for name in ("teacher", "assistant", "student")] == ["y", None, None]

    def test_identity_follows_every_stage_and_what_they_hand_on(self, checkerboard):
        first = plan_of("RCEKD").identity()
        assert plan_of("RCEKD", show_progress=True, baseline=True).identity() == first
        changes = ({"teacher_epochs": 3}, {"student_embedding_size": 5}, {"init": "teacher"}, {"cache_topk": 7})
        for changed in (*changes, {"kd_weight": 0.25}, {"seed": 1}, {"teacher": "LightGCN"}):
            assert plan_of("RCEKD", **changed).identity() != first, changed


class TestNeeds:
    def test_through_an_assistant(self, checkerboard):
        result = run("ThroughAssistant", checkerboard, config_dict={**SMALL, "assistant": "LightGCN"})
        assert [stage.name for stage in result.stages] == ["teacher", "assistant", "student"]
        assert [stage.model for stage in result.stages] == ["BPR", "LightGCN", "BPR"]
        assert ThroughAssistant.made == [["teacher"], ["teacher", "assistant"]]
        assert all("pull" in stage.history[0]["losses"] for stage in result.stages[1:])

    def test_embeddings_and_popularity(self, checkerboard):
        result = run("OfEmbeddings", checkerboard, config_dict=SMALL)
        assert "pull" in result.stages[-1].history[0]["losses"]

    def test_a_trajectory_is_kept_once_and_taken_up(self, checkerboard):
        values = {**SMALL, "trajectory_every": 2, "teacher_epochs": 5, "stopping_step": 10}
        result = run("OfTrajectory", checkerboard, config_dict=values)
        teacher = result.stages[0].checkpoint
        kept = sorted(path.name for path in fitting.trajectory_folder(Path(teacher)).iterdir())
        assert kept == ["00002.pth", "00004.pth"]
        again = run("OfTrajectory", checkerboard, config_dict={**values, "student_embedding_size": 3})
        assert again.stages[0].checkpoint == teacher
        other = run("OfTrajectory", checkerboard, config_dict={**values, "trajectory_every": 1})
        assert other.stages[0].checkpoint != teacher
        plain = run("Pull", checkerboard, config_dict={**SMALL, "teacher_epochs": 5, "stopping_step": 10})
        assert plain.stages[0].checkpoint not in (teacher, other.stages[0].checkpoint)

    @pytest.fixture
    def kept(self, checkerboard):
        values = {**SMALL, "trajectory_every": 1, "teacher_epochs": 3, "stopping_step": 10}
        first = run("OfTrajectory", checkerboard, config_dict=values)
        folder = fitting.trajectory_folder(Path(first.stages[0].checkpoint))
        return values, first, folder

    def test_another_trajectory_is_another_student(self, checkerboard, kept):
        values, first, folder = kept
        (folder / "00002.pth").write_bytes((folder / "00003.pth").read_bytes())
        again = run("OfTrajectory", checkerboard, config_dict=values)
        assert again.stages[0].checkpoint == first.stages[0].checkpoint
        assert again.stages[-1].checkpoint != first.stages[-1].checkpoint

    def test_files_that_are_no_epoch_of_it_are_not_looked_at(self, checkerboard, kept):
        values, first, folder = kept
        save_state(folder / "zz.pth", {"a": 1})
        (folder / "00009.pth").symlink_to("/dev/zero")
        assert (
            run("OfTrajectory", checkerboard, config_dict=values).stages[-1].checkpoint == first.stages[-1].checkpoint
        )

    @pytest.mark.parametrize(
        ("do", "says"),
        [
            (lambda path: path.unlink(), "is missing, an epoch of the teacher; --resume=false trains it again"),
            (lambda path: (path.rename("x"), path.symlink_to("x")), "is missing, an epoch of the teacher"),
            (lambda path: path.write_bytes(b"junk"), "is not a whole checkpoint"),
            (lambda path: save_state(path, {"a": 1}), "holds no weights of a model under state_dict"),
            (lambda path: save_state(path, {"state_dict": {"a": torch.ones(1)}}), "is no epoch of BPR"),
        ],
    )
    def test_a_damaged_epoch_is_one_sentence(self, checkerboard, kept, do, says):
        values, _, folder = kept
        do(folder / "00002.pth")
        with pytest.raises(UserError, match=says) as caught:
            run("OfTrajectory", checkerboard, config_dict=values)
        assert "\n" not in str(caught.value)

    def test_a_folder_that_is_a_link_is_not_emptied(self, checkerboard, kept):
        values, _, folder = kept
        folder.rename("elsewhere")
        folder.symlink_to(Path("elsewhere").absolute())
        with pytest.raises(UserError, match="is no folder of ours; delete it"):
            run("OfTrajectory", checkerboard, config_dict={**values, "resume": False})
        assert len(list(Path("elsewhere").iterdir())) == 3

    def test_its_settings_say_how_often(self):
        with pytest.raises(TypeError, match="derive its settings_class from TrajectorySettings"):

            class Careless(Distiller):
                needs = frozenset({Need.TRAJECTORY})

    def test_needs_are_named(self):
        with pytest.raises(TypeError, match=r"Old needs .scores.; name members of recbole_kd\.Need"):

            class Old(Distiller):
                needs = frozenset({"scores"})

    def test_what_was_not_asked_for_is_an_authors_mistake(self):
        for name in ("scores", "model", "trajectory", "popularity"):
            with pytest.raises(NotAskedFor, match="does not name"):
                getattr(Teacher("teacher"), name)


class TestRefusals:
    @pytest.mark.parametrize(
        ("model", "values", "says"),
        [
            ("ThroughAssistant", {}, "teaches through a model between the two; add --assistant=MODEL"),
            ("RCEKD", {"assistant": "BPR"}, "assistant: RCEKD teaches without a model between the two; leave out"),
            ("ThroughAssistant", {"assistant": "EASE"}, "assistant: EASE is computed from the data at once"),
            ("ThroughAssistant", {"assistant": "RCEKD"}, "assistant: RCEKD is a distillation method"),
            ("RCEKD", {"student": "EASE"}, "student: EASE is computed from the data at once"),
            ("RCEKD", {"student": "Pop"}, "student: Pop is computed from the data at once"),
            ("RCEKD", {"student": "RaCT"}, "student: RaCT is only pre-trained under train_stage=actor_pretrain"),
            ("OfEmbeddings", {"teacher": "ItemKNN"}, "teacher: OfEmbeddings needs embeddings, and ItemKNN has none"),
            ("OfTrajectory", {"cache_dir": "x"}, "cache_dir: this method learns from how its teacher was trained"),
            ("PromptMM", {"teacher": "PromptMMTeacher", "cache_dir": "x"}, "cache_dir: this method learns from its"),
            ("OfTrajectory", {"teacher_cache_dir": "x"}, "teacher_cache_dir: this method learns from how its"),
            ("OfTrajectory", {"teacher_checkpoint": "x"}, "teacher_checkpoint: OfTrajectory learns from how"),
            ("OfTrajectory", {"trajectory_every": 3}, "trajectory_every=3 keeps none of the 2 epochs of the teacher"),
            ("Several", {"teacher": "BPR,LightGCN", "cache_dir": "x"}, "teacher and teacher2 cannot keep their scores"),
            ("RCEKD", {"student_checkpoint": "x"}, "student_checkpoint: the student is what is trained; leave it out"),
            ("RCEKD", {"student_cache_dir": "x"}, "student_cache_dir: the student is what is trained; leave it out"),
        ],
    )
    def test_before_data_are_read(self, checkerboard, model, values, says):
        with pytest.raises(UserError, match=says) as caught:
            plan_of(model, **values)
        assert "\n" not in str(caught.value)

    def test_a_teacher_without_embeddings_is_not_trained_first(self, checkerboard, monkeypatch):
        monkeypatch.setattr("recbole_kd.training.teaching.train_stage", lambda *_: pytest.fail("trained"))
        with pytest.raises(UserError, match="teacher: this method needs embeddings, and NeuMF has none"):
            run("OfEmbeddings", checkerboard, config_dict={**SMALL, "teacher": "NeuMF"})

    def test_a_student_whose_scores_have_no_gradient(self, checkerboard, monkeypatch):
        monkeypatch.setattr("recbole_kd.training.plan.has_no_gradient", lambda model: False)  # as of an unknown model
        with pytest.raises(UserError, match="student: the scores of NCEPLRec have no gradient"):
            run("RCEKD", checkerboard, config_dict={**SMALL, "student": "NCEPLRec"})


class TestStudentsTrainersOfTheirOwn:
    def test_recvae_is_trained_by_its_own_trainer(self, checkerboard):
        """Encoder and decoder in turn, three and one passes; the terms are in each."""
        values = {**SMALL, "student": "RecVAE", "epochs": 2, "train_batch_size": 64, "kd_topk": 4, "kd_samples": 3}
        result = run("RCEKD", checkerboard, config_dict={**values, "baseline": True})
        alone, student = result.stages[1:]
        assert set(student.history[0]["losses"]) == {"base", "rce"}
        assert student.history[0]["losses"]["rce"] > 0
        assert alone.valid != student.valid

    def test_without_weights_it_is_recvae_alone_to_the_bit(self, checkerboard):
        values = {**SMALL, "student": "RecVAE", "train_batch_size": 64, "kd_weight": 0.0, "baseline": True}
        *_, alone, student = run("RCEKD", checkerboard, config_dict=values).stages
        assert (alone.valid, alone.test) == (student.valid, student.test)
