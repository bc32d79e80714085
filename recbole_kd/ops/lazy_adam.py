"""Adam whose step costs what the batch reads, and not what the table holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam


def can_be_fused(parameter: Tensor) -> bool:
    """Whether PyTorch's fused Adam moves a parameter rightly: no complex numbers, no view with gaps."""
    return parameter.is_floating_point() and parameter.is_contiguous()


class LazyAdam(torch.optim.Optimizer):
    """Adam (Kingma and Ba, 2015) that leaves rows without a gradient where they are.

    A row's moments are decayed for all steps that passed it by when a batch reads it next: ``m ← β1^n m + (1 − β1) g``
    and ``v ← β2^n v + (1 − β2) g²`` after n steps. What it leaves out is that Adam moves a row by its old momentum
    while no batch reads it, so the figures are no longer Adam's to the digit. A gradient that is no sparse tensor is
    one of all rows, and gives Adam's own step.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        """Args are those of :class:`torch.optim.Adam`."""
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Move the rows of each gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group)
        return loss

    def _move(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
            state["last"] = parameter.new_zeros(parameter.shape[:1] or 1)  # its type is what a state dict keeps
        whole = [parameter, state["exp_avg"], state["exp_avg_sq"]]
        state["step"] = state["step"].to(parameter.device)  # where a state dict does not put it
        if not gradient.is_sparse:
            self._step(parameter, gradient, state["exp_avg"], state["exp_avg_sq"], state["step"], group)
            state["last"].fill_(float(state["step"]))
            return
        gradient = gradient.coalesce()
        ids, gradient = gradient.indices()[0], gradient.values()
        rows = [one.index_select(0, ids) for one in whole]
        passed = (float(state["step"]) - state["last"][ids]).unsqueeze(1)  # one more is decayed by the step itself
        for moments, beta in zip(rows[1:], group["betas"], strict=True):
            moments.mul_(beta**passed)
        self._step(rows[0], gradient, rows[1], rows[2], state["step"], group)
        for one, moved in zip(whole, rows, strict=True):
            one.index_copy_(0, ids, moved)
        state["last"][ids] = float(state["step"])

    @staticmethod
    def _step(value: Tensor, gradient: Tensor, first: Tensor, second: Tensor, step: Tensor, group: Any) -> None:
        """Adam's own, in place; it counts the step too."""
        adam(
            [value],
            [gradient],
            [first],
            [second],
            [],
            [step],
            fused=can_be_fused(value),
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=0.0,
            eps=group["eps"],
            maximize=False,
        )
