"""RCE-KD's distiller: its loss from the definition, its variants, and what it asks of teachers and students."""

from itertools import pairwise
from typing import ClassVar

import pytest
import torch

from recbole_kd.bridge.kept_embeddings import propagate_once
from recbole_kd.cli import main
from recbole_kd.distillers.gamma import fuse
from recbole_kd.experiments.run import run
from recbole_kd.foundation.errors import UserError
from recbole_kd.ops import losses
from recbole_kd.scoring.model_scores import scores_of
from tests.distillers.contract import QUIET, DistillerContract, Made

SMALL = {"kd_topk": 4, "kd_samples": 3, "teacher_embedding_size": 8, "student_embedding_size": 4}


class TestRCEKD(DistillerContract):
    method = "RCEKD"
    silent: ClassVar = {"kd_weight": 0.0, "student": "LightGCN"}

    @pytest.fixture
    def made(self, checkerboard):
        return Made(self.method, checkerboard, student="LightGCN", **SMALL)


def sets_by_hand(made):
    """Q^S, Q^T as sets of items by user, from full rankings."""
    seen = {}
    feat = made.loaders.train_part.inter_feat
    for user, item in zip(feat["user_id"].tolist(), feat["item_id"].tolist(), strict=True):
        seen.setdefault(user, set()).add(item)
    tops = []
    for model in (made.student, made.teacher):
        model.eval()
        scores = scores_of(model).score_all(torch.arange(model.n_users)).detach()
        order = scores.argsort(dim=1, descending=True).tolist()
        tops.append({u: [i for i in order[u] if i and i not in seen[u]][: SMALL["kd_topk"]] for u in seen})
    return tops


