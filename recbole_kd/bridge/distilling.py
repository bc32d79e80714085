"""A distiller's loss terms in the training of any model, by RecBole's own trainer of that model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from recbole_kd.bridge import lightly  # noqa: F401

# isort: split
import torch
from recbole.data.interaction import Interaction
from torch import Tensor, nn

from recbole_kd.bridge.kept_embeddings import propagate_once
from recbole_kd.bridge.recbole import AbstractRecommender
from recbole_kd.bridge.snapshots import with_new_names
from recbole_kd.bridge.trainer import SafeTrainerMixin, trainer_class
from recbole_kd.foundation.plain import plain_values


class Teaching(Protocol):
    """What a trainer asks of a :class:`~recbole_kd.distillers.base.Distiller`, which is a module too."""

    diagnostics: dict[str, Any]
    renamed: Mapping[str, str]
    content: Any  # a ContentPath, or None

    def __call__(self, student: Any, batch: Interaction) -> dict[str, Tensor]: ...
    def begin_epoch(self, student: Any, epoch: int) -> None: ...
    def parameter_groups(self) -> list[dict[str, Any]]: ...
    def changing_teachers(self) -> dict[str, nn.Module]: ...
    def validated(self, scores: dict[str, float]) -> None: ...


class DistillingMixin(SafeTrainerMixin):
    """Adds a distiller's terms to what the model's ``calculate_loss`` returns, whoever calls it and with what.

    A loss of several parts keeps its parts, the terms being added to the first: NCL's trainer leaves out the last one
    in its first epochs.
    """

    def __init__(self, config: Any, model: AbstractRecommender, distiller: Any, scores: Any) -> None:
        """Args:
        config: the student's config.
        model: the student.
        distiller: a module that is :class:`Teaching`; its trainable parameters join the optimiser.
        scores: the student's, which the distiller gets.
        """
        self.distiller, self.scores = distiller, scores
        self._sums: dict[str, float] = {}
        self._steps = 0
        super().__init__(config, model)

    def _build_optimizer(self, **kwargs: Any) -> torch.optim.Optimizer:
        groups: list[dict[str, Any]] = [{"params": list(kwargs.pop("params", self.model.parameters()))}]
        groups += self.distiller.parameter_groups()
        content = self.distiller.content
        if content is not None:
            own = [parameter for parameter in content.parameters() if parameter.requires_grad]
            names = set(map(id, own))
            for group in groups:
                group["params"] = [parameter for parameter in group["params"] if id(parameter) not in names]
            groups = [group for group in groups if group["params"]]
            groups.append({"params": own, "lr": content.learning_rate})
        return super()._build_optimizer(params=groups, **kwargs)

    def parts(self) -> dict[str, nn.Module]:
        return {**super().parts(), "distiller": self.distiller}

    def _part_states(self) -> dict[str, dict[str, Any]]:
        """Without the frozen parameters of teachers, which lie in checkpoints of their own."""
        states = super()._part_states()
        for name, parameter in self.distiller.named_parameters():
            if name.startswith("teacher") and not parameter.requires_grad:
                del states["distiller"][name]
        return states

    def _restore(self, state: Mapping[str, Any]) -> None:
        super()._restore(with_new_names(state, "distiller", self.distiller.renamed))

    def _begin_epoch(self, epoch: int) -> None:
        self._sums, self._steps = {}, 0
        self.distiller.train()
        self.model.eval()
        self.distiller.begin_epoch(self.scores, epoch)

    def _train_epoch(self, train_data: Any, epoch_idx: int, *args: Any, **kwargs: Any) -> Any:
        with self._taught():
            losses = super()._train_epoch(train_data, epoch_idx, *args, **kwargs)
        if self.distiller.diagnostics:
            self._note(epoch_idx, plain_values(self.distiller.diagnostics))
        return losses

    @contextmanager
    def _taught(self) -> Iterator[None]:
        model: Any = self.model
        calculate_loss = model.calculate_loss

        def taught(batch: Interaction, *args: Any, **kwargs: Any) -> Any:
            return self.add_terms(batch, lambda: calculate_loss(batch, *args, **kwargs))

        model.calculate_loss = taught
        try:
            yield
        finally:
            del model.calculate_loss

    def add_terms(self, batch: Interaction, own_loss: Any) -> Tensor | tuple[Tensor, ...]:
        """The student's own loss of a batch, which ``own_loss()`` gives, with the distiller's terms added."""
        with propagate_once(self.model), self.scores.within(batch):
            base = own_loss()
            terms = self.distiller(self.scores, batch)
            if self.distiller.content is not None:
                terms = {**terms, "content": self.distiller.content.loss(self.scores, batch)}
        parts = base if isinstance(base, tuple) else (base,)
        named: dict[str, Any] = {"base": sum(parts), **terms}
        for name, term in named.items():
            self._sums[name] = self._sums.get(name, 0.0) + term.item()
        self._steps += 1
        first = sum(terms.values(), start=parts[0])
        return (first, *parts[1:]) if isinstance(base, tuple) else first

    def _mean_losses(self, losses: float | tuple[float, ...], train_data: Any) -> dict[str, float]:
        return {name: total / max(self._steps, 1) for name, total in self._sums.items()}

    def _note(self, epoch: int, diagnostics: dict[str, Any]) -> None:
        """Keep what the distiller found in the history, and its plain numbers in the log and TensorBoard too."""
        self.history[-1]["diagnostics"] = diagnostics
        numbers = {name: value for name, value in diagnostics.items() if isinstance(value, float)}
        for name, value in numbers.items():
            self.tensorboard.add_scalar(f"Distiller/{name}", value, epoch)
        self.logger.info(f"epoch {epoch} " + ", ".join(f"{name}: {value:.4f}" for name, value in numbers.items()))

    def _generate_train_loss_output(self, epoch_idx: int, s_time: float, e_time: float, losses: Any) -> str:
        if len(self._sums) < 2:
            return super()._generate_train_loss_output(epoch_idx, s_time, e_time, losses)
        terms = ", ".join(f"{name}: {loss:.4f}" for name, loss in self._sums.items())
        return f"epoch {epoch_idx} training [time: {e_time - s_time:.2f}s, {terms}]"

    def _add_train_loss_to_tensorboard(self, epoch_idx: int, losses: Any, tag: str = "Loss/Train") -> None:
        for name, loss in self._sums.items():
            self.tensorboard.add_scalar(f"{tag}/{name}", loss, epoch_idx)

    def _valid_epoch(self, valid_data: Any, show_progress: bool = False) -> tuple[float, dict[str, float]]:
        score, result = super()._valid_epoch(valid_data, show_progress=show_progress)
        teachers = self.distiller.changing_teachers() if self.history else {}
        found = {name: self.evaluate_as(teacher, valid_data) for name, teacher in teachers.items()}
        if found:
            self.history[-1]["teachers_valid"] = plain_values(found)
            epoch, metric = self.history[-1]["epoch"], self.valid_metric
            scores = {name: values[metric] for name, values in found.items()}
            for name, value in scores.items():
                self.tensorboard.add_scalar(f"Teacher_valid_score/{name}", value, epoch)
            told = ", ".join(f"{name}: {value:.4f}" for name, value in scores.items())
            self.logger.info(f"epoch {epoch} teachers' own {metric}: {told}")
            self.distiller.validated(scores)
        return score, result

    def _save_checkpoint(self, epoch: int, verbose: bool = True, **kwargs: Any) -> None:
        super()._save_checkpoint(epoch, verbose, **kwargs)
        if self.distiller.content is not None:
            self.distiller.content.keep()

    def evaluate_as(self, other: nn.Module, data: Any) -> dict[str, float]:
        """Evaluate another module that scores, such as a teacher as it now stands, through the same evaluator."""
        student: Any = self.model
        self.model = other
        try:
            return dict(self.evaluate(data, load_best_model=False))
        finally:
            self.model = student


def make_distilling_trainer(config: Any, model: nn.Module, distiller: Any, scores: Any) -> Any:
    """RecBole's own trainer of the student ``model``, with a distiller; the arguments are the mixin's."""
    return trainer_class(config, [DistillingMixin])(config, model, distiller, scores)
