"""A student's content path: learnt beside it, changing nothing of it, and standing for what training never saw."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from recbole_kd.bridge.checkpoint import load_checkpoint, load_state
from recbole_kd.bridge.loaders import apart_tests
from recbole_kd.bridge.targets import trained_items
from recbole_kd.distillers.content_path import ContentPath, content_embeddings, scaled_like
from recbole_kd.experiments.run import run
from recbole_kd.foundation.errors import UserError
from recbole_kd.scoring.model_scores import scores_of
from recbole_kd.training.content import content_path_file, settle_content
from tests.models.contract import build

COLD = {"split": "cold_items=0.25", "modalities": ["board"], "show_progress": False, "topk": [3]}
COLD |= {"valid_metric": "Recall@3"}
SMALL = {"teacher": "VBPR", "student": "BPR", "kd_topk": 4, "kd_samples": 3, "kd_hold": 1, "student_embedding_size": 8}


def student_of(**values):
    result = run("RCEKD", "board", config_dict={**COLD, **SMALL, "epochs": 6, **values})
    return result.stages[-1]


def weights(stage) -> dict[str, torch.Tensor]:
    return load_checkpoint(stage.checkpoint)["state_dict"]


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_the_student_is_the_same_to_the_bit(checkerboard, kind):
    plain, taught = student_of(), student_of(student_content=kind)
    assert plain.test == taught.test
    for name, value in weights(plain).items():
        assert torch.equal(value, weights(taught)[name])
    assert set(plain.apart) == {"warm", "cold"}
    assert set(taught.apart) == {*plain.apart, "with content", "with content, warm", "with content, cold"}
    assert plain.apart["cold"] == taught.apart["cold"]
    assert not content_path_file(plain.checkpoint).exists()


def test_it_finds_items_that_training_never_saw(checkerboard):
    values = {"eval_items": "cold", "epochs": 60, "student_learning_rate": 0.02, "stopping_step": 60}
    taught = student_of(student_content="linear", teacher_learning_rate=0.02, **values)
    assert (
        taught.apart["with content"]["recall@3"] > 0.8
    )  # by chance .2; the student has learnt of them from its teacher too


def test_what_is_kept_gives_the_same_embeddings(checkerboard):
    taught = student_of(student_content="mlp")
    state = load_state(content_path_file(taught.checkpoint))
    made = build("BPR", checkerboard, embedding_size=8, **COLD)
    features = made.dataset.features("board")
    found = content_embeddings(state, features)
    assert found.shape == (25, 8)
    assert state["modalities"] == ["board"]
    with pytest.raises(UserError, match="does not fit features 5 wide"):
        content_embeddings(state, torch.zeros(2, 5))
    with pytest.raises(UserError, match="does not fit"):
        content_embeddings({"kind": "linear"}, features)


def test_no_gradient_reaches_the_student_and_the_loss_is_the_formula(checkerboard):
    made = build("BPR", checkerboard, embedding_size=8, **COLD)
    scores = scores_of(made.model)
    path = ContentPath("linear", made.loaders.train_part, 8, None, seed=1)
    loss = path.loss(scores, made.batch)
    loss.backward()
    assert all(parameter.grad is None for parameter in made.model.parameters())
    assert path.map.weight.grad.any()
    users, items = scores.embeddings()
    readers = made.batch["user_id"].unique()
    with torch.no_grad():
        mapped = path.map(path.features).double()[1:]
        known = path.trained[1:]
        near = (mapped - items[1:])[known].pow(2).mean()
        target = (users[readers] @ items[1:].T).double().softmax(dim=1)
        mine = (users[readers].double() @ mapped.T).log_softmax(dim=1)
        expected = near - (target * mine).sum(dim=1).mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)  # all 24 items and users are drawn


def test_a_teachers_scores_are_brought_to_the_students_scale():
    own, theirs = torch.randn(3, 6, dtype=torch.float64), 50 + 9 * torch.randn(3, 6, dtype=torch.float64)
    known = torch.tensor([True, True, False, True, True, False])
    found = scaled_like(theirs, own, known)
    for row in range(3):
        mine, given, like = (part[row][known].numpy() for part in (found, theirs, own))
        assert mine.mean() == pytest.approx(like.mean())
        assert mine.std() == pytest.approx(like.std())
        assert (mine.argsort() == given.argsort()).all()
        slope = (found[row, 2] - found[row, 5]) / (theirs[row, 2] - theirs[row, 5])
        assert slope == pytest.approx(like.std() / given.std())
    assert torch.equal(scaled_like(theirs, own, known & False), theirs)
    assert torch.isfinite(scaled_like(torch.ones_like(theirs), own, known)).all()


@pytest.mark.parametrize("share", [1.0, 0.25, 0.0])
def test_filled_replaces_what_training_never_saw_and_has_features(checkerboard, share):
    made = build("BPR", checkerboard, embedding_size=8, **COLD)
    path = ContentPath("linear", made.loaders.train_part, 8, None, seed=1)
    path.described[path.trained.logical_not().nonzero()[-1]] = False
    path.share = share
    users, items = scores_of(made.model).embeddings()
    same, filled = path.filled((users, items))
    assert torch.equal(same, users)
    kept = path.trained | ~path.described
    assert kept[0]  # the padding
    assert torch.equal(filled[kept], items[kept])
    expected = share * path.map(path.features) + (1 - share) * items
    torch.testing.assert_close(filled[~kept], expected[~kept].detach())


@pytest.mark.parametrize(("best", "bigger"), [(1.0, True), (0.25, True), (0.5, False)])
def test_the_share_is_what_validation_prefers(checkerboard, best, bigger):
    made = build("BPR", checkerboard, embedding_size=8, **COLD)
    path = ContentPath("linear", made.loaders.train_part, 8, None, seed=1)

    class Trainer:
        distiller = SimpleNamespace(content=path)
        scores = scores_of(made.model)
        valid_metric, valid_metric_bigger = "recall@3", bigger

        def evaluate_as(self, filled, loader):
            assert loader is made.loaders.valid
            torch.testing.assert_close(filled.items, path.filled(self.scores.embeddings())[1].detach())
            return {"recall@3": abs(path.share - best) * (-1 if bigger else 1)}

    settle_content(Trainer(), made.loaders)
    assert path.share == best


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"student": "NeuMF"}, "no item embedding that content could stand for"),
    ],
)
def test_refused(checkerboard, values, why):
    values = {"teacher": "BPR", **values}
    with pytest.raises(UserError, match=why):
        student_of(student_content="linear", **values)


def test_a_data_set_without_features_is_refused_before_the_teacher_is_trained(checkerboard):
    with pytest.raises(UserError, match="has none; make some"):
        student_of(student_content="linear", teacher="BPR", modalities=[], checkpoint_dir="none")
    assert not list(Path("none").glob("*.pth"))


@pytest.mark.parametrize("key", ["content", "student_content"])
def test_a_model_that_nobody_teaches_is_refused(checkerboard, key):
    with pytest.raises(UserError, match=f"{key}: BPR is no distillation method"):
        run("BPR", checkerboard, config_dict={**COLD, key: "linear", "epochs": 1})


def test_a_plain_key_is_the_students(checkerboard):
    values = {**COLD, **SMALL, "epochs": 2}
    one, other = (
        run("RCEKD", "board", config_dict={**values, key: "linear"}).stages for key in ("content", "student_content")
    )
    assert [stage.checkpoint for stage in one] == [stage.checkpoint for stage in other]
    with pytest.raises(UserError, match="teacher_content: a content path is what the student learns"):
        run("RCEKD", "board", config_dict={**values, "teacher_content": "linear"})


def test_a_kept_student_without_its_path_is_refused(checkerboard):
    taught = student_of(student_content="linear")
    content_path_file(taught.checkpoint).unlink()
    with pytest.raises(UserError, match="is not beside it; put it back, or train again with --resume=false"):
        student_of(student_content="linear")


def test_a_sampled_ranking_draws_other_items_each_time_and_tells_nothing(checkerboard):
    taught = student_of(student_content="linear", eval_args={"mode": "uni5"})
    assert taught.apart == {}
    assert taught.content_share == 1.0


def test_features_are_part_of_what_a_path_depends_on(checkerboard):
    values = {"student_content": "linear", "teacher": "BPR"}
    plain = {key: value for key, value in values.items() if key != "student_content"}
    one, alone = student_of(**values), student_of(**plain)
    path = Path("dataset/board/board.board.npy")
    np.save(path, np.load(path)[::-1] * 2 + np.arange(3))
    assert student_of(**values).checkpoint != one.checkpoint
    assert student_of(**plain).checkpoint == alone.checkpoint


def test_a_test_without_warm_targets_has_no_such_line(checkerboard):
    lines = [f"u{user}\ti{item}" for user in range(6) for item in range(user % 2, user % 2 + 3)]
    for part, some in (("train", lines[::3]), ("valid", lines[1::3]), ("test", lines[2::3])):
        text = "\n".join(["user_id:token\titem_id:token", *some, ""])
        Path(f"dataset/board/board.{part}.inter").write_text(text)
    values = {**COLD, "split": None, "epochs": 1, "topk": [1], "valid_metric": "Recall@1", "modalities": []}
    made = build("BPR", checkerboard, **values)
    made.loaders.train_part.held_out = ~trained_items(made.loaders.train_part)
    assert set(apart_tests(made.config, made.loaders)) == {"cold"}


def test_a_run_that_was_cut_off_goes_on_with_the_same_path(checkerboard):
    whole = student_of(student_content="linear", checkpoint_dir="whole")

    class Cut(Exception):
        pass

    from recbole_kd import Callback

    class Stops(Callback):
        def validated(self, stage, history):
            if stage == "student" and len(history) == 3:
                raise Cut

    values = {**COLD, **SMALL, "epochs": 6, "student_content": "linear", "checkpoint_dir": "cut", "snapshot_seconds": 0}
    with pytest.raises(Cut):
        run("RCEKD", "board", config_dict=values, callbacks=[Stops()])
    again = run("RCEKD", "board", config_dict=values).stages[-1]
    ours, theirs = (load_state(content_path_file(stage.checkpoint))["weights"] for stage in (whole, again))
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