class TestLoss:
    def test_equals_its_definition(self, checkerboard):
        made = Made("RCEKD", checkerboard, **SMALL, kd_weight=2.0, kd_temperature=0.5, kd_beta=3.0)
        of_student, of_teacher = sets_by_hand(made)
        sets = made.distiller._sets
        k = SMALL["kd_topk"]
        expected = []
        users = made.batch["user_id"].unique()
        for user in users.tolist():
            drawn = [i for i in sets.items[user, 2 * k :].tolist() if i]
            missed = [i for i in of_teacher[user] if i not in of_student[user]]
            assert not set(drawn) & set(missed)
            l1, l2 = (
                losses.set_cross_entropy(
                    *(
                        scores_of(m).score(torch.tensor([user]), torch.tensor([items]))
                        for m in (made.student, made.teacher)
                    ),
                    temperature=0.5,
                )
                for items in (of_student[user], missed + drawn)
            )
            expected.append(fuse(l1, l2, torch.exp(-3.0 * torch.tensor([1 - len(missed) / k]))))
        term = made.distiller(made.trainer.scores, made.batch)["rce"]
        assert term.item() == pytest.approx(2 * torch.cat(expected).mean().item(), rel=1e-4)

    @pytest.mark.parametrize(("variant", "place"), [("no_teacher", 0), ("no_student", 1)])
    def test_variants_of_one_set(self, checkerboard, variant, place):
        made = Made("RCEKD", checkerboard, **SMALL, kd_variant=variant)
        tops = sets_by_hand(made)[place]
        values = []
        for user in made.batch["user_id"].unique():
            items = torch.tensor([tops[int(user)]])
            scores = [scores_of(model).score(user.unsqueeze(0), items) for model in (made.student, made.teacher)]
            values.append(losses.set_cross_entropy(*scores))
        term = made.distiller(made.trainer.scores, made.batch)["rce"]
        assert term.item() == pytest.approx(torch.cat(values).mean().item(), rel=1e-4)

    def test_sets_are_renewed_every_so_many_epochs(self, checkerboard):
        made = Made("RCEKD", checkerboard, **SMALL, kd_renew=2)
        kept = []
        for epoch in range(4):
            made.distiller.begin_epoch(made.trainer.scores, epoch)
            kept.append(made.distiller._sets.items.clone())
        same = [torch.equal(one, other) for one, other in pairwise(kept)]
        assert same == [True, False, True]

    @pytest.mark.parametrize(("student", "step"), [("LightGCN", "forward"), ("LATTICE", "item_graph")])
    def test_a_renewal_propagates_once_however_many_blocks(self, checkerboard, monkeypatch, student, step):
        made = Made("RCEKD", checkerboard, **SMALL, student=student)
        whole = made.distiller._sets.items.clone()
        monkeypatch.setattr("recbole_kd.ops.blocks.SCORES_AT_ONCE", 25 * 7)
        calls, original = [], getattr(type(made.student), step)
        monkeypatch.setattr(type(made.student), step, lambda self: calls.append(1) or original(self))
        made.student.eval()
        made.distiller.begin_epoch(made.trainer.scores, 0)
        assert calls == [1]
        k = SMALL["kd_topk"]
        assert torch.equal(made.distiller._sets.items[:, : 2 * k], whole[:, : 2 * k])  # the draws go by block

    def test_without_separation_no_item_counts_twice(self, checkerboard):
        made = Made("RCEKD", checkerboard, **SMALL, kd_variant="no_sep")
        sets = made.distiller._sets
        for items in sets.items[1:]:
            listed = items[items != 0].tolist()
            assert len(set(listed)) == len(listed) >= SMALL["kd_topk"]

    def test_full_cross_entropy_reads_every_unseen_item(self, checkerboard, monkeypatch):
        made = Made("RCEKD", checkerboard, **SMALL, kd_variant="full_ce")
        users = made.batch["user_id"].unique()
        rows, items = made.distiller._positives.rows(users)
        mask = torch.ones(len(users), made.student.n_items, dtype=torch.bool)
        mask[:, 0] = False
        mask[rows, items] = False
        scores = [scores_of(model).score_all(users) for model in (made.student, made.teacher)]
        expected = losses.set_cross_entropy(*scores, mask=mask).mean().item()
        for at_once in (2**21, 60):
            monkeypatch.setattr("recbole_kd.ops.blocks.SCORES_AT_ONCE", at_once)
            assert made.distiller(made.trainer.scores, made.batch)["rce"].item() == pytest.approx(expected, rel=1e-5)

    def test_some_users_of_a_batch_are_drawn_anew_each_step(self, checkerboard):
        made = Made("RCEKD", checkerboard, **SMALL, kd_users=5)
        users = torch.arange(1, 30)
        first, second = (made.distiller.sample(users, 5) for _ in range(2))
        assert len(set(first.tolist())) == 5
        assert first.tolist() != second.tolist()

    def test_every_nth_step_distils_with_n_fold_weight(self, checkerboard):
        made = Made("RCEKD", checkerboard, **SMALL)
        expected = made.distiller(made.trainer.scores, made.batch)["rce"].item()
        made = Made("RCEKD", checkerboard, **SMALL, kd_every=3)
        values = [made.distiller(made.trainer.scores, made.batch)["rce"].item() for _ in range(6)]
        assert values == pytest.approx([0, 0, 3 * expected] * 2, rel=1e-5)

    @pytest.mark.parametrize("student", ["BPR", "LightGCN"])
    def test_a_held_gradient_is_that_of_the_step_that_began_it(self, checkerboard, student):
        made = Made("RCEKD", checkerboard, **SMALL, student=student, kd_hold=3)
        plain = Made("RCEKD", checkerboard, **SMALL, student=student, kd_hold=1)
        parameters = list(made.student.parameters())
        batches = [made.batch, next(iter(made.loaders.train))]

        def value_and_gradients(some, batch):
            with propagate_once(some.student):
                term = some.distiller(some.trainer.scores, batch)["rce"]
            return term.item(), torch.autograd.grad(term, list(some.student.parameters()))

        kept = []
        for step in range(4):
            value, gradients = value_and_gradients(made, batches[step % 2])
            kept.append(value)
            if step % 3 == 0:
                expected = value_and_gradients(plain, batches[step % 2])
            assert value == pytest.approx(expected[0])
            if student == "BPR":  # a graph turns the same gradient into the same one of its parameters too
                assert all(torch.allclose(*pair) for pair in zip(gradients, expected[1], strict=True))
            with torch.no_grad():
                for some in (parameters, list(plain.student.parameters())):
                    for parameter in some:
                        parameter += 0.1 * torch.sin(torch.arange(parameter.numel())).view_as(parameter)
        assert kept[0] == kept[1] == kept[2] != kept[3]

    def test_an_epoch_begins_with_a_gradient_of_its_own(self, checkerboard):
        made = Made("RCEKD", checkerboard, **SMALL, kd_hold=100)
        first = made.distiller(made.trainer.scores, made.batch)["rce"].item()
        with torch.no_grad():
            made.student.user_embedding.weight.mul_(3)
        assert made.distiller(made.trainer.scores, made.batch)["rce"].item() == first
        made.distiller.begin_epoch(made.trainer.scores, 1)
        assert made.distiller(made.trainer.scores, made.batch)["rce"].item() != first

    def test_a_student_without_embeddings_holds_nothing(self, checkerboard):
        made = Made("RCEKD", checkerboard, **SMALL, student="NeuMF", kd_hold=5)
        first = made.distiller(made.trainer.scores, made.batch)["rce"].item()
        with torch.no_grad():
            for parameter in made.student.parameters():
                parameter.mul_(2)
        assert made.distiller(made.trainer.scores, made.batch)["rce"].item() != first

    def test_the_sets_take_eight_bytes_an_item(self, checkerboard):
        sets = Made("RCEKD", checkerboard, **SMALL).distiller._sets
        assert sets.items.dtype == torch.int32
        assert sets.items.shape[1] == 2 * SMALL["kd_topk"] + SMALL["kd_samples"]
        sums = sets.targets[1:].tensor_split([SMALL["kd_topk"]], dim=1)
        assert all(torch.allclose(part.sum(dim=1), torch.ones(len(part))) for part in sums)
        assert not sets.targets[sets.items == 0].any()

    def test_training_items_are_ranked_only_if_asked(self, checkerboard):
        for mask in (True, False):
            made = Made("RCEKD", checkerboard, **SMALL, mask_train_positives=mask)
            rows, items = made.distiller._positives.rows(torch.arange(made.student.n_users))
            listed = made.distiller._sets.items
            found = (listed[rows] == items.unsqueeze(1)).any()
            assert bool(found) is not mask

    def test_diagnostics(self, checkerboard):
        made = Made("RCEKD", checkerboard, **SMALL, kd_diagnostics=True)
        of_student, of_teacher = sets_by_hand(made)
        found = made.distiller.diagnostics
        share = [len(set(of_student[u]) & set(of_teacher[u])) / SMALL["kd_topk"] for u in of_student]
        assert found["overlap"] == pytest.approx(sum(share) / len(share), rel=1e-5)
        assert 0 < found["closure"] <= 1
        assert 0 <= found["train_ndcg@10"] <= 1
        assert len(found["student_rank"]) == SMALL["kd_topk"]


