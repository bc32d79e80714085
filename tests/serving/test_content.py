import numpy as np
import pytest
import torch

from recbole_kd.experiments.run import run
from recbole_kd.foundation.digest import sha256_of_tensors
from recbole_kd.foundation.errors import UserError
from recbole_kd.serving.recommend import Recommender, recommend
from recbole_kd.serving.trained_model import open_trained
from recbole_kd.training.content import content_path_file


@pytest.fixture
def student(checkerboard) -> str:
    values = {"teacher": "VBPR", "student": "BPR", "kd_topk": 4, "kd_samples": 3, "student_content": "linear"}
    values |= {"split": "cold_items=0.25", "topk": [3], "valid_metric": "Recall@3", "epochs": 4}
    return run("RCEKD", "board", config_dict={**values, "show_progress": False}).stages[-1].checkpoint


def test_items_that_training_never_saw_are_ranked_by_content(student):
    trained = open_trained(student)
    assert trained.content
    assert Recommender(trained, 5).left_out == ""
    never = {str(trained.train.field2id_token["item_id"][item]) for item in np.flatnonzero(trained.train.held_out)}
    assert {item for found in recommend(student, topk=17) for item, _ in found.items} & never
    content_path_file(student).unlink()
    alone = open_trained(student)
    assert not alone.content
    kept = ~trained.train.held_out
    kept[0] = False
    ours, theirs = (one.scores.embeddings()[1] for one in (trained, alone))
    assert torch.equal(ours[kept], theirs[kept])
    assert not torch.equal(ours[trained.train.held_out], theirs[trained.train.held_out])


def test_a_file_of_another_student_and_one_that_is_damaged(student, tmp_path):
    path = content_path_file(student)
    state = torch.load(path, weights_only=True)
    torch.save({**state, "modalities": "board"}, path)
    with pytest.raises(UserError, match="is damaged: modalities"):
        open_trained(student)
    torch.save({**state, "share": 2.0}, path)
    with pytest.raises(UserError, match="is damaged: share"):
        open_trained(student)
    for features in ("0" * 64, torch.zeros(3)):
        torch.save({**state, "features": features}, path)
        with pytest.raises(UserError, match="is damaged: features"):
            open_trained(student)
    torch.save({**state, "features": state["features"] * 1.00001}, path)  # the same texts in other batches
    assert open_trained(student).content
    torch.save({**state, "features": state["features"] + 1}, path)
    with pytest.raises(UserError, match=r"are not those that .* was learnt with"):
        open_trained(student)
    torch.save({**state, "student": "0" * 64}, path)
    with pytest.raises(UserError, match="the content path of another student"):
        open_trained(student)
    for shape, why in (((8, 5), "does not fit features"), ((21, 73), "does not fit saved")):
        weights = {"weight": torch.ones(shape), "bias": torch.ones(shape[0])}
        torch.save({**state, "weights": weights}, path)
        with pytest.raises(UserError, match="its weights are not those that were written"):
            open_trained(student)
        torch.save({**state, "weights": weights, "sha256": sha256_of_tensors(weights)}, path)
        with pytest.raises(UserError, match=why):
            open_trained(student)
    path.write_bytes(b"nonsense")
    with pytest.raises(UserError):
        open_trained(student)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (torch.zeros(1).expand(10**13), "has more values than the file holds"),
        (torch.zeros(3, device="meta"), "has more values than the file holds"),
        (torch.eye(3).to_sparse(), "is no dense tensor of real numbers"),
        (torch.zeros(3, dtype=torch.complex64), "is no dense tensor of real numbers"),
        (torch.zeros(3, dtype=torch.int64), "is of int64 on cpu, and not of float32"),
        (torch.zeros(3, dtype=torch.float64), "is of float64 on cpu, and not of float32"),
        (torch.tensor([1.0, float("nan")]), "holds NaN or infinity"),
        ([1.0], "is no tensor"),
    ],
)
def test_a_value_that_is_none_of_ours(student, value, why):
    path = content_path_file(student)
    state = torch.load(path, weights_only=True)
    for name, changed in (("features", value), ("weights.bias", {**state["weights"], "bias": value})):
        torch.save({**state, name.partition(".")[0]: changed}, path)
        with pytest.raises(UserError, match=rf"is damaged: {name} {why}; train the student again"):
            open_trained(student)


def test_weights_that_make_no_numbers(student):
    path = content_path_file(student)
    state = torch.load(path, weights_only=True)
    weights = {name: torch.full_like(value, 3e38) for name, value in state["weights"].items()}
    torch.save({**state, "weights": weights, "sha256": sha256_of_tensors(weights)}, path)
    with pytest.raises(UserError, match="is damaged: its weights give NaN or infinity"):
        open_trained(student)


def test_a_path_that_is_gone_is_told(student, caplog):
    content_path_file(student).unlink()
    assert not open_trained(student).content
    assert "was trained with a content path, and" in caplog.text


def test_a_link_is_not_followed(student, tmp_path):
    path = content_path_file(student)
    path.rename(tmp_path / "elsewhere.pth")
    path.symlink_to(tmp_path / "elsewhere.pth")
    assert not open_trained(student).content
