"""MTS²4MM: who learns from whom, the moving average to the digit, and its terms by hand."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from recbole_kd.experiments.run import run
from recbole_kd.foundation.errors import UserError
from tests.distillers.contract import QUIET, DistillerContract, Made

BOTH = {"rank_weight": 1.0, "emb_weight": 1.0}


def modality_files(count: int) -> list[str]:
    """More modalities beside the checkerboard's two; their names."""
    folder = Path("dataset") / "board"
    for number in range(count - 2):
        np.save(folder / f"board.extra{number}.npy", np.random.default_rng(number).normal(size=(24, 4)))
    return ["board", "noise", *(f"extra{number}" for number in range(count - 2))][:count]


class TestMTS4MM(DistillerContract):
    method = "MTS4MM"
    silent: ClassVar = {"rank_weight": 0.0, "emb_weight": 0.0}
    periods: ClassVar = {"kd_every": 4, "modal_every": 2, "train_batch_size": 64}

    def test_teacher_parameters_do_not_move(self):
        """They do here; see below."""

    def test_teachers_get_no_gradient_from_the_distillation(self, made):
        terms = made.distiller(made.trainer.scores, made.batch)
        (terms["rank"] + terms["emb"]).backward()
        assert all(parameter.grad is None for parameter in made.distiller.parameters())
        assert any(parameter.grad is not None for parameter in made.student.parameters())

    def test_the_student_gets_none_from_the_teachers_loss(self, made):
        made.distiller(made.trainer.scores, made.batch)["teachers"].backward()
        assert all(parameter.grad is None for parameter in made.student.parameters())
        assert all(parameter.grad is not None for parameter in made.distiller.parameters())

    def test_learned_weights_learn_from_the_ensemble_alone(self, checkerboard):
        made = Made(self.method, checkerboard, ensemble_weights="learned")
        terms = made.distiller(made.trainer.scores, made.batch)
        terms["teachers"].backward(retain_graph=True)
        gradient = made.distiller.log_weights.grad.clone()
        assert gradient.abs().sum() > 0
        (terms["rank"] + terms["emb"]).backward()
        assert torch.equal(gradient, made.distiller.log_weights.grad)

    def test_weights_by_validation(self, checkerboard):
        made = Made(self.method, checkerboard, ensemble_weights="validation", emb_weight=0.0)
        uniform = made.distiller(made.trainer.scores, made.batch)["rank"].item()
        made.distiller.validated({"id": 0.3, "board": 0.1, "noise": 0.0})
        torch.testing.assert_close(made.distiller._weights(), torch.tensor([0.75, 0.25, 0.0]))
        assert made.distiller(made.trainer.scores, made.batch)["rank"].item() != uniform
        made.distiller.validated({"id": 0.0, "board": 0.0, "noise": 0.0})  # nobody knows anything: as before
        torch.testing.assert_close(made.distiller._weights(), torch.tensor([0.75, 0.25, 0.0]))

    def test_teachers_are_watched(self, checkerboard):
        (stage,) = run(self.method, checkerboard, config_dict={**QUIET, "epochs": 2}).stages
        for entry in stage.history:
            assert list(entry["teachers_valid"]) == ["id", "board", "noise"]
            assert entry["teachers_valid"]["board"].keys() == entry["valid"].keys()

    def test_moving_average_to_the_digit(self, checkerboard):
        made = Made(self.method, checkerboard, ema=0.75)
        made.step()
        teachers = [parameter.detach().clone() for parameter in made.distiller.encoders.parameters()]
        students = [parameter.detach().clone() for parameter in made.student.encoders.parameters()]
        made.distiller(made.trainer.scores, made.batch)
        for now, before, student in zip(made.distiller.encoders.parameters(), teachers, students, strict=True):
            torch.testing.assert_close(now.detach(), 0.75 * before + 0.25 * student)

    def test_every_nth_step_teaches_with_n_fold_weight(self, checkerboard):
        values = {**BOTH, "rank_users": 0, "ema": 0.75}
        often, seldom = (Made(self.method, checkerboard, kd_every=every, **values) for every in (1, 3))
        first = [made.distiller(made.trainer.scores, made.batch) for made in (often, seldom)]
        for name, term in first[0].items():
            assert first[1][name].item() == pytest.approx(3 * term.item(), rel=1e-5), name
        before = [parameter.detach().clone() for parameter in seldom.distiller.encoders.parameters()]
        for _ in range(2):
            terms = seldom.distiller(seldom.trainer.scores, seldom.batch)
            assert {name: term.item() for name, term in terms.items()} == dict.fromkeys(first[0], 0.0)
        seldom.distiller(seldom.trainer.scores, seldom.batch)
        pairs = zip(before, seldom.student.encoders.parameters(), seldom.distiller.encoders.parameters(), strict=True)
        for old, of_student, now in pairs:  # nothing has learnt in between, so that three averages are one
            torch.testing.assert_close(now.detach(), 0.75**3 * old + (1 - 0.75**3) * of_student)

    def test_terms_by_hand(self, checkerboard):
        made = Made(self.method, checkerboard, **BOTH, rank_temperature=2.0, rank_users=0)
        batch, student = made.batch, made.student
        with torch.no_grad():  # a ranking to learn, not rounding
            for parameter in (*student.parameters(), *made.distiller.parameters()):
                parameter.mul_(5)
        views = student.forward()
        taught = made.distiller.encoders()
        users = sorted(set(batch["user_id"].tolist()))
        items = sorted({*batch["item_id"].tolist(), *batch["neg_item_id"].tolist()})
        assert len(items) == len(set(items))
        assert set(batch["item_id"].tolist()) <= set(items)
        rank = 0.0
        for user in users:
            p = sum(torch.softmax(u[user] @ i[items].T / 2, dim=0) for u, i in taught.values()) / len(taught)
            log_q = torch.log_softmax(student.embeddings()[0][user] @ student.embeddings()[1][items].T / 2, dim=0)
            rank += 4 * (p * (p.log() - log_q)).sum()
        emb = 0.0
        for name, (_, of_teacher) in taught.items():
            mine, theirs = (F.normalize(e[items], dim=1) for e in (views.views[name][1], of_teacher))
            emb += (mine - theirs).pow(2).sum() / len(items)
        bpr = 0.0
        ids = (batch["user_id"], batch["item_id"], batch["neg_item_id"])
        for u, i in taught.values():
            margin = (u[ids[0]] * (i[ids[1]] - i[ids[2]])).sum(dim=1)
            bpr -= F.logsigmoid(margin).mean() / len(taught)
        found = made.distiller(made.trainer.scores, batch)
        expected = {"rank": rank / len(users), "emb": emb, "teachers": bpr}
        for name, value in expected.items():
            assert found[name].item() == pytest.approx(value.item(), rel=1e-4), name

    @pytest.mark.parametrize("count", [1, 5])
    def test_one_modality_or_five(self, checkerboard, count):
        modalities = modality_files(count)
        result = run(self.method, checkerboard, config_dict={**QUIET, "epochs": 2, "modalities": modalities})
        assert set(result.stages[-1].history[-1]["losses"]) == {"base", "teachers", "rank", "emb"}
        assert Made(self.method, checkerboard, modalities=modalities).distiller.n_teachers == count + 1

    @pytest.mark.parametrize("off", ["rank", "emb"])
    def test_a_term_without_weight_is_left_out(self, checkerboard, off):
        made = Made(self.method, checkerboard, **{f"{off}_weight": 0.0})
        assert set(made.distiller(made.trainer.scores, made.batch)) == {"teachers", "rank", "emb"} - {off}

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"teacher": "LightGCN"}, "makes its own teachers; leave out --teacher"),
            ({"init": "teacher"}, "makes its own teachers; leave out --teacher and --init"),
            ({"student": "BPR"}, "teaches MTS4MMStudent, not BPR"),
            ({"kd_every": 3, "modal_every": 2}, "kd_every=3 is no multiple of modal_every=2"),
        ],
    )
    def test_what_it_cannot_do_is_refused(self, checkerboard, values, message):
        with pytest.raises(UserError, match=message):
            run(self.method, checkerboard, config_dict={**QUIET, "epochs": 1, **values})