class TestPairs:
    @pytest.mark.parametrize(
        ("teacher", "student"),
        [
            ("LightGCN", "BPR"),
            ("BPR", "LightGCN"),
            ("NeuMF", "BPR"),
            ("BPR", "NeuMF"),
            ("ItemKNN", "NGCF"),
            ("EASE", "BPR"),
            ("BM3", "BPR"),
            ("LATTICE", "MGCN"),
            ("MTS4MMStudent", "LightGCN"),
        ],
    )
    def test_any_pair_runs(self, checkerboard, teacher, student):
        values = {**QUIET, **SMALL, "epochs": 2, "teacher": teacher, "student": student}
        result = run("RCEKD", checkerboard, config_dict=values)
        assert [stage.model for stage in result.stages] == [teacher, student]
        assert "rce" in result.stages[-1].history[0]["losses"]
        assert result.stages[-1].history[0]["diagnostics"]["overlap"] >= 0

    def test_init_teacher_starts_at_the_teacher(self, checkerboard):
        values = {**QUIET, **SMALL, "student_embedding_size": 8, "epochs": 1, "init": "teacher"}
        result = run("RCEKD", checkerboard, config_dict={**values, "teacher": "BPR", "baseline": True})
        assert result.stages[-1].history[0]["diagnostics"]["overlap"] == pytest.approx(1.0)

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"teacher": None}, "RCEKD needs a teacher and a student"),
            ({"teacher": "LightGNC"}, "no model called 'LightGNC'.*LightGCN"),
            ({"teacher": ["BPR", "LightGCN"]}, "learns from one teacher"),
            ({"student": "PromptMM"}, "PromptMM is a distillation method"),
            ({"kd_temperature": 0}, "kd_temperature=0 is not valid"),
            ({"student": "VBPR", "init": "teacher"}, "embeddings of one size, not VBPR"),
            ({"kd_variant": "nosep"}, "kd_variant='nosep' is not valid"),
            ({"kd_topk": 20, "cache_topk": 10}, "cache_topk"),
        ],
    )
    def test_wrong_settings_are_one_sentence(self, checkerboard, values, message):
        with pytest.raises(UserError, match=message):
            run("RCEKD", checkerboard, config_dict={**QUIET, "epochs": 1, **values})


@pytest.mark.slow
def test_an_eighth_of_the_size_ranks_like_the_teacher(shared_data, tmp_path, monkeypatch):
    """Last.fm, 8 dimensions from 64: between the student alone and what no 64-dimensional BPR reaches here."""
    monkeypatch.chdir(tmp_path)
    assert main(["convert", "mmrec", str(shared_data / "lfm2k"), "lfm2k"]) == 0
    values = {"teacher": "BPR", "student": "BPR", "teacher_embedding_size": 64, "student_embedding_size": 8}
    values |= {"learning_rate": 0.005, "epochs": 60, "baseline": True, "kd_users": 128}
    result = run("RCEKD", "lfm2k", config_dict={**values, "show_progress": False, "state": "error"})
    teacher, alone, student = (stage.test["ndcg@20"] for stage in result.stages)
    assert 0.24 < teacher < 0.34
    assert alone * 1.1 < student < teacher * 1.1
