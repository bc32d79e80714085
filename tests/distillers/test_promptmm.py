"""PromptMM's second stage."""

import copy
from typing import ClassVar

import pytest
import torch
from torch.nn import functional as F

from recbole_kd.experiments.run import run
from recbole_kd.foundation.errors import UserError
from recbole_kd.ops import losses
from recbole_kd.training.weights import start_from_teacher, truncated_factors
from tests.distillers.contract import QUIET, DistillerContract, Made, same_weights, taken_up


def only(term: str, **values) -> dict:
    return {"pair": 0.0, "list": 0.0, "emb": 0.0, **{term: 1.0}, "kd_every": 1, "prompt_every": 1, **values}


class TestPromptMM(DistillerContract):
    method = "PromptMM"
    silent = only("pair", pair=0.0)
    periods: ClassVar = {"kd_every": 2, "prompt_every": 3, "train_batch_size": 64, "prompt_learning_rate": 0.01}

    def test_a_step_changes_the_prompt_and_no_other_teacher_parameter(self, checkerboard):
        made = Made(self.method, checkerboard, **only("pair"))
        before = copy.deepcopy(made.teacher.state_dict())
        made.step()
        after = made.teacher.state_dict()
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        assert changed == {name for name in before if name.startswith("prompt.")}

    @pytest.mark.parametrize("values", [only("list"), only("pair", prompt_grad=[]), only("pair", prompt=False)])
    def test_the_prompt_rests_where_it_should(self, checkerboard, values):
        made = Made(self.method, checkerboard, **values)
        before = copy.deepcopy(made.teacher.state_dict())
        made.step()
        assert all(torch.equal(value, made.teacher.state_dict()[name]) for name, value in before.items())
        assert not made.distiller.changing_teachers()

    @pytest.mark.parametrize("term", ["pair", "list", "emb"])
    def test_prompt_grad_routes_the_gradient(self, checkerboard, term):
        made = Made(self.method, checkerboard, **only(term, prompt_grad=[term]))
        made.step()
        assert made.teacher.prompt.item.weight.grad.abs().sum() > 0

    def test_the_frozen_part_of_the_teacher_is_computed_once(self, checkerboard, monkeypatch):
        made = Made(self.method, checkerboard, **only("pair"))
        calls = []
        monkeypatch.setattr(type(made.teacher), "_reduce", lambda self, name: calls.append(name))
        made.step()
        made.step()
        assert calls == []

    def test_every_nth_step_distils_with_n_fold_weight(self, checkerboard):
        values = {"pair": 0.3, "list": 1.0, "emb": 0.5, "teacher_embedding_size": 64, "prompt_every": 1}
        often, seldom = (Made(self.method, checkerboard, kd_every=every, **values) for every in (1, 3))
        first = [made.distiller(made.student, made.batch) for made in (often, seldom)]
        for name, term in first[0].items():
            assert first[1][name].item() == pytest.approx(3 * term.item(), rel=1e-5), name
        for _ in range(2):
            terms = seldom.distiller(seldom.student, seldom.batch)
            assert {name: term.item() for name, term in terms.items()} == dict.fromkeys(first[0], 0.0)
        assert seldom.distiller(seldom.student, seldom.batch)["list"].item() > 0

    def test_the_teacher_rests_between_two_turns_of_its_prompt(self, checkerboard, monkeypatch):
        made = Made(self.method, checkerboard, **only("pair", kd_every=2, prompt_every=3))
        calls, views = [], type(made.teacher).views
        monkeypatch.setattr(
            type(made.teacher), "views", lambda self, frozen=None: calls.append(step) or views(self, frozen)
        )
        moved = []
        for step in range(13):
            before = made.teacher.prompt.item.weight.detach().clone()
            made.step()
            moved += [step] * (not torch.equal(before, made.teacher.prompt.item.weight))
        assert calls == moved == [0, 6, 12]

    def test_the_prompts_rate_is_that_of_the_steps_it_stands_for(self, checkerboard):
        made = Made(self.method, checkerboard, kd_every=2, prompt_every=3, prompt_learning_rate=1e-5)
        assert made.trainer.optimizer.param_groups[1]["lr"] == pytest.approx(6e-5)

    @pytest.mark.parametrize("steps", [1, 3, 4])
    def test_one_that_is_cut_off_within_a_period_goes_on(self, checkerboard, steps):
        values = {"kd_every": 2, "prompt_every": 2, "list_source": "both", "prompt_learning_rate": 1e-2}
        whole, cut = (Made(self.method, checkerboard, **values) for _ in range(2))
        for _ in range(7):
            whole.step()
        for _ in range(steps):
            cut.step()
        again = taken_up(cut, Made(self.method, checkerboard, **values))
        for _ in range(7 - steps):
            again.step()
        assert same_weights(whole, again)

    def test_pair_equals_its_formula(self, checkerboard):
        made = Made(self.method, checkerboard, **only("pair", pair=2.0, pair_temperature=0.5))
        term = made.distiller(made.student, made.batch)["pair"]
        user, positive, negative = (made.batch[key] for key in ("user_id", "item_id", "neg_item_id"))
        margins = []
        for users, items in (made.student.embeddings(), made.teacher.eval().embeddings()):
            margins.append(((users[user] * items[positive]).sum(1) - (users[user] * items[negative]).sum(1)) / 0.5)
        p, q = margins[1].sigmoid(), margins[0].sigmoid()
        expected = (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean()
        assert term.item() == pytest.approx(2 * expected.item(), rel=1e-4)

    @pytest.mark.parametrize("source", ["final", "modality", "both"])
    @pytest.mark.parametrize("disentangle", [True, False, {"alpha": 0.5, "beta": 2.0}])
    def test_list_equals_its_formula(self, checkerboard, monkeypatch, source, disentangle):
        values = only("list", list_source=source, disentangle=disentangle, list_negatives=4, list_temperature=2.0)
        made = Made(self.method, checkerboard, **values)
        negatives = torch.randint(1, made.dataset.item_num, (len(made.batch), 4))
        monkeypatch.setattr(made.distiller._sampler, "sample", lambda users, count: negatives)
        term = made.distiller(made.student, made.batch)["list"]
        users, items = made.batch["user_id"], torch.cat([made.batch["item_id"][:, None], negatives], 1)

        def logits(embeddings):
            return (embeddings[0][users] @ embeddings[1].T).gather(1, items)

        views = made.teacher.eval().views()
        sources = [(views.user, views.item)] * (source != "modality")
        sources += list(views.modalities.values()) * (source != "final")
        expected = []
        for one in sources:
            mine, theirs = logits(made.student.embeddings()), logits(one)
            if isinstance(disentangle, dict):
                expected.append(losses.disentangled_kl(mine, theirs, 2.0, **disentangle))
            else:
                kl = F.kl_div((mine / 2).log_softmax(1), (theirs / 2).log_softmax(1), log_target=True, reduction="none")
                expected.append(kl.sum(1).mean())
        assert term.item() == pytest.approx((sum(expected) / len(expected)).item(), rel=1e-3, abs=1e-7)

    @pytest.mark.parametrize("scope", ["batch", "all"])
    def test_emb_equals_its_formula(self, checkerboard, scope):
        made = Made(self.method, checkerboard, **only("emb", emb_scope=scope, emb_gamma=3.0, teacher_embedding_size=64))
        term = made.distiller(made.student, made.batch)["emb"]
        users, items = made.batch["user_id"].unique(), made.batch["item_id"].unique()
        if scope == "all":
            users, items = torch.arange(1, made.dataset.user_num), torch.arange(1, made.dataset.item_num)
        expected = 0
        student = made.student.embeddings()
        for sides in made.teacher.eval().views().modalities.values():
            for mine, theirs, rows in zip(student, sides, (users, items), strict=True):
                expected += (1 - F.cosine_similarity(mine[rows], theirs[rows])).pow(3).mean()
        assert term.item() == pytest.approx(expected.item(), rel=1e-4)

    def test_different_sizes_get_a_map_that_is_thrown_away(self, checkerboard):
        values = only("emb", teacher_embedding_size=12, student_embedding_size=8)
        made = Made(self.method, checkerboard, **values)
        before = copy.deepcopy(made.distiller.projections.state_dict())
        made.step()
        assert any(not torch.equal(value, made.distiller.projections.state_dict()[k]) for k, value in before.items())
        result = run(self.method, checkerboard, config_dict={**QUIET, **values, "epochs": 1})
        assert result.stages[-1].inference_parameters == 8 * (made.dataset.user_num + made.dataset.item_num)

    def test_init_teacher_starts_from_the_teachers_embeddings(self, checkerboard):
        values = {**QUIET, "init": "teacher", "teacher_embedding_size": 64, "baseline": True, "epochs": 6}
        result = run(self.method, checkerboard, config_dict={**values, "student_epochs": 0})
        teacher, alone, student = result.stages
        assert alone.test == student.test  # untrained: both are the teacher's embeddings, propagated
        assert alone.test["recall@3"] > 0.5 * teacher.test["recall@3"]

    def test_a_larger_teacher_gives_its_best_approximation(self, checkerboard):
        torch.manual_seed(0)
        users, items = torch.randn(20, 9), torch.randn(15, 9)
        small = truncated_factors(users, items, 4)
        u, s, v = torch.linalg.svd(users @ items.T)
        torch.testing.assert_close(small[0] @ small[1].T, u[:, :4] * s[:4] @ v[:4], rtol=1e-4, atol=1e-4)
        made = Made(self.method, checkerboard, teacher_heads=3, student_embedding_size=5)
        start_from_teacher(made.student, *made.teacher.embeddings())
        assert made.student.item_embedding.weight.shape == (made.dataset.item_num, 5)

    def test_init_teacher_with_a_smaller_teacher_is_one_sentence(self, checkerboard):
        values = {**QUIET, "init": "teacher", "teacher_embedding_size": 12, "epochs": 1}
        with pytest.raises(UserError, match="init=teacher needs a teacher at least as large"):
            run(self.method, checkerboard, config_dict=values)

    def test_the_prompted_teacher_is_watched(self, checkerboard):
        result = run(self.method, checkerboard, config_dict={**QUIET, **only("pair"), "epochs": 2})
        assert all("prompted teacher" in entry["teachers_valid"] for entry in result.stages[-1].history)
        assert list(result.stages[-1].history[0]["losses"]) == ["base", "pair"]

    @pytest.mark.parametrize("flag", [{"prompt": False}, {"pair": 0}, {"list": 0}, {"disentangle": False}])
    def test_the_papers_ablations_are_one_flag_each(self, checkerboard, flag):
        result = run(self.method, checkerboard, config_dict={**QUIET, "epochs": 2, "pair": 1, "list": 1, **flag})
        assert result.test["ndcg@3"] > 0
